"""The target plan: the record is followed, damage is healed, and then there is rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.target_plan import (
    HEALED,
    UNSEEN,
    Converge,
    Fault,
    Seen,
    Withdraw,
    plan_target,
)

digests = st.sampled_from([None, "a", "b", "c"])


@given(digests, st.builds(Seen, digests, st.booleans()))
def test_one_step_reaches_the_record_and_a_second_changes_nothing(
    champion: str | None, seen: Seen
) -> None:
    match plan_target(champion, seen).action:
        case Converge(digest):
            seen = Seen(digest)
        case Withdraw():
            seen = Seen(None)
    assert seen.digest == champion
    assert plan_target(champion, seen).action is None


def test_damage_to_the_served_bundle_is_healed_and_named() -> None:
    plan = plan_target("a", Seen("a", intact=False, detail="model.onnx differs"))
    assert (plan.reason, plan.action) == ("BundleDamaged", Converge("a"))
    assert "model.onnx differs" in plan.message


def test_a_model_without_a_champion_is_withdrawn() -> None:
    assert plan_target(None, Seen("a")).action == Withdraw()


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("digest", [None, "a", "b"])
def test_every_fault_is_named_and_only_what_loading_anew_may_mend_is_acted_on(
    fault: Fault, digest: str | None
) -> None:
    plan = plan_target("a", Seen(digest, intact=False, detail="why", fault=fault))
    assert plan.reason == fault
    assert plan.message.endswith("why")
    assert plan.action == (Converge("a") if fault in HEALED else None)
    assert plan.heals == (fault in HEALED)
    assert plan.faulty == (fault is not Fault.LOADING)
    assert (plan.requeue_after is not None) == (fault is Fault.LOADING)
    assert plan.missing == (digest is None and fault not in (Fault.LOADING, *UNSEEN))


def test_a_fault_at_a_model_that_is_released_no_more_does_not_matter() -> None:
    assert plan_target(None, Seen(None, intact=False, fault=Fault.SERVER_DOWN)).action is None


def test_a_roll_out_heals_nothing() -> None:
    assert not plan_target("a", Seen("b")).heals
    assert not plan_target(None, Seen("b")).heals
