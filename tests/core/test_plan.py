"""The release plan: its rules one by one, and its promises in friendly and hostile worlds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.actions import (
    Abandon,
    Accept,
    Action,
    Cancel,
    Challenge,
    Confirm,
    Fail,
    Judge,
    Reject,
    Release,
    Retire,
    Supersede,
    Train,
)
from reconciler.core.candidates import Candidate, same_rules
from reconciler.core.observed import Observed
from reconciler.core.plan import Desired, Invalid, Plan, plan_release
from reconciler.core.record import Hold
from reconciler.core.rollout_rules import rules_of, settings_digest
from reconciler.core.rollouts import Challenging
from reconciler.core.runtime import Mismatch
from reconciler.core.trainings import Broken, Running
from reconciler.core.verdict import Outcome
from reconciler.spec.model import ModelSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOLD = Hold(reason="release freeze", by="Ada", since=NOW)


def desired(
    alpha: int = 1,
    floor: float = 0.5,
    *,
    compare: bool = False,
    on_violation: str = "hold",
    timeout: str | None = None,
    rollout: str = "immediate",
) -> Desired:
    rules: list[dict[str, object]] = [{"metric": "r2", "min": floor}]
    if compare:
        rules.append({"metric": "rmse", "compare": "champion"})
    spec = ModelSpec.model_validate(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Model",
            "metadata": {"name": "m"},
            "spec": {
                "data": {"source": "data/x.csv", "target": "y"},
                "training": {
                    "estimator": "sklearn.linear_model.Ridge",
                    "hyperparameters": {"alpha": alpha},
                    "timeout": timeout,
                },
                "acceptance": rules,
                "deployment": {"on_violation": on_violation, "rollout": {"strategy": rollout}},
            },
        }
    )
    return Desired(spec, f"fp{alpha}", "rev")


def lot(*parts: object) -> int:
    """Return a number that follows from `parts` alone, evenly spread over 0 to 99."""
    return hashlib.sha256(repr(parts).encode()).digest()[0] * 100 // 256


@dataclass
class World:
    """A stand-in for everything outside the plan: training, gate and record."""

    seed: int
    recorded: dict[str, Candidate] = field(default_factory=dict)
    memory: dict[str, Candidate] = field(default_factory=dict)
    champion: str | None = None
    failures: list[Broken] = field(default_factory=list)
    running: str | None = None
    ending: str | None = None
    """Why what runs was cancelled; None: it was not."""
    slow: bool = False
    """Trainings go on until a test ends them."""
    cut: list[str] = field(default_factory=list)
    """What was cancelled, in order."""
    trained: list[str] = field(default_factory=list)
    released: list[tuple[str, Outcome | None]] = field(default_factory=list)
    exists: bool = False
    broken_share: int = 0
    holds: list[Hold] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    """Holds that were broken; there must never be any."""
    lenient: bool = False
    """The gate lets everything through."""
    challenger: Challenging | None = None
    want: Desired | Invalid | None = None
    """What was last planned for."""

    def plan(self, want: Desired | Invalid | None) -> Plan:
        self.want = want
        return plan_release(want, self.observe(), NOW)

    def observe(self) -> Observed:
        merged = {**self.recorded, **self.memory}
        return Observed(
            recorded=self.exists,
            champion=self.champion,
            candidates=tuple(merged.values()),
            running=Running(self.running, self.ending is not None) if self.running else None,
            broken=tuple(self.failures),
            holds=tuple(self.holds),
            challenger=self.challenger,
        )

    def finish_training(self) -> None:
        fingerprint, self.running = self.running, None
        why, self.ending = self.ending, None
        if fingerprint is None:
            return
        if why is not None and lot(self.seed, "too late", fingerprint) < 80:
            at = Broken(fingerprint, "Superseded", why, transient=True, superseded=True)
            self.failures.append(at)
            return
        if lot(self.seed, "breaks", fingerprint) < self.broken_share:
            self.failures.append(Broken(fingerprint, "TrainingFailed", "it broke"))
            return
        bundle = f"bundle-{lot(self.seed, 'bundle', fingerprint) % 7}"
        known = self.recorded.get(bundle)
        self.memory[bundle] = Candidate(
            fingerprint, bundle, "evidence", released=known is not None and known.released
        )

    def crash(self) -> None:
        """Lose everything that is not on record."""
        self.memory.clear()
        self.running = self.ending = None
        self.failures = [b for b in self.failures if b.recorded]

    def execute(self, action: Action) -> None:
        match action:
            case Train(fingerprint):
                assert self.observe().of(fingerprint) is None, "trained what was at hand"
                assert self.running is None, "trained beside a training"
                self.trained.append(fingerprint)
                self.running = fingerprint
            case Judge(bundle, question):
                verdicts = [Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE]
                drawn = 0 if self.lenient else lot(self.seed, "verdict", question) % 3
                at = self._at(bundle)
                word = at.vouched if at.judged and same_rules(at.judged, question) else ""
                self.memory[bundle] = replace(
                    at, verdict=verdicts[drawn], judged=question, vouched=word
                )
            case Release(bundle):
                at = self._at(bundle)
                self.held += [h.reason for h in self.holds if h.stops(at.fingerprint, bundle)]
                self.released.append((bundle, Outcome.PASSED if at.accepted else at.verdict))
                self.champion, self.challenger = bundle, None
                self._record(bundle, released=True)
                self.recorded[bundle] = replace(self.recorded[bundle], withdrawn=None)
            case Confirm(bundle) | Reject(bundle) | Accept(bundle):
                self._record(bundle, released=self._at(bundle).released)
                self._end(bundle, isinstance(action, Reject))
            case Fail(broken):
                self.failures.remove(broken)
                self.failures.append(replace(broken, recorded=True))
                self.exists = True
            case Retire():
                self.champion = self.challenger = None
            case Challenge() | Abandon():
                self._roll(action)
            case Cancel(fingerprint):
                assert (self.running, self.ending) == (fingerprint, None), "cancelled in vain"
                self.ending = "a newer revision came"
                self.cut.append(fingerprint)
            case Supersede(broken):
                self.failures.remove(broken)
                self.exists = True

    def happen(self, verb: str, want: Desired | Invalid | None) -> None:
        """Do what may be done to the record at any moment beside the plan."""
        if verb in SERVED:
            self.served(verb)
        else:
            self.steer(verb, want)

    def steer(self, verb: str, want: Desired | Invalid | None) -> None:
        """Do what a person may do to the record at any moment."""
        declared = want.fingerprint if isinstance(want, Desired) else None
        former = [c for c in self.recorded.values() if c.released and c.bundle != self.champion]
        candidate = next((c for c in self.recorded.values() if c.fingerprint == declared), None)
        match verb:
            case "suspend":
                self.exists = True
                self.holds.append(Hold(reason="freeze", by="Ada", since=NOW))
            case "resume":
                self.holds.clear()
            case "retry":
                self.failures = [b for b in self.failures if b.fingerprint != declared]
                for bundle, one in self.recorded.items():
                    if one.fingerprint == declared:
                        self.recorded[bundle] = replace(one, withdrawn=None)
            case "rollback" if self.challenger is not None:
                self.served("withdraw")
            case "rollback" if self.champion is not None and former:
                gone, to = self._at(self.champion), former[-1]
                against = (gone.fingerprint, gone.bundle, declared)
                kept = tuple(i for i in against if i not in (None, to.fingerprint, to.bundle))
                self.holds = [
                    h for h in self.holds if not {to.fingerprint, to.bundle} & {*h.against}
                ]
                self.holds.append(Hold(reason="back", by="Ada", since=NOW, against=kept))
                self.champion, self.challenger = to.bundle, None
            case "promote" if candidate and candidate.verdict is Outcome.INCONCLUSIVE:
                if not self.observe().stopped(candidate.fingerprint, candidate.bundle):
                    vouched = replace(candidate, vouched="by Ada", released=True)
                    self.recorded[candidate.bundle] = vouched
                    self.memory.pop(candidate.bundle, None)
                    self.champion, self.challenger = candidate.bundle, None

    def served(self, verb: str) -> None:
        """Do what servers' counts may lead to at any moment."""
        if (gone := self.challenger) is None:
            return
        self.challenger, at = None, self.recorded[gone.bundle]
        match verb:
            case "roll out":
                self.champion = gone.bundle
                self.recorded[gone.bundle] = replace(at, released=True)
            case "withdraw":
                self.recorded[gone.bundle] = replace(at, withdrawn=gone.settings)
            case "time out" if isinstance(self.want, Desired):
                kept = settings_digest(rules_of(self.want.rollout), self.want.revision)
                self.recorded[gone.bundle] = replace(at, withdrawn=kept)

    def _end(self, bundle: str, rejected: bool) -> None:
        if rejected and self.challenger is not None and self.challenger.bundle == bundle:
            self.challenger = None

    def _roll(self, action: Challenge | Abandon) -> None:
        if isinstance(action, Abandon):
            assert self.challenger is not None, "abandoned in vain"
            self.challenger = None
            return
        assert isinstance(self.want, Desired)
        at = self._at(action.bundle)
        rules = rules_of(self.want.rollout)
        assert at.accepted, "rolled out what did not pass"
        assert self.champion not in (None, at.bundle), "rolled out with nobody to challenge"
        assert at.withdrawn != settings_digest(rules), "rolled out again what was withdrawn"
        self.held += [h.reason for h in self.holds if h.stops(at.fingerprint, at.bundle)]
        self._record(at.bundle, released=at.released)
        self.recorded[at.bundle] = replace(self.recorded[at.bundle], withdrawn=None)
        self.challenger = Challenging(at.bundle, settings_digest(rules), "rolling")

    def _at(self, bundle: str) -> Candidate:
        return self.memory.get(bundle) or self.recorded[bundle]

    def _record(self, bundle: str, *, released: bool) -> None:
        at = self._at(bundle)
        self.exists = True
        self.recorded.pop(bundle, None)
        self.recorded[bundle] = replace(at, recorded=at.judged, released=released)
        self.memory.pop(bundle, None)


