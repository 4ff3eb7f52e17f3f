"""A large fleet at rest: what the verbs cost on a thousand models of which none has changed.

python bench/fleet.py [MODELS] [ROUNDS]

One model is really trained and released; the others are its twins, put on record as apply would
have put them there. `first` is a run without anything remembered, as after a clone.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common import ROOT, call, environment, report, repository

from reconciler.adapters.deployed import Change
from reconciler.cli.wiring import open_site
from reconciler.core.plan import Desired
from reconciler.core.record import Version, empty, promote, with_version

SPEC = (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8")
VERBS = (("plan",), ("plan", "m00000"), ("status",), ("validate",), ("compile",))


def main(models: int, rounds: int) -> None:
    """Time the verbs on one model and on the whole fleet: first runs, and medians after them."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as aside:
        env = environment(Path(aside) / "home")
        for count in (1, models):
            root = Path(aside) / f"fleet-{count}"
            _fleet(root, env, count)
            for verb in VERBS:
                shutil.rmtree(root / ".reconciler", ignore_errors=True)
                first = call(root, env, "reconciler", *verb)
                again = [call(root, env, "reconciler", *verb) for _ in range(rounds)]
                row = {"models": count, "verb": " ".join(verb), "first s": first}
                rows.append(row | {"s": statistics.median(again)})
    report("fleet", rows)


def _fleet(root: Path, env: Mapping[str, str], count: int) -> None:
    """Make a repository of `count` models that are all as declared, and make sure of it."""
    names = [f"m{n:05}" for n in range(count)]
    specs = {f"specs/{n}.yaml": SPEC.replace("name: diabetes", f"name: {n}") for n in names}
    repository(root, env, specs | {"params.yaml": "apiVersion: reconciler/v1\n"})
    call(root, env, "reconciler", "apply", names[0])
    site = open_site(root)
    champion = site.store.read().records[names[0]].champion
    assert champion is not None
    declared = site.fleet("HEAD").models
    site.store.commit({name: _twin(name, champion, declared[name]) for name in names[1:]})
    call(root, env, "git", "repack", "-adq")
    out = subprocess.run(
        ["reconciler", "plan", "-o", "json"],
        cwd=root,
        env=dict(env),
        capture_output=True,
        check=True,
    ).stdout
    kinds = [row["kind"] for row in json.loads(out)["models"]]
    if kinds != ["unchanged"] * count:
        sys.exit(f"the fleet is not at rest: {set(kinds)}")


def _twin(name: str, champion: Version, desired: object) -> Change:
    """Return a change that puts a twin of the champion on record as model `name`."""
    assert isinstance(desired, Desired)
    version = champion.model_copy(update={"fingerprint": desired.fingerprint, "number": 1})
    record = promote(with_version(empty(name), version), 1, desired.revision)
    return lambda _: record


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [1000, 5][len(numbers) :]))
