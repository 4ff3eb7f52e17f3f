"""A large fleet at rest: what the verbs cost when nothing, or next to nothing, has changed.

python bench/fleet.py [MODELS] [PEERS] [ROUNDS]

MODELS (10,000) is the size of the fleet; PEERS (200) that of the one on which DVC is timed
too, once: it reads params.yaml for each of its stages, and a thousand models take it many minutes.
Times are of whole processes; sides that are compared run in turns. `cpu s` is user and system.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import herd
from common import call, environment, report

from reconciler.adapters.git import Git
from reconciler.cli.wiring import open_site

GROUP, GROUPS = 20, 5
WHO = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")


class Cost(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    rss_mb: float


def main(models: int, peers: int, rounds: int) -> None:
    """Measure every row, and print them as one table."""
    with tempfile.TemporaryDirectory() as aside:
        env = environment(Path(aside) / "home")
        rows = _beside_dvc(Path(aside) / "peers", env, peers, rounds)
        root = Path(aside) / "fleet"
        herd.make(root, env, models)
        rows += _first(root, env, models)
        rows += _resting(root, env, models, rounds)
        rows.append(_written(root, models))
    report("fleet", rows)


def _beside_dvc(
    root: Path, env: Mapping[str, str], models: int, rounds: int
) -> list[dict[str, object]]:
    herd.make(root, env, models)
    herd.lock(root, env, models)
    sides = {
        "plan": ("reconciler", "plan"),
        "dvc repro": ("dvc", "repro"),
        "dvc status": ("dvc", "status"),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for n in range(rounds):
        for name, argv in sides.items():
            if name == "plan" or n == 0:
                costs[name].append(measured(root, env, argv))
    ours = median(costs["plan"])
    return [
        row(name, models, cost, "times the plan", cost.wall_s / ours.wall_s)
        for name, found in costs.items()
        for cost in [median(found)]
    ]


def _first(root: Path, env: Mapping[str, str], models: int) -> list[dict[str, object]]:
    """Time a plan that remembers nothing beside the bare reading of the same files."""
    files = _texts(root)
    began, worked = time.perf_counter(), time.process_time()
    for text in files:
        _yaml(text)
    peer = Cost(time.perf_counter() - began, time.process_time() - worked, 0)
    shutil.rmtree(root / ".reconciler")
    (root / ".reconciler").mkdir()
    cost = measured(root, env, ("reconciler", "plan"))
    return [
        row(
            "first plan, nothing kept", models, cost, "times the reading", cost.wall_s / peer.wall_s
        ),
        row("reading with ruamel's C parser", models, peer),
    ]


def _texts(root: Path) -> list[bytes]:
    git = Git.open(root)
    tree = git.tree(git.resolve("HEAD"))
    specs = [e.oid for path, e in tree.items() if path.endswith(".yaml")]
    level = git.level("deployed")
    records = [entry.oid for path, entry in level.items() if path.endswith(".yaml")]
    blobs = git.blobs([*specs, *records])
    return [blobs[oid] for oid in (*specs, *records)]


def _yaml(text: bytes) -> None:
    from ruamel.yaml import YAML

    YAML(typ="safe", pure=False).load(text)


def _resting(
    root: Path, env: Mapping[str, str], models: int, rounds: int
) -> list[dict[str, object]]:
    """Time plans of a fleet at rest and of one with a touched model, in turns, and status."""
    still, touched, listed = [], [], []
    spec = root / "specs" / f"m{models // 2:05}.yaml"
    text = spec.read_text(encoding="utf-8")
    for n in range(rounds):
        still.append(measured(root, env, ("reconciler", "plan")))
        spec.write_text(text.replace("alpha: 1.0", f"alpha: {n + 2}.0"), encoding="utf-8")
        call(root, env, "git", *WHO, "commit", "-qam", "Touch one")
        touched.append(measured(root, env, ("reconciler", "plan")))
        spec.write_text(text, encoding="utf-8")
        call(root, env, "git", *WHO, "commit", "-qam", "Put it back")
        call(root, env, "reconciler", "plan")
        listed.append(measured(root, env, ("reconciler", "status")))
    rest, one = median(still), median(touched)
    return [
        row("plan, nothing changed", models, rest),
        row(
            "plan, one spec touched",
            models,
            one,
            "times the plan at rest",
            one.wall_s / rest.wall_s,
        ),
        row("status", models, median(listed)),
    ]


def _written(root: Path, models: int) -> dict[str, object]:
    """Count what releases in groups write below .git."""
    site = open_site(root)
    names = sorted(site.store.read().records)
    before = _loose(root)
    began = time.perf_counter()
    for group in range(GROUPS):
        chosen = names[group :: models // GROUP][:GROUP]
        site.store.commit({n: _anew(group) for n in chosen})
    seconds = (time.perf_counter() - began) / GROUPS
    kb = (_loose(root) - before) / (GROUP * GROUPS) / 1000
    return row(f"commit of {GROUP} releases", models, Cost(seconds, 0, 0), "kB a release", kb)


def _anew(group: int) -> Callable[[herd.Record | None], herd.Record]:
    return lambda record: herd.again(record, group)


def _loose(root: Path) -> int:
    folders = (root / ".git" / "objects").glob("[0-9a-f][0-9a-f]")
    return sum(file.stat().st_size for folder in folders for file in folder.iterdir())


def measured(root: Path, env: Mapping[str, str], argv: Sequence[str]) -> Cost:
    """Run a program and return what it took."""
    began = time.perf_counter()
    child = subprocess.Popen(
        argv, cwd=root, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(argv)} → {child.returncode}")
    wall = time.perf_counter() - began
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def row(what: str, models: int, cost: Cost, side: str = "", ratio: float = 0) -> dict[str, object]:
    """Return a line of the table."""
    return {
        "what": what,
        "models": models,
        "s": cost.wall_s,
        "cpu s": cost.cpu_s,
        "MB": cost.rss_mb,
        "beside": f"{ratio:.3g} {side}" if side else "",
    }


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [10_000, 200, 5][len(numbers) :]))
