"""SIGKILL at chosen points, of `apply` alone and of all it started: the next apply mends it.

`python bench/kill.py` does the same at hundreds of points.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from pathlib import Path

import pytest

from tests.killing.bed import Bed
from tests.killing.cut import How, Undisturbed, cut, undisturbed
from tests.killing.sample import spread

pytestmark = pytest.mark.slow

VERB = ("apply", "--jobs", "2")
#: How many points of each scene are cut: 25 in all.
SHARES = {"first": 4, "second": 5, "retired": 11, "steered": 5}
CASES = [(scene, n) for scene, share in SHARES.items() for n in range(share)]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    """Return a bed that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Bed(shared / "bed")


@pytest.mark.parametrize(
    ("scene", "n"),
    [pytest.param(*case, marks=pytest.mark.soak if case[1] > 1 else ()) for case in CASES],
)
def test_a_run_that_is_killed_at_a_point_leaves_nothing_that_the_next_does_not_mend(
    bed: Bed, scene: str, n: int, tmp_path: Path
) -> None:
    like, share = _undisturbed(bed, scene), SHARES[scene]
    how: How = "all" if n % 2 else "alone"

    # which thread is first is chance: where a point is not met, the next of its turn is taken
    for turn, point in enumerate(spread(like.points, 3 * share, seed=share)[n::share]):
        done = cut(bed, scene, VERB, point, how, like, tmp_path / f"cut-{turn}")
        if done.reached:
            break

    assert done.reached
    assert done.faults == (), f"{how} at {point}"


def _undisturbed(bed: Bed, scene: str) -> Undisturbed:
    """Return the run that nobody cut; it is made once, by whoever needs it first."""
    kept, place = bed.base / f"{scene}.pickle", bed.base / f"undisturbed-{scene}"
    with (bed.base / f"{scene}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            shutil.rmtree(place, ignore_errors=True)
            kept.write_bytes(pickle.dumps(undisturbed(bed, scene, VERB, place)))
        found = pickle.loads(kept.read_bytes())
    assert isinstance(found, Undisturbed)
    return found