def settle(world: World, want: Desired | Invalid | None, passes: int = 40) -> Plan:
    for _ in range(passes):
        if not world.slow or world.ending is not None:
            world.finish_training()
        plan = world.plan(want)
        if not plan.actions:
            return plan
        for action in plan.actions:
            world.execute(action)
    raise AssertionError(f"no rest after {passes} passes: {plan}")


wishes = st.builds(
    desired,
    alpha=st.integers(1, 5),
    floor=st.sampled_from([0.1, 0.5, 0.9]),
    compare=st.booleans(),
    on_violation=st.sampled_from(["hold", "rollback"]),
    rollout=st.sampled_from(["immediate", "canary", "shadow"]),
)
histories = st.lists(
    st.one_of(wishes, st.none(), st.just(Invalid("InvalidSpec", "specs/m.yaml:1:1"))),
    min_size=1,
    max_size=8,
)


@given(st.integers(0, 10_000), histories)
@settings(deadline=None, max_examples=300)
def test_a_friendly_world_settles_after_every_commit(
    seed: int, history: list[Desired | Invalid | None]
) -> None:
    world = World(seed)
    for want in history:
        settle(world, want)
        assert world.running is None


@given(st.integers(0, 10_000), histories, st.lists(st.integers(0, 99), max_size=30))
@settings(deadline=None, max_examples=300)
def test_a_hostile_world_settles_once_it_is_left_alone(
    seed: int, history: list[Desired | Invalid | None], faults: list[int]
) -> None:
    world = World(seed, broken_share=40)
    fault = iter(faults)
    for want in history:
        for _ in range(6):
            if next(fault, 99) < 30:
                world.crash()
            if next(fault, 99) > 40:
                world.finish_training()
            for action in world.plan(want).actions:
                if next(fault, 99) < 80:
                    world.execute(action)
    settle(world, history[-1])
    assert settle(world, history[-1]).actions == ()


