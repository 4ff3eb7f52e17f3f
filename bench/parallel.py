"""Four models of one stage each that takes five seconds, in parallel, beside DVC alone.

    python bench/parallel.py [SECONDS]

The stage only sleeps: what is compared is how the four are run. Ours runs as `apply --jobs 4`
runs them, through the same slots and the same call of DVC.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from common import call, environment, report

from reconciler.adapters import dvc
from reconciler.adapters.git import Git
from reconciler.adapters.slots import SlotPool

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
    rows = [
        {"how": "one-model slices, --jobs 4", "s": ours, "times faster": 1.0, "reach": ""},
        {"how": "dvc repro", "s": serial, "times faster": serial / ours, "reach": "≥ 3"},
        {"how": "dvc exp run --queue, 4 workers", "s": queue, "times faster": queue / ours,
         "reach": "≥ 3"},
    ]  # fmt: skip
    report("parallel", rows)


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
