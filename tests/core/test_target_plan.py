"""The target plan: the record is followed, damage is healed, and then there is rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.target_plan import Converge, Seen, Withdraw, plan_target

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