SERVED = ["roll out", "withdraw", "time out"]
STEERING = ["suspend", "resume", "retry", "rollback", "promote", *SERVED]
steps = st.lists(st.one_of(wishes, st.none(), st.sampled_from(STEERING)), min_size=1, max_size=12)


@given(st.integers(0, 10_000), steps)
@settings(deadline=None, max_examples=300)
def test_whatever_a_person_steers_the_world_settles_and_no_hold_is_broken(
    seed: int, history: list[Desired | str | None]
) -> None:
    world, want = World(seed, broken_share=20), None
    for step in history:
        if isinstance(step, str):
            world.happen(step, want)
        else:
            want = step
        settle(world, want)
    assert world.held == []
    assert all(verdict is Outcome.PASSED for _, verdict in world.released)
    world.steer("resume", want)
    assert settle(world, want).reason not in ("Held", "Suspended")


@given(st.integers(0, 10_000), steps, st.lists(st.integers(0, 99), max_size=40))
@settings(deadline=None, max_examples=300)
def test_steering_a_hostile_world_breaks_no_hold_and_repeats_no_training(
    seed: int, history: list[Desired | str | None], faults: list[int]
) -> None:
    world, want = World(seed, broken_share=40), None
    fault = iter(faults)
    for step in history:
        if isinstance(step, str):
            world.happen(step, want)
        else:
            want = step
        for _ in range(4):
            if next(fault, 99) < 30:
                world.crash()
            if next(fault, 99) > 40:
                world.finish_training()
            for action in world.plan(want).actions:
                if next(fault, 99) < 80:
                    world.execute(action)
    settle(world, want)
    assert settle(world, want).actions == ()
    assert world.held == []


