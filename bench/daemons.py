"""Two daemons on two clones of one remote: random commits, and a daemon that is killed.

    python bench/daemons.py [COMMITS] [KILLS]

Every training writes down what it was for, so that one that was done twice is found; everything
that a daemon says it has put on record is looked for in the history of `deployed`. The pauses
between commits, and who is killed when, follow from a seed.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from common import call, environment, report, repository

MODELS = tuple(f"m{n}" for n in range(4))
WHO = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
PARAMS = "apiVersion: reconciler/v1\n"
ENTRYPOINT = """\
import os
from sklearn.linear_model import Ridge

def build(alpha):
    with open(os.environ["TRAINED"], "a") as file:
        file.write(f"{alpha} {os.getpid()}\\n")
    return Ridge(alpha=alpha)
"""
SPEC = """\
apiVersion: reconciler/v1
kind: Model
metadata: {{name: {name}}}
spec:
  data: {{source: "sklearn:diabetes", target: target}}
  training:
    entrypoint: training/code.py:build
    task: regression
    hyperparameters: {{alpha: {alpha}}}
  acceptance: [{{metric: r2, min: 0.2}}]
"""
LONGEST_S = 900.0


class Daemons:
    """Two daemons that follow the same remote."""

    def __init__(self, place: Path, env: dict[str, str]) -> None:
        self._place = place
        self._env = env
        self._running = {name: self._start(name) for name in ("a", "b")}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        argv = [
            "reconciler", "watch", "--repo", f"file://{self._place / 'hub.git'}",
            "--branch", "main", "--state", str(self._place / name), "--interval", "0.5",
            "--jobs", "2", "--probes-port", "0", "--log-format", "json",
        ]  # fmt: skip
        with (self._place / f"{name}.log").open("ab") as log:
            return subprocess.Popen(argv, cwd=self._place, env=self._env, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Kill a daemon and all that it has started, and start it again."""
        for one in (*_family(self._running[name]),):
            one.kill()
        self._running[name].wait()
        self._running[name] = self._start(name)

    def stop(self) -> float:
        """End both, and return how long the slower one took, in seconds."""
        began = time.monotonic()
        for daemon in self._running.values():
            daemon.terminate()
        for daemon in self._running.values():
            if (code := daemon.wait(60)) != 0:
                sys.exit(f"a daemon ended with {code}")
        return time.monotonic() - began

    def end(self) -> None:
        """Leave no process behind."""
        for daemon in self._running.values():
            for one in _family(daemon) if daemon.poll() is None else ():
                one.kill()

    def said(self) -> list[dict[str, Any]]:
        """Return what both have logged."""
        logs = (self._place / f"{name}.log" for name in self._running)
        lines = (line for log in logs for line in log.read_text().splitlines())
        return [json.loads(line) for line in lines if line.startswith("{")]


def main(commits: int, kills: int) -> None:
    """Push commits, wait until all is as declared, and print what came of it."""
    with tempfile.TemporaryDirectory() as aside:
        place = Path(aside)
        env = {**environment(place / "home"), "TRAINED": str(place / "trained")}
        ada = place / "ada"
        files = {f"specs/{name}.yaml": SPEC.format(name=name, alpha=1) for name in MODELS}
        repository(ada, env, {**files, "params.yaml": PARAMS, "training/code.py": ENTRYPOINT})
        call(ada, env, "dvc", "remote", "add", "-q", "-d", "shared", str(place / "store"))
        call(place, env, "git", "clone", "-q", "--bare", str(ada), str(place / "hub.git"))
        call(ada, env, "git", "remote", "add", "origin", str(place / "hub.git"))
        _commit(ada, env)
        daemons = Daemons(place, env)
        try:
            _work(ada, env, daemons, commits, kills)
            began = time.monotonic()
            while not _as_declared(ada, env):
                if time.monotonic() - began > LONGEST_S:
                    sys.exit("the daemons do not converge")
                time.sleep(0.5)
            settled = time.monotonic() - began
            stopped = daemons.stop()
        finally:
            daemons.end()
        _report(place, env, daemons, commits, kills, settled, stopped)


def _work(ada: Path, env: dict[str, str], daemons: Daemons, commits: int, kills: int) -> None:
    dice = random.Random(4)
    killed = set(dice.sample(range(commits), kills))
    for number in range(commits):
        time.sleep(dice.expovariate(0.5))
        name = dice.choice(MODELS)
        alpha = 1 + number / 1000
        (ada / f"specs/{name}.yaml").write_text(SPEC.format(name=name, alpha=alpha))
        _commit(ada, env)
        if number in killed:
            time.sleep(dice.uniform(0, 3))
            daemons.kill(dice.choice("ab"))


def _commit(ada: Path, env: dict[str, str]) -> None:
    call(ada, env, "reconciler", "compile")
    call(ada, env, "git", "add", "-A")
    call(ada, env, "git", *WHO, "commit", "-q", "--allow-empty", "-m", "Change")
    call(ada, env, "git", "push", "-q", "origin", "main")


def _as_declared(ada: Path, env: dict[str, str]) -> bool:
    call(ada, env, "git", "fetch", "-q", "origin")
    told = json.loads(_said(ada, env, "reconciler", "status", "--output", "json"))
    return all(told.get(name, {}).get("sync") == "Synced" for name in MODELS)


def _report(
    place: Path, env: dict[str, str], daemons: Daemons, commits: int, kills: int,
    settled: float, stopped: float,
) -> None:  # fmt: skip
    hub = place / "hub.git"
    told = daemons.said()
    history = _said(hub, env, "git", "log", "--format=%B%x00", "deployed")
    trailers = {tuple(sorted(line for line in entry.splitlines() if ": " in line))
                for entry in history.split("\0")}  # fmt: skip
    on_record = {
        (line["model"], line["version"]) for line in told
        if line.get("version") is not None and line.get("reason") in ("Released", "Superseded")
    }  # fmt: skip
    lost = [
        one for one in on_record
        if not any(f"Model: {one[0]}" in e and f"Version: {one[1]}" in e for e in trailers)
    ]  # fmt: skip
    trained = Counter(line.split()[0] for line in set((place / "trained").read_text().splitlines()))
    rows = [
        _row("commits on main", commits + 1, ""),
        _row("daemons killed", kills, ""),
        _row("trainings", trained.total(), ""),
        _row("fingerprints trained twice", sum(n > 1 for n in trained.values()), f"<= {2 * kills}"),
        _row("commits on deployed", history.count("\0"), ""),
        _row("decisions told by daemons", len(on_record), ""),
        _row("of these not in its history", len(lost), "0"),
        _row("leases left on the remote", len(_refs(hub, env)), "0"),
        _row("seconds to converge after the last commit", settled, ""),
        _row("seconds to stop both", stopped, "< 5"),
    ]
    report("daemons", rows)


def _refs(hub: Path, env: dict[str, str]) -> list[str]:
    return _said(hub, env, "git", "for-each-ref", "refs/reconciler/leases").splitlines()


def _row(what: str, value: object, wanted: str) -> dict[str, object]:
    return {"what": what, "value": value, "wanted": wanted}


def _said(where: Path, env: dict[str, str], *argv: str) -> str:
    return subprocess.run(
        argv, cwd=where, env=env, check=True, capture_output=True, text=True
    ).stdout


def _family(daemon: subprocess.Popen[bytes]) -> list[psutil.Process]:
    process = psutil.Process(daemon.pid)
    return [process, *process.children(recursive=True)]


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [50, 2][len(numbers) :]))
