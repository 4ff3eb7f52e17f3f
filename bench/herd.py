"""A large fleet at rest, made fast: one model is trained, the others are its twins on record."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from common import ROOT, call, repository
from ruamel.yaml import YAML

from reconciler.adapters.deployed import Change
from reconciler.cli.wiring import open_site
from reconciler.controller.memory import Memory, observed
from reconciler.core.candidates import question
from reconciler.core.plan import Desired
from reconciler.core.record import Pointer, Record, Version, empty, promote, with_version

SPEC = (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8")
STAGES = ("prepare", "train", "evaluate")


def make(root: Path, env: Mapping[str, str], count: int, *, idle: bool = False) -> None:
    """Make a repository of `count` models that are all as declared, and make sure of it.

    With `idle`, stages copy what one real training has left, and all models have its bytes: any
    of them can be served, and training does nothing.
    """
    names = [f"m{n:05}" for n in range(count)]
    specs = {f"specs/{n}.yaml": SPEC.replace("name: diabetes", f"name: {n}") for n in names}
    repository(root, env, specs | {"params.yaml": "apiVersion: reconciler/v1\n"})
    call(root, env, "reconciler", "apply", names[0])
    if idle:
        _stub(root, env)
    site = open_site(root)
    champion = site.store.read().records[names[0]].champion
    assert champion is not None
    declared = site.fleet("HEAD").models
    site.store.commit({n: put(twin(n, champion, declared[n], own=not idle)) for n in names[1:]})
    call(root, env, "git", "repack", "-adq")
    out = subprocess.run(
        ["reconciler", "plan", "-o", "json"],
        cwd=root, env=dict(env), capture_output=True, check=True,
    ).stdout  # fmt: skip
    kinds = [row["kind"] for row in json.loads(out)["models"]]
    if not set(kinds) <= {"unchanged", "serve"} or ("serve" in kinds and not idle):
        sys.exit(f"the fleet is not at rest: {set(kinds)}")


def _stub(root: Path, env: Mapping[str, str]) -> None:
    """Have stages copy what the first model's have left, whatever model they are asked for."""
    kept = root.parent / f"{root.name}-outputs"
    call(root, env, "dvc", "repro", "-q", *(f"{stage}@m00000" for stage in STAGES))
    for folder in ("data/prepared", "models", "reports"):
        shutil.copytree(root / folder / "m00000", kept / folder)
    pipeline = (root / "dvc.yaml").read_text(encoding="utf-8")
    for stage, folder in zip(STAGES, ("data/prepared", "models", "reports"), strict=True):
        copy = f"mkdir -p {folder} && cp -rT {kept}/{folder} {folder}/${{key}} && true"
        pipeline = pipeline.replace(
            f"reconciler-stage {stage} ${{key}}", f"{copy} {stage} ${{key}}"
        )
    (root / "dvc.yaml").write_text(pipeline, encoding="utf-8")
    call(root, env, "git", "add", "dvc.yaml")
    call(root, env, "git", "-c", "user.name=b", "-c", "user.email=b@c.de", "commit", "-qm", "Copy")
    call(root, env, "reconciler", "apply", "m00000")


def twin(name: str, champion: Version, desired: object, *, own: bool = True) -> Record:
    """Return the record that `champion` would have left as model `name`.

    With `own`, its bytes are others, which are nowhere to be had.
    """
    assert isinstance(desired, Desired)
    key = name if own else None
    changes = {
        "number": 1,
        "fingerprint": desired.fingerprint,
        "bundle": _own(champion.bundle, key),
        "predictions": _own(champion.predictions, key),
        "prepared": _own(champion.prepared, key),
        "lock": json.loads(json.dumps(champion.lock).replace("m00000", name)),
    }
    record = _released(name, champion.model_copy(update=changes), desired.revision)
    seen = observed(record, Memory(), None, ())
    candidate = seen.at(seen.champion)
    assert candidate is not None
    asked = question(desired.spec.spec.acceptance, candidate, candidate)
    return _released(
        name, champion.model_copy(update={**changes, "judged": asked}), desired.revision
    )


def again(record: Record | None, seed: int) -> Record:
    """Return the record after a release of other bytes."""
    assert record is not None
    assert record.champion is not None
    key = f"{record.model}/{seed}"
    changes = {
        "number": record.next_version,
        "fingerprint": hashlib.sha256(key.encode()).hexdigest(),
        "bundle": _own(record.champion.bundle, key),
        "predictions": _own(record.champion.predictions, key),
    }
    version = record.champion.model_copy(update=changes)
    return promote(with_version(record, version), version.number, f"{seed:040x}")


def put(record: Record) -> Change:
    """Return the change that puts `record` on the branch."""
    return lambda _: record


def lock(root: Path, env: Mapping[str, str], count: int) -> None:
    """Leave every model's outputs and dvc.lock in the working tree, as `dvc repro` would."""
    champion = open_site(root).store.read().records["m00000"].champion
    assert champion is not None
    blocks = {f"{stage}@m00000": champion.lock[f"{stage}@m00000"] for stage in STAGES}
    stream = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.dump(blocks, stream)
    every = "".join(stream.getvalue().replace("m00000", f"m{n:05}") for n in range(count))
    text = "schema: '2.0'\nstages:\n" + textwrap.indent(every, "  ")
    (root / "dvc.lock").write_text(text, encoding="utf-8")
    call(root, env, "dvc", "checkout", "-q")
    call(root, env, "dvc", "repro", "-q")


def _released(name: str, version: Version, revision: str) -> Record:
    return promote(with_version(empty(name), version), 1, revision)


def _own(pointer: Pointer | None, key: str | None) -> Pointer | None:
    if pointer is None or key is None:
        return pointer
    md5 = hashlib.md5(f"{pointer.md5}{key}".encode(), usedforsecurity=False).hexdigest()
    ending = ".dir" if pointer.md5.endswith(".dir") else ""
    return pointer.model_copy(update={"md5": md5 + ending})
