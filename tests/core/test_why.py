"""Why a model waits: every state has one sentence with what, since when, and the way on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.actions import Challenge, Confirm, Judge, Release, Retire, Train
from reconciler.core.plan import Desired, Invalid, Plan
from reconciler.core.record import (
    Hold,
    Outcome,
    Pointer,
    Record,
    Version,
    empty,
    promote,
    with_hold,
    with_version,
    withdraw,
)
from reconciler.core.rollouts import said as rollout_said
from reconciler.core.rollouts import started, withdrawn
from reconciler.core.target_plan import Converge, TargetPlan
from reconciler.core.why import Facts, Sighting, Trouble, why
from reconciler.spec.model import ModelSpec, Rollout

HOUR = {name: datetime(2026, 3, 1, hour, tzinfo=UTC) for hour, name in enumerate("abcdef", 10)}
SERVED = TargetPlan("Settled")


def declared(fingerprint: str = "f1") -> Desired:
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": "wine"},
            "spec": {
                "data": {"source": "data/x.csv", "target": "y"},
                "training": {"estimator": "sklearn.linear_model.Ridge"},
                "acceptance": [{"metric": "r2", "min": 0.5}],
            },
        }
    )
    return Desired(spec, fingerprint, "0123456789")


def tried(outcome: Outcome, verdict: dict[str, Any] | None = None, **changes: Any) -> Record:
    """Return a record with one version of f1."""
    fields: dict[str, Any] = {
        "number": 1,
        "outcome": outcome,
        "fingerprint": "f1",
        "revision": "r1",
        "created": HOUR["c"],
        "bundle": None if outcome is Outcome.FAILED else Pointer(md5="1" * 32 + ".dir"),
        "verdict": verdict,
        "judged": "q:-",
        "message": "",
    }
    record = with_version(empty("wine"), Version(**{**fields, **changes}))
    return promote(record, 1, "r1") if outcome is Outcome.RELEASED else record


def facts(plan: Plan, record: Record | None = None, **changes: Any) -> Facts:
    base = Facts(
        name="wine",
        plan=plan,
        desired=declared(),
        record=record,
        target=SERVED,
        declared=HOUR["a"],
        decided=HOUR["b"],
    )
    return replace(base, **changes)


def said(plan: Plan, record: Record | None = None, **changes: Any) -> str:
    return why(facts(plan, record, **changes)).sentence()


RELEASED = tried(Outcome.RELEASED)
ROLLING = started(
    with_version(
        RELEASED,
        Version(
            number=2,
            outcome=Outcome.ACCEPTED,
            fingerprint="f2",
            revision="r2",
            created=HOUR["d"],
            bundle=Pointer(md5="2" * 32 + ".dir"),
        ),
    ),
    2,
    Rollout(strategy="canary"),
    HOUR["d"],
)
UNTRAINED = Plan("NotTrained", "no artifact of this fingerprint", (Train("f1"),))


def test_a_model_that_is_as_declared_waits_for_nothing() -> None:
    assert said(Plan("Settled", "as declared"), RELEASED) == (
        "wine waits for nothing: version 1 is in production as declared, since 2026-03-01 11:00"
        " UTC; a commit that changes it would change that."
    )


def test_a_released_version_that_is_not_served_waits_for_its_target() -> None:
    target = TargetPlan("RollOut", "it is not served yet", Converge("1"))
    sentence = said(Plan("Settled", "as declared"), RELEASED, target=target)
    assert "waits for its target: version 1 is released, and it is not served yet" in sentence
    assert "`reconciler apply wine` brings it there" in sentence


@pytest.mark.parametrize(
    ("reason", "what", "then"),
    [
        ("NotServed", "a server", "`reconciler serve`"),
        ("TokenWanted", "a token", "token create"),
        ("ServerRefuses", "its server to let us ask", "`reconciler doctor` asks"),
        ("NotOurs", "a server", "--port N"),
    ],
)
def test_a_server_that_is_away_is_told_from_one_that_wants_a_token(
    reason: str, what: str, then: str
) -> None:
    sentence = said(Plan("Settled"), RELEASED, target=TargetPlan(reason, "so it is"))
    assert f"waits for {what}: version 1 is released, and so it is" in sentence
    assert then in sentence


@pytest.mark.parametrize("reason", ["TokenWanted", "ServerRefuses"])
def test_what_cannot_be_seen_is_told_as_it_was_last_seen_and_from_when(reason: str) -> None:
    target = TargetPlan(reason, "it wants a token")
    well = Sighting(True, "Settled", "serves the released version", HOUR["c"])
    found = why(facts(Plan("Settled", "as declared"), RELEASED, target=target, sighting=well))
    assert found.reason == "Settled"
    assert (
        "version 1 is in production as declared (served when last looked at, 2026-03-01 12:00"
        in (found.sentence())
    )
    assert found.then.endswith("we cannot look ourselves: it wants a token")
    gone = Sighting(False, "ServerDown", "no server answers", HOUR["c"])
    found = why(facts(Plan("Settled"), RELEASED, target=target, sighting=gone))
    assert found.reason == "ServerDown"
    assert "no server answers (when last looked at, 2026-03-01 12:00:00 UTC)" in found.sentence()


def test_a_sighting_does_not_matter_to_who_can_look() -> None:
    last = Sighting(False, "ServerDown", "no server answers", HOUR["c"])
    assert "last looked" not in said(Plan("Settled"), RELEASED, sighting=last)
    target = TargetPlan("NotServed", "nobody serves it")
    assert "waits for a server" in said(Plan("Settled"), RELEASED, sighting=last, target=target)


def test_a_rollout_says_how_far_it_is_and_how_it_may_be_ended() -> None:
    passed = Plan("Passed", "the gate let it through", (Challenge("2"),))
    assert "waits to be rolled out: the gate let it through" in said(passed, RELEASED)
    sentence = said(Plan("RollingOut", rollout_said(ROLLING)), ROLLING)
    assert sentence.startswith(
        "wine waits for its rollout: version 2 gets 10 % of the traffic (canary, step 1 of 2)"
        " since 2026-03-01 13:00 UTC; "
    )
    assert "`reconciler promote wine --reason …`" in sentence
    assert "`reconciler rollback wine` withdraws it" in sentence


def test_a_rollout_that_was_withdrawn_says_why_and_what_tries_again() -> None:
    gone = withdrawn(ROLLING, "TooSlow", "it was slow")
    sentence = said(Plan("Withdrawn", "version 2 was withdrawn: it was slow"), gone)
    assert "waits for a person: version 2 was withdrawn: it was slow, since" in sentence
    assert "version 1 stays in production" in sentence
    assert "`reconciler retry wine` begins the rollout again" in sentence


def test_a_hold_says_where_the_rollout_stands_meanwhile() -> None:
    hold = Hold(reason="audit", by="Ada", since=HOUR["e"])
    sentence = said(Plan("Held", str(hold)), with_hold(ROLLING, hold))
    assert "held by Ada (audit), since 2026-03-01 14:00 UTC; " in sentence
    assert "; meanwhile version 2 gets 10 % of the traffic" in sentence


def test_a_model_that_was_never_trained_names_what_is_declared_and_since_when() -> None:
    sentence = said(UNTRAINED)
    assert "no artifact of what HEAD (0123456) declares, since 2026-03-01 10:00 UTC" in sentence
    assert sentence.endswith("`reconciler apply wine` does that.")


def test_a_training_in_any_process_is_told_with_its_begin() -> None:
    assert "wine is being trained, since 2026-03-01 13:00 UTC" in said(
        UNTRAINED, training=HOUR["d"]
    )
    assert "is being trained" in said(Plan("Training", "its stages are running"))


def test_a_model_whose_turn_comes_names_the_process_that_is_at_work() -> None:
    assert "process 4711 is at work and comes to it" in said(UNTRAINED, busy="4711")


def test_a_remote_that_did_not_answer_is_what_the_model_waits_for() -> None:
    trouble = Trouble("RemoteFailed", "the remote does not answer", HOUR["e"])
    found = why(facts(UNTRAINED, trouble=trouble, log=".reconciler/logs/wine.log"))
    assert (found.reason, found.since) == ("RemoteFailed", HOUR["e"])
    assert "the last try ended with the remote does not answer" in found.waits
    assert "tries again (its log: .reconciler/logs/wine.log)" in found.then


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan("NotJudged", "", (Judge("b", "q"),)), "to be judged"),
        (Plan("Passed", "", (Release("b"),)), "to be released"),
        (Plan("NotDeclared", "", (Retire(),)), "to be retired"),
        (Plan("Confirmed", "it is renewed", (Confirm("b"),)), "its next step: it is renewed"),
    ],
)
def test_each_step_that_a_pass_takes_by_itself_is_named(plan: Plan, expected: str) -> None:
    assert expected in said(plan)


def test_a_rejection_names_the_rule_and_by_how_much_it_was_missed() -> None:
    evidence = {
        "metric": "rmse",
        "outcome": "failed",
        "value": 58.25,
        "threshold": {"max": 55.0},
    }
    message = "rmse is 58.25, wanted at most 55"
    verdict = {"outcome": "failed", "message": message, "evidence": [evidence]}
    sentence = said(Plan("Rejected", message), tried(Outcome.REJECTED, verdict))
    assert "version 1 was rejected: rmse is 58.25, wanted at most 55 (3.25 too high)" in sentence
    assert "a commit that changes the model, its data or that rule would change that" in sentence


def test_an_open_verdict_names_the_rows_and_the_promotion() -> None:
    message = "the rows do not tell; about 180 rows would"
    verdict = {"outcome": "inconclusive", "message": message, "evidence": []}
    sentence = said(Plan("Inconclusive", message), tried(Outcome.INCONCLUSIVE, verdict))
    assert "waits for evidence whether version 1 may be released" in sentence
    assert "about 180 rows would" in sentence
    assert "`reconciler promote wine 1 --reason …`" in sentence


def test_a_champion_out_of_policy_says_that_it_stays() -> None:
    verdict = {"outcome": "failed", "message": "r2 is 0.4", "evidence": []}
    sentence = said(Plan("OutOfPolicy", ""), tried(Outcome.RELEASED, verdict))
    assert "version 1 is out of policy and stays in production: r2 is 0.4" in sentence


def test_a_failure_names_its_log_and_the_retry() -> None:
    record = tried(Outcome.FAILED, reason="EntrypointFailed", message="no such luck")
    sentence = said(Plan("EntrypointFailed", "no such luck"), record, log="logs/wine.log")
    assert "training failed (EntrypointFailed): no such luck, since 2026-03-01 12:00" in sentence
    assert "`reconciler retry wine` tries once more (its log: logs/wine.log)" in sentence


def test_a_withdrawn_version_waits_for_a_person() -> None:
    record = withdraw(RELEASED, 1, "TooSlow", "p99 is 9 ms")
    assert "it was withdrawn (TooSlow): p99 is 9 ms" in said(Plan("TooSlow", ""), record)


def test_a_hold_names_who_why_since_when_and_how_it_ends() -> None:
    record = with_hold(RELEASED, Hold(reason="audit", by="Ada", since=HOUR["f"]))
    assert said(Plan("Held", ""), record) == (
        "wine waits for a person: it is held by Ada (audit), since 2026-03-01 15:00 UTC;"
        " `reconciler resume wine` ends that."
    )
    assert "held by Ada" in said(Plan("Suspended", ""), record)
    back = Hold(reason="back", by="Bo", since=HOUR["f"], against=("f1",))
    assert "so does a commit that declares another model" in said(
        Plan("Held", ""), with_hold(RELEASED, back)
    )


def test_an_invalid_spec_names_its_line_and_what_stays_in_production() -> None:
    invalid = Invalid("InvalidSpec", "specs/wine.yaml:9:3: spec.data.target: is missing")
    sentence = said(Plan(invalid.reason, invalid.message), RELEASED, desired=invalid)
    assert "waits for a commit: specs/wine.yaml:9:3: spec.data.target: is missing" in sentence
    assert "version 1 stays in production" in sentence


def test_a_record_that_cannot_be_read_waits_for_a_person() -> None:
    corrupt = Invalid("RecordCorrupt", "its record cannot be read: champion")
    sentence = said(Plan(corrupt.reason, corrupt.message), desired=corrupt)
    assert "mend wine.yaml on the branch `deployed`" in sentence


def test_libraries_that_differ_are_named() -> None:
    plan = Plan("RuntimeMismatch", "cannot train with these libraries: numpy 2.3, declared 2.4")
    assert "waits for libraries: it cannot train with these libraries: numpy 2.3" in said(plan)


def test_a_retired_model_says_how_it_comes_back() -> None:
    sentence = said(Plan("Retired", ""), tried(Outcome.REJECTED), desired=None)
    assert "waits for nothing: it is retired, 1 version is kept" in sentence
    assert "`git revert`" in sentence
