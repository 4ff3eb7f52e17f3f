"""The main job on this repository's own specs: plan, apply, status, predict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def call(*words: str) -> int:
    """Run one verb in the repository, with its command line printed, and return its exit code."""
    sys.stdout.write(f"\n$ reconciler {' '.join(words)}\n")
    sys.stdout.flush()
    program = str(Path(sys.executable).parent / "reconciler")
    return subprocess.run([program, *words], cwd=HERE.parent, check=False).returncode


def main(arguments: list[str]) -> int:
    """Return 0 when every model is as declared and answers."""
    if call("plan") != 0 or call("apply", *arguments) != 0:
        return 1
    codes = [call("status")]
    for rows in sorted(HERE.glob("*.csv")):
        codes.append(call("predict", rows.stem, "--data", str(rows.relative_to(HERE.parent))))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
