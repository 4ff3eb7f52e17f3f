"""Four models of one stage each that takes five seconds, in parallel, beside DVC alone.

    python bench/parallel.py [SECONDS]

The stage only sleeps: what is compared is how the four are run. Ours runs twice: the stage alone,
through the slots and the call of DVC that `apply` uses, and as the stage `train` of an `apply`
that prepares, judges and releases besides, with stages that copy what a real training left.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from common import ROOT, call, environment, report, repository

from reconciler.adapters import dvc
from reconciler.adapters.git import Git
from reconciler.adapters.slots import SlotPool

SPEC = (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8")
PARAMS = "apiVersion: reconciler/v1\n"
MODELS = ("a", "b", "c", "d")
PIPELINE = """\
stages:
  train:
    foreach: ${{models}}
    do:
      cmd: sleep {seconds} && mkdir -p models && echo ${{item.seed}} > models/${{key}}
      params:
        - models.${{key}}.seed
      outs:
        - models/${{key}}
"""


def main(seconds: float) -> None:
    """Run the same four stages three ways, and print seconds and ratios."""
    with tempfile.TemporaryDirectory() as aside:
        place = Path(aside)
        env = environment(place / "home")
        for name in ("ours", "serial", "queue"):
            _repository(place / name, env, seconds)
        ours = _slices(place / "ours")
        serial = call(place / "serial", env, "dvc", "repro")
        queue = _queue(place / "queue", env)
        for name in ("whole", "whole-serial"):
            _copying(place, name, env, seconds)
        whole = call(place / "whole", env, "reconciler", "apply", "--jobs", str(len(MODELS)))
        whole_serial = call(place / "whole-serial", env, "dvc", "repro")
    rows = [
        _row("one-model slices", ours, ours, ""),
        _row("dvc repro", serial, ours, "≥ 3"),
        _row("dvc exp run --queue, 4 workers", queue, ours, "≥ 3"),
        _row("reconciler apply --jobs 4", whole, whole, ""),
        _row("dvc repro of its three stages", whole_serial, whole, "≥ 3"),
    ]
    report("parallel", rows)


def _row(how: str, seconds: float, ours: float, reach: str) -> dict[str, object]:
    return {"how": how, "s": seconds, "ours is times faster": seconds / ours, "reach": reach}


def _copying(place: Path, name: str, env: dict[str, str], seconds: float) -> None:
    """Make a repository whose stages copy what a real training left, and sleep once."""
    ready = place / "ready"
    if not ready.exists():
        repository(ready, env, {"specs/diabetes.yaml": SPEC, "params.yaml": PARAMS})
        call(ready, env, "dvc", "repro")
    pipeline = (ready / "dvc.yaml").read_text(encoding="utf-8")
    for stage, folder in (
        ("prepare", "data/prepared"),
        ("train", "models"),
        ("evaluate", "reports"),
    ):
        wait = f"sleep {seconds} && " if stage == "train" else ""
        copy = f"mkdir -p {folder} && cp -r {ready}/{folder}/diabetes {folder}/${{key}}"
        command = f"cmd: {wait}{copy} && true"  # and the digest, as in ours
        pipeline = pipeline.replace(f"cmd: reconciler-stage {stage} ${{key}}", command)
    files = {"dvc.yaml": pipeline, "params.yaml": PARAMS}
    for alpha, model in enumerate(MODELS, 1):
        text = SPEC.replace("name: diabetes", f"name: {model}")
        files[f"specs/{model}.yaml"] = text.replace("alpha: 1.0", f"alpha: {alpha}.0")
    repository(place / name, env, files)


def _repository(root: Path, env: dict[str, str], seconds: float) -> None:
    root.mkdir()
    call(root, env, "git", "init", "-q", "-b", "main")
    call(root, env, "dvc", "init", "-q")
    (root / "dvc.yaml").write_text(PIPELINE.format(seconds=seconds))
    lines = "".join(f"  {name}: {{seed: 1}}\n" for name in MODELS)
    (root / "params.yaml").write_text(f"models:\n{lines}")
    (root / ".gitignore").write_text("/models/\n")
    call(root, env, "git", "add", "-A")
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    call(root, env, "git", *who, "commit", "-q", "-m", "Begin")


def _slices(root: Path) -> float:
    """Return the seconds that four slots take, as `apply --jobs 4` leases them."""
    git = Git.open(root)
    revision = git.resolve("HEAD")
    pool = SlotPool(root / ".reconciler" / "slots", len(MODELS), root)

    def run(model: str) -> None:
        narrowed = f"models:\n  {model}: {{seed: 1}}\n".encode()
        with pool.lease(model) as slot:
            slot.fill(git, revision, ["dvc.yaml"], {"params.yaml": narrowed})
            log = root / ".reconciler" / f"{model}.log"
            dvc.repro(slot, model, ["train"], log, lambda *_: None)

    threads = [threading.Thread(target=run, args=(model,)) for model in MODELS]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _queue(root: Path, env: dict[str, str]) -> float:
    """Return the seconds from queueing four experiments to the end of the last."""
    who = {"GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@example.org"}
    who |= {k.replace("AUTHOR", "COMMITTER"): v for k, v in who.items()}
    env = {**env, **who}
    began = time.perf_counter()
    for name in MODELS:
        call(root, env, "dvc", "exp", "run", "--queue", "--name", f"exp-{name}", f"train@{name}")
    call(root, env, "dvc", "queue", "start", "-j", "4")
    deadline = began + 120
    while time.perf_counter() < deadline:
        refs = root / ".git" / "refs" / "exps"
        done = {path.name for path in refs.rglob("exp-*")} if refs.is_dir() else set()
        if len(done) == len(MODELS):
            return time.perf_counter() - began
        time.sleep(0.2)
    return float("inf")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
