"""What the benches share: fresh repositories, timed commands, and where results go."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
BIN = Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's settings counts."""
    home.mkdir(exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_"))}
    own = {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    return {**clean, **own}


def repository(root: Path, env: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Make a repository with DVC that holds these files, compiled and committed."""
    root.mkdir(parents=True)
    call(root, env, "git", "init", "-q", "-b", "main")
    call(root, env, "dvc", "init", "-q")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    call(root, env, "reconciler", "compile")
    call(root, env, "git", "add", "-A")
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    call(root, env, "git", *who, "commit", "-q", "-m", "Begin")


def call(root: Path, env: Mapping[str, str], *argv: str) -> float:
    """Run a command and return its seconds; a failure ends the bench with its output."""
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=root, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} → {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds


def report(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table and write them to bench/results/<name>.json."""
    columns = list(rows[0])
    texts = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(c), *(len(t[i]) for t in texts)) for i, c in enumerate(columns)]
    for line in [columns, *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(list(rows), indent=2) + "\n")


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, pair by pair: noise of the machine hits both sides."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