careful = st.builds(
    desired, alpha=st.integers(1, 3), rollout=st.sampled_from(["immediate", "canary", "shadow"])
)
rollings = st.lists(st.one_of(careful, careful, st.sampled_from(STEERING)), min_size=3, max_size=12)


@given(st.integers(0, 10_000), rollings)
@settings(deadline=None, max_examples=300)
def test_what_is_rolled_out_at_rest_is_what_is_declared_and_asked_for(
    seed: int, history: list[Desired | str | None]
) -> None:
    world, want = World(seed, lenient=True), None
    for step in history:
        if isinstance(step, str):
            world.happen(step, want)
        else:
            want = step
        plan = settle(world, want)
        if plan.reason == "RollingOut":
            assert world.challenger is not None
        if world.challenger is None or plan.reason == "Held":
            continue
        assert isinstance(want, Desired)
        candidate = world.observe().of(want.fingerprint)
        assert candidate is not None
        assert candidate.bundle == world.challenger.bundle
        assert world.challenger.settings == settings_digest(rules_of(want.rollout))
        assert plan.reason == "RollingOut"


@given(st.integers(0, 10_000), histories)
@settings(deadline=None, max_examples=300)
def test_no_released_version_ever_failed_its_gate(
    seed: int, history: list[Desired | Invalid | None]
) -> None:
    world = World(seed, broken_share=20)
    for want in history:
        settle(world, want)
    assert all(verdict is Outcome.PASSED for _, verdict in world.released)


@given(st.integers(0, 10_000), histories)
@settings(deadline=None, max_examples=300)
def test_of_trainings_that_outlive_revisions_only_what_is_declared_goes_on(
    seed: int, history: list[Desired | Invalid | None]
) -> None:
    world, declared = World(seed, broken_share=20, slow=True), None
    for want in history:
        before, cut = world.running, list(world.cut)
        settle(world, want)
        if isinstance(want, Invalid):
            assert (world.running, world.cut) == (before, cut)
            continue
        declared = want.fingerprint if want else None
        assert world.running in (None, declared)
        assert declared is None or declared not in world.cut[len(cut) :]
    world.slow = False
    settle(world, history[-1])
    assert not any(broken.superseded for broken in world.failures) or not world.exists


