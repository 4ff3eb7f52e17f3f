"""Challengers under load: what becomes of each, how soon, and what clients notice.

    python bench/serving/rollouts.py

Models come from commits, a daemon trains and judges them, a server answers eight clients. Ends
with 1 when a request failed, an answer was wrong, or a challenger ended otherwise than it should.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, report

sys.path.insert(0, str(ROOT))

from tests.serving.rolling import LARGEST, Ended, Team, delivering
from tests.serving.running import Clients

ROLLOUT = "{strategy: canary, steps: [10, 50], hold: 3s, min_requests: 100, max_latency_ratio: 3}"
FACTORS = {1: 2.0, 2: 3.0, 3: 4.0, 4: 5.0, 5: 6.0}


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="rollouts-") as aside,
        delivering(Path(aside), ROLLOUT) as team,
        Clients(team.server.port, FACTORS, tolerance=1e-3) as clients,
    ):
        plays: dict[str, tuple[str, Callable[[], Ended]]] = {
            "raises on 4 % of requests": (
                "withdrawn", lambda: team.play(2, FACTORS[2], limit=LARGEST - 2),
            ),
            "ten times as slow": ("withdrawn", lambda: team.play(3, FACTORS[3], drag=1)),
            "a broken bundle": ("withdrawn", lambda: _broken(team)),
            "fine": ("released", lambda: team.play(5, FACTORS[5])),
        }  # fmt: skip
        rows, odd = [], 0
        for what, (wanted, play) in plays.items():
            before = clients.count
            ended = play()
            odd += ended.outcome != wanted
            rows.append({
                "challenger": what, "outcome": ended.outcome, "reason": ended.reason,
                "steps": ended.steps, "s": ended.seconds, "answers": clients.count - before,
                "failed": len(clients.failed), "wrong": len(clients.wrong),
            })  # fmt: skip
            print(f"{what}: {ended.message}", file=sys.stderr)
        report("serving-rollouts", rows)
        return int(bool(odd or clients.failed or clients.wrong))


def _broken(team: Team) -> Ended:
    """Play a challenger whose bundle loses a byte between its release and its loading."""
    pid = team.server.child.pid
    os.kill(pid, signal.SIGSTOP)  # the workers go on answering

    def break_it() -> None:
        pointer = team.version(4)["bundle"]["md5"].removesuffix(".dir")
        for file in team.project.root.glob(f".reconciler/bundles/{pointer}/model.onnx"):
            _flip(file)
        _flip(_cached(team, pointer))
        os.kill(pid, signal.SIGCONT)

    return team.play(4, FACTORS[4], started=break_it)


def _cached(team: Team, pointer: str) -> Path:
    """Return the model of a bundle in DVC's cache."""
    import json

    cache = team.project.root / ".dvc/cache/files/md5"
    listing = json.loads((cache / pointer[:2] / f"{pointer[2:]}.dir").read_text())
    md5 = next(str(item["md5"]) for item in listing if item["relpath"] == "model.onnx")
    return cache / md5[:2] / md5[2:]


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
