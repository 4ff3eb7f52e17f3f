"""A few changed models of a large fleet, beside `dvc repro`: trainings that do nothing.

python bench/repro.py [MODELS] [CHANGED] [ROUNDS]

Each model has one stage: with more of them DVC, which writes the whole lock after each, loses
more. One model is really run; the others are its twins, in dvc.lock and in the tree, and `dvc
status` says that the fleet is at rest. Both sides then get the same edits, and must end with the
same dvc.lock.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common import ROOT, call, environment, report, repository

SPEC = (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8")
FIRST = "m00000"
PIPELINE = """\
stages:
  train:
    foreach: ${models}
    do:
      cmd: mkdir -p models && echo 1 > models/${key} && true ${item.digest}
      deps:
        - ${item.data}
      params:
        - specs/${key}.yaml:
            - spec.data
            - spec.training
      outs:
        - models/${key}
"""


def main(models: int, changed: int, rounds: int) -> None:
    """Time both on the same edits, and what a run costs that has nothing to do."""
    with tempfile.TemporaryDirectory() as aside:
        place = Path(aside)
        env = environment(place / "home")
        _fleet(place / "ours", env, models)
        shutil.copytree(place / "ours", place / "theirs", symlinks=True)
        call(place / "theirs", env, "dvc", "status")  # DVC too remembers what it has read
        first = call(place / "ours", env, "reconciler", "repro")
        rows = [_noop(place, env, models, first, rounds)]
        rows += [_edited(place, env, models, changed, n) for n in range(rounds)]
    ratios = [float(str(row["times faster"])) for row in rows[1:]]
    rows.append({**rows[-1], "what": "median", "times faster": statistics.median(ratios)})
    report("repro", rows)


def _noop(
    place: Path, env: Mapping[str, str], models: int, first: float, rounds: int
) -> dict[str, object]:
    ours = min(_timed(place / "ours", env, "reconciler", "repro") for _ in range(rounds))
    theirs = _timed(place / "theirs", env, "dvc", "repro")
    what = f"nothing of {models} (the first time: {first:.2f} s)"
    return _row(what, ours, theirs, "")


def _edited(
    place: Path, env: Mapping[str, str], models: int, changed: int, number: int
) -> dict[str, object]:
    step = max(1, models // changed)
    for side in ("ours", "theirs"):
        for model in range(0, models, step):
            spec = place / side / "specs" / f"m{model:05}.yaml"
            text = SPEC.replace("name: diabetes", f"name: m{model:05}")
            spec.write_text(text.replace("alpha: 1.0", f"alpha: {number + 2}.0"), encoding="utf-8")
    ours = _timed(place / "ours", env, "reconciler", "repro", "--jobs", "2")
    theirs = _timed(place / "theirs", env, "dvc", "repro")
    one, two = ((place / side / "dvc.lock").read_bytes() for side in ("ours", "theirs"))
    if one != two:
        sys.exit("the two files dvc.lock differ")
    return _row(f"{changed} of {models}", ours, theirs, "≥ 15")


def _timed(root: Path, env: Mapping[str, str], *argv: str) -> tuple[float, float]:
    """Return a command's seconds, and its seconds of processor time with all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = call(root, env, *argv)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _row(
    what: str, ours: tuple[float, float], theirs: tuple[float, float], reach: str
) -> dict[str, object]:
    return {
        "what": what,
        "repro s": ours[0],
        "dvc s": theirs[0],
        "times faster": theirs[0] / ours[0],
        "reach": reach,
        "repro cpu s": ours[1],
        "dvc cpu s": theirs[1],
    }


def _fleet(root: Path, env: Mapping[str, str], count: int) -> None:
    """Make a repository of `count` models that are all up to date, and have DVC say so."""
    names = [f"m{n:05}" for n in range(count)]
    files = {f"specs/{n}.yaml": SPEC.replace("name: diabetes", f"name: {n}") for n in names}
    files |= {"dvc.yaml": PIPELINE, "params.yaml": "apiVersion: reconciler/v1\n"}
    files |= {name: (ROOT / name).read_text(encoding="utf-8") for name in (".gitignore",)}
    repository(root, env, files)
    call(root, env, "reconciler", "repro", FIRST)
    head, stages = (root / "dvc.lock").read_text(encoding="utf-8").split("stages:\n")
    blocks = _blocks(stages)
    whole = "".join(block.replace(FIRST, name) for block in blocks for name in names)
    (root / "dvc.lock").write_text(f"{head}stages:\n{whole}", encoding="utf-8")
    for name in names[1:]:
        shutil.copyfile(root / "models" / FIRST, root / "models" / name)
    said = subprocess.run(
        ["dvc", "status"], cwd=root, env=dict(env), capture_output=True, text=True, check=True
    ).stdout
    if "up to date" not in said:
        sys.exit(f"the fleet is not at rest:\n{said[:2000]}")


def _blocks(stages: str) -> list[str]:
    """Return the text of each stage's block, in order."""
    found: list[str] = []
    for line in stages.splitlines(keepends=True):
        if line.startswith("   "):
            found[-1] += line
        else:
            found.append(line)
    return found


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [1000, 5, 1][len(numbers) :]))
