"""What keeps production as it is: a freeze, for a time, and the guard, until it is allowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.actions import Accept, Judge, Release, Retire, Train
from reconciler.core.candidates import Candidate
from reconciler.core.frozen import Frozen
from reconciler.core.observed import Observed
from reconciler.core.plan import Invalid, plan_release
from reconciler.core.trainings import Running
from reconciler.core.verdict import Outcome
from tests.core.test_plan import NOW, World, desired

FREEZE = Frozen(NOW + timedelta(hours=2), "deny window")


def trained(alpha: int, **changes: object) -> Candidate:
    """Return a candidate that passed the rules of `desired(alpha)`, not on record yet."""
    seen = Candidate(f"fp{alpha}", f"b{alpha}", "e")
    judge = plan_release(desired(alpha), Observed(candidates=(seen,)), NOW).actions[0]
    assert isinstance(judge, Judge)
    return replace(seen, verdict=Outcome.PASSED, judged=judge.question, **changes)  # type: ignore[arg-type]


def test_a_version_that_passes_in_a_freeze_goes_on_record_and_waits() -> None:
    passed = trained(1)
    plan = plan_release(desired(), Observed(candidates=(passed,), frozen=FREEZE), NOW)
    assert (plan.reason, plan.actions) == ("Frozen", (Accept("b1"),))
    assert plan.requeue_after == timedelta(hours=1)
    kept = replace(passed, recorded=passed.judged)
    plan = plan_release(desired(), Observed(candidates=(kept,), frozen=FREEZE), NOW)
    assert (plan.reason, plan.actions) == ("Frozen", ())
    assert plan.message == f"releases wait until 2026-01-01 02:00+00:00: {FREEZE.window}"
    assert plan_release(desired(), Observed(candidates=(kept,)), NOW).actions == (Release("b1"),)


def test_a_retirement_waits_too_and_training_does_not() -> None:
    champion = Observed(True, "b1", (trained(1, released=True),), frozen=FREEZE)
    assert plan_release(None, champion, NOW).reason == "Frozen"
    assert plan_release(None, champion, NOW).actions == ()
    assert plan_release(desired(alpha=2), champion, NOW).actions == (Train("fp2"),)
    assert plan_release(desired(), replace(champion, candidates=()), NOW).reason == "NotTrained"


def test_going_back_to_an_earlier_version_by_rule_does_not_wait() -> None:
    strict = desired(2, 0.9, on_violation="rollback")
    former = trained(1, released=True)
    champion = replace(former, fingerprint="fp2", bundle="b2")
    seen = Observed(True, "b2", (former, champion), frozen=FREEZE)
    plan = plan_release(strict, seen, NOW)
    while isinstance(judge := plan.actions[0], Judge):
        said = Outcome.FAILED if judge.bundle == "b2" else Outcome.PASSED
        asked = judge.question
        known = {c.bundle: c for c in seen.candidates}
        known[judge.bundle] = replace(
            known[judge.bundle], verdict=said, judged=asked, recorded=asked
        )
        seen = replace(seen, candidates=tuple(known.values()))
        plan = plan_release(strict, seen, NOW)
    assert (plan.reason, plan.actions) == ("RollBack", (Release("b1"),))


def test_what_is_guarded_neither_trains_nor_is_released_nor_retired() -> None:
    champion = Observed(True, "b1", (trained(1, released=True),), guarded="too much")
    waiting = replace(champion, candidates=(*champion.candidates, trained(2)))
    unjudged = replace(champion, candidates=(*champion.candidates, Candidate("fp2", "b2", "e")))
    running = replace(champion, running=Running("fp2"))
    for want, seen in (
        (None, champion),
        (desired(2), champion),
        (desired(2), waiting),
        (desired(2), unjudged),
        (None, running),
        (desired(2), replace(champion, frozen=FREEZE)),
    ):
        plan = plan_release(want, seen, NOW)
        assert (plan.reason, plan.message, plan.actions) == ("MassChange", "too much", ())
    assert plan_release(desired(2), running, NOW).reason == "Training"
    assert plan_release(desired(1), champion, NOW).reason in ("Settled", "Confirmed")
    assert plan_release(Invalid("InvalidSpec", "no"), champion, NOW).reason == "InvalidSpec"


@given(
    st.integers(0, 99),
    st.lists(
        st.tuples(st.booleans(), st.sampled_from((None, 1, 2, 3)), st.sampled_from((0.1, 0.9))),
        max_size=6,
    ),
)
def test_a_freeze_keeps_back_releases_and_retirements_alone(
    seed: int, phases: list[tuple[bool, int | None, float]]
) -> None:
    world = World(seed)
    for frozen, alpha, floor in phases:
        want = None if alpha is None else desired(alpha, floor, on_violation="rollback")
        before = list(world.released)
        for _ in range(20):
            seen = replace(world.observe(), frozen=FREEZE if frozen else None)
            free = plan_release(want, replace(seen, frozen=None), NOW)
            plan = plan_release(want, seen, NOW)
            waits = frozen and (free.reason == "Passed" or free.actions == (Retire(),))
            assert plan == free if not waits else plan.reason == "Frozen"
            if not plan.actions:
                world.finish_training()
                if not world.memory and not waits:
                    break
            for action in plan.actions:
                world.execute(action)
        if frozen:
            back = {c.bundle for c in world.observe().candidates if c.released}
            assert {bundle for bundle, _ in world.released[len(before) :]} <= back