@given(st.integers(0, 10_000), wishes, wishes)
@settings(deadline=None, max_examples=100)
def test_a_revert_to_what_was_cut_short_trains_it_again(
    seed: int, first: Desired, second: Desired
) -> None:
    world = World(seed, slow=True)
    for want in (first, second, first):
        settle(world, want)
    assert world.running == first.fingerprint or world.observe().of(first.fingerprint)
    both = [first.fingerprint, second.fingerprint]
    assert world.cut == (both if both[0] != both[1] else [])


def test_an_unknown_model_is_trained() -> None:
    assert plan_release(desired(), Observed(), NOW).actions == (Train("fp1"),)


def test_a_running_training_is_awaited_and_not_started_twice() -> None:
    plan = plan_release(desired(), Observed(running=Running("fp1")), NOW)
    assert (plan.reason, plan.actions) == ("Training", ())


def test_a_training_that_is_declared_no_more_is_cancelled_and_the_next_waits_for_its_end() -> None:
    seen = Observed(running=Running("fp1"))
    plan = plan_release(replace(desired(alpha=2), revision="abcdef1234567"), seen, NOW)
    assert plan.actions == (Cancel("fp1"),)
    assert plan.message == "cut short: revision abcdef1234 declares another model"
    ending = Observed(running=Running("fp1", ending=True))
    assert plan_release(desired(alpha=2), ending, NOW).actions == ()
    assert plan_release(desired(alpha=1), ending, NOW).actions == ()
    assert plan_release(None, seen, NOW).actions == (Cancel("fp1"),)


def test_what_is_at_hand_is_released_while_a_cancelled_training_ends() -> None:
    ready = Candidate("fp1", "b", "e")
    ending = Observed(running=Running("fp2", ending=True), candidates=(ready,))
    assert isinstance(plan_release(desired(alpha=1), ending, NOW).actions[0], Judge)
    production = replace(ending, recorded=True, champion="b")
    assert plan_release(None, production, NOW).actions == (Retire(),)


def test_what_is_declared_trains_on_under_a_broken_spec_and_under_a_hold_and_nothing_else() -> None:
    running = Observed(recorded=True, running=Running("fp1"))
    assert plan_release(Invalid("InvalidSpec", "specs/m.yaml:1:1"), running, NOW).actions == ()
    by_name = Hold(reason="back", by="Ada", since=NOW, against=("fp1",))
    for hold in (HOLD, by_name):
        held = replace(running, holds=(hold,))
        assert plan_release(desired(alpha=1), held, NOW) == Plan("Held", str(hold))
        assert plan_release(desired(alpha=2), held, NOW).actions == (Cancel("fp1"),)


def test_what_was_cut_short_is_put_on_record_once_and_held_against_nothing() -> None:
    cut = Broken("fp1", "Superseded", "cut short", transient=True, revision="r1", superseded=True)
    seen = Observed(recorded=True, broken=(cut,))
    for want in (desired(alpha=1), desired(alpha=2), None):
        assert plan_release(want, seen, NOW).actions == (Supersede(cut),)
    assert plan_release(Invalid("RecordCorrupt", "deployed"), seen, NOW).actions == ()
    gone = replace(seen, recorded=False)
    assert plan_release(None, gone, NOW) == Plan("Absent", "not declared and not recorded")


def test_what_this_history_never_declared_is_left_alone() -> None:
    champion = Observed(recorded=True, champion="b", foreign=True)
    assert plan_release(None, champion, NOW).reason == "DeclaredElsewhere"
    assert plan_release(None, replace(champion, foreign=False), NOW).actions == (Retire(),)
    assert plan_release(None, replace(champion, champion=None), NOW).reason == "Retired"


def test_a_hold_stops_everything_but_retirement() -> None:
    held = Observed(recorded=True, champion="b", holds=(HOLD,))
    plan = plan_release(desired(), held, NOW)
    assert plan == Plan("Held", "held by Ada since 2026-01-01 00:00 UTC: release freeze")
    assert plan_release(None, held, NOW).actions == (Retire(),)


def test_a_hold_against_one_declaration_stops_it_and_its_bytes_and_nothing_else() -> None:
    world = World(seed=_seed_where_everything_passes())
    settle(world, desired(alpha=1, floor=0.1))
    settle(world, desired(alpha=2, floor=0.1))
    first, second = (bundle for bundle, _ in world.released)
    world.champion = first
    hold = Hold(reason="rolled back", by="Ada", since=NOW, against=("fp2", second))

    def held(observed: Observed) -> Observed:
        return replace(observed, holds=(hold,))

    stopped = plan_release(desired(alpha=2, floor=0.1), held(world.observe()), NOW)
    assert (stopped.reason, stopped.actions) == ("Held", ())
    same_bytes = Observed(candidates=(Candidate("fp3", second, "e"),))
    assert plan_release(desired(alpha=3), held(same_bytes), NOW).reason == "Held"
    assert plan_release(desired(alpha=4), held(world.observe()), NOW).actions == (Train("fp4"),)


def test_a_model_that_is_as_declared_is_suspended_and_not_out_of_step() -> None:
    world = World(seed=_seed_where_everything_passes())
    settle(world, desired(alpha=1, floor=0.1))
    suspended = replace(world.observe(), holds=(HOLD,))
    assert plan_release(desired(alpha=1, floor=0.1), suspended, NOW).reason == "Suspended"
    assert plan_release(desired(alpha=2, floor=0.1), suspended, NOW).reason == "Held"


def test_a_person_s_word_lets_an_undecided_version_in_until_its_rules_change() -> None:
    seen = Candidate("fp1", "b", "e", verdict=Outcome.INCONCLUSIVE)
    asked = plan_release(desired(), Observed(candidates=(seen,)), NOW).actions[0]
    assert isinstance(asked, Judge)
    undecided = replace(seen, judged=asked.question, recorded=asked.question)
    assert plan_release(desired(), Observed(candidates=(undecided,)), NOW).actions == ()
    promoted = Observed(
        recorded=True,
        champion="b",
        candidates=(replace(undecided, released=True, vouched="promoted by Ada: fine"),),
    )
    plan = plan_release(desired(), promoted, NOW)
    assert (plan.reason, plan.message) == ("Settled", "as declared; promoted by Ada: fine")
    again = plan_release(desired(floor=0.9), promoted, NOW).actions
    assert isinstance(again[0], Judge)
    superseded = replace(promoted, champion=None)
    assert plan_release(desired(), superseded, NOW).actions == (Release("b"),)


def test_a_word_is_no_word_for_what_failed() -> None:
    seen = Candidate("fp1", "b", "e", verdict=Outcome.FAILED, vouched="promoted by Ada")
    assert not seen.accepted
    assert replace(seen, verdict=Outcome.INCONCLUSIVE).accepted


def test_a_fall_back_passes_over_what_was_rolled_back_from() -> None:
    good = Candidate("fp1", "good", "e", released=True)
    taken = Candidate("fp2", "taken", "e", released=True)
    bad = Candidate("fp3", "bad", "e", released=True)
    recorded = {c.bundle: c for c in (good, taken, bad)}
    world = World(seed=0, recorded=recorded, champion="bad", exists=True)
    world.holds = [Hold(reason="back", by="Ada", since=NOW, against=("fp2", "taken"))]
    want = desired(alpha=3, on_violation="rollback")
    passed = dict.fromkeys(("good", "taken"), Outcome.PASSED)
    _answer(world, want, {"bad": Outcome.FAILED, **passed})
    assert world.champion == "good"


def test_libraries_that_differ_from_the_declared_refuse_to_train() -> None:
    old = Observed(mismatches=(Mismatch("scikit-learn", "1.9", "1.8.2"),))
    plan = plan_release(desired(), old, NOW)
    assert plan.reason == "RuntimeMismatch"
    assert "scikit-learn 1.8.2, declared 1.9" in plan.message


def test_libraries_that_differ_do_not_stop_the_judging_of_what_is_trained() -> None:
    trained = Observed(
        mismatches=(Mismatch("numpy", "2.4", "2.3.1"),),
        candidates=(Candidate("fp1", "b", "e"),),
    )
    assert isinstance(plan_release(desired(), trained, NOW).actions[0], Judge)


def test_a_recorded_failure_is_not_repeated_until_its_cause_changes() -> None:
    broken = Broken("fp1", "TrainingFailed", "it broke", recorded=True)
    observed = Observed(recorded=True, broken=(broken,))
    assert plan_release(desired(), observed, NOW).reason == "TrainingFailed"
    assert plan_release(desired(alpha=2), observed, NOW).actions == (Train("fp2"),)
    assert plan_release(desired(timeout="2h"), observed, NOW).actions == (Train("fp1"),)


def test_a_training_that_lacked_memory_is_tried_again_where_there_is_more() -> None:
    broken = Broken("fp1", "OutOfMemory", "it took too much", memory=4 * 10**9)
    fresh = Observed(recorded=True, broken=(broken,), memory=4 * 10**9)
    assert plan_release(desired(), fresh, NOW).actions == (Fail(broken),)
    known = replace(fresh, broken=(replace(broken, recorded=True),))
    for room in (None, 10**9, 4 * 10**9):
        plan = plan_release(desired(), replace(known, memory=room), NOW)
        assert (plan.reason, plan.actions) == ("OutOfMemory", ())
    roomy = replace(known, memory=8 * 10**9)
    assert plan_release(desired(), roomy, NOW).actions == (Train("fp1"),)
    assert plan_release(desired(timeout="2h"), known, NOW).actions == (Train("fp1"),)


def test_a_failure_that_time_mends_is_asked_again_later_and_never_recorded() -> None:
    broken = Broken("fp1", "DiskFull", "no space", transient=True)
    plan = plan_release(desired(), Observed(broken=(broken,)), NOW)
    assert plan.actions == ()
    assert plan.requeue_after is not None


def test_a_threshold_asks_the_gate_again_and_trains_nothing() -> None:
    world = World(seed=_seed_where_everything_passes())
    settle(world, desired(floor=0.1))
    trained = list(world.trained)
    plan = plan_release(desired(floor=0.9), world.observe(), NOW)
    assert isinstance(plan.actions[0], Judge)
    settle(world, desired(floor=0.9))
    assert world.trained == trained


def test_a_revert_releases_the_former_bundle_without_training() -> None:
    world = World(seed=_seed_where_everything_passes())
    settle(world, desired(alpha=1, floor=0.1))
    settle(world, desired(alpha=2, floor=0.1))
    first, second = (bundle for bundle, _ in world.released)
    trained = list(world.trained)
    settle(world, desired(alpha=1, floor=0.1))
    assert [bundle for bundle, _ in world.released] == [first, second, first]
    assert world.trained == trained


def test_a_champion_out_of_policy_stays_on_hold_and_gives_way_on_rollback() -> None:
    good = Candidate("fp1", "good", "e", released=True)
    bad = Candidate("fp2", "bad", "e", released=True)
    for policy, expected in [("hold", "bad"), ("rollback", "good")]:
        world = World(seed=0, recorded={"good": good, "bad": bad}, champion="bad", exists=True)
        want = desired(alpha=2, on_violation=policy)
        _answer(world, want, {"bad": Outcome.FAILED, "good": Outcome.PASSED})
        assert world.champion == expected


def _answer(world: World, want: Desired, answers: dict[str, Outcome]) -> None:
    """Settle with a gate that gives these answers."""
    for _ in range(20):
        plan = plan_release(want, world.observe(), NOW)
        for action in plan.actions:
            if isinstance(action, Judge):
                verdict = answers[action.bundle]
                at = world._at(action.bundle)
                judged = replace(at, verdict=verdict, judged=action.question)
                world.memory[action.bundle] = judged
            else:
                world.execute(action)
    assert plan.actions == ()


def _seed_where_everything_passes() -> int:
    """Return a seed of the stand-in gate under which these three wishes pass, apart."""
    for seed in range(10_000):
        world = World(seed)
        for want in (desired(alpha=1, floor=0.1), desired(alpha=2, floor=0.1)):
            settle(world, want)
        settle(world, desired(alpha=1, floor=0.1))
        if len(world.released) == 3:
            return seed
    raise AssertionError("no such seed")
