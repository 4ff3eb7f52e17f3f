"""The daemon: how soon it sees a commit, how it takes large ones, and what it costs at rest.

python bench/watch.py latency [COMMITS]
python bench/watch.py scale [MODELS] [CHANGED...]     real DVC slices whose training does nothing
python bench/watch.py crowd [MODELS]                  every model changed by one commit, no DVC
python bench/watch.py idle [MODELS] [SECONDS]

With `--keep DIR`, the fleet stays there, and one that is there is used again.
`latency` is from the end of `git commit` to the log line by which its models are being looked at.
`scale` runs beside `dvc repro` of one changed model, in the same repository.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import herd
import psutil
from common import ROOT, call, environment, report, repository

WHO = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
#: Runs the daemon with trainings that leave at once what one of them left before.
STUB = """
import json, sys
from reconciler.controller.slices import Slices
from reconciler.controller.training import Artifacts
kept = json.load(open(sys.argv.pop(1)))
def run(self, job):
    lock = json.loads(json.dumps(kept).replace("m00000", job.model))
    return Artifacts(job.desired.fingerprint, job.desired.revision, None, lock, {})
Slices.run = run
from reconciler.cli.main import main
sys.argv[0] = "reconciler"
main()
"""


class Daemon:
    """A running `reconciler watch`, its log and its cost."""

    def __init__(self, root: Path, env: Mapping[str, str], program: Sequence[str]) -> None:
        options = ("watch", "--log-format", "json", "--probes-port", "0", "--allow-mass-change")
        self._child = subprocess.Popen(
            [*program, *options], cwd=root, env=dict(env), stdout=subprocess.PIPE, text=True
        )
        self.process = psutil.Process(self._child.pid)
        self.lines: list[dict[str, object]] = []
        self.peak_mb = 0.0
        self.deepest = 0
        self.observed = True
        """Whether it is looked at all the time, which costs it something."""
        for work in (self._read, self._measure):
            threading.Thread(target=work, daemon=True).start()

    def wait(self, reason: str, start: int = 0, count: int = 1, timeout_s: float = 7200) -> float:
        """Wait for so many lines with a reason, and return the time of the last of them."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = [line for line in self.lines[start:] if line.get("reason") == reason]
            if len(found) >= count:
                return datetime.fromisoformat(str(found[count - 1]["ts"])).timestamp()
            if self._child.poll() is not None:
                sys.exit(f"the daemon has ended: {self.lines[-3:]}")
            time.sleep(0.005)
        sys.exit(f"no {reason} within {timeout_s} s: {self.lines[-3:]}")

    def decided(self, start: int, count: int, timeout_s: float = 7200) -> float:
        """Wait until so many models have been decided about, and return when the last one was."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = {
                str(line["model"]): str(line["ts"])
                for line in self.lines[start:]
                if line["event"] == "Decided" and line["level"] == "info"
            }
            if len(found) >= count:
                return datetime.fromisoformat(max(found.values())).timestamp()
            time.sleep(0.05)
        sys.exit(f"{len(found)} of {count} within {timeout_s} s: {self.lines[-3:]}")

    def rest(self, quiet_s: float = 2.0) -> None:
        """Wait until nothing waits, nothing trains, nothing is said, and next to nothing done."""
        while True:
            before, spent = len(self.lines), self.cpu_s()
            time.sleep(quiet_s)
            busy = self.cpu_s() - spent > 0.05 * quiet_s
            if before == len(self.lines) and not busy and self._idle():
                return

    def cpu_s(self) -> float:
        """Return the processor time of the daemon itself, and of what it has waited for."""
        times = self.process.cpu_times()
        parts = (times.user, times.system, times.children_user, times.children_system)
        return float(sum(parts))

    def rss_mb(self) -> float:
        """Return its resident memory."""
        return float(self.process.memory_info().rss) / 1e6

    def stop(self) -> float:
        """End it, and return the seconds that took."""
        began = time.monotonic()
        self._child.send_signal(signal.SIGTERM)
        self._child.wait(30)
        return time.monotonic() - began

    def _idle(self) -> bool:
        return self.deepest_now() == 0 and self._gauge("reconciler_trainings_running") == 0

    def deepest_now(self) -> int:
        """Return how many keys wait."""
        return self._gauge(r"reconciler_queue_depth\{[^}]*\}")

    def _gauge(self, pattern: str) -> int:
        url = re.search(r"probes on (\S+)", str(self.lines[0]["message"]))
        assert url is not None
        with urllib.request.urlopen(f"{url[1].rstrip(',')}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return sum(int(float(found)) for found in re.findall(rf"(?m)^{pattern} (\S+)$", text))

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.lines.append(json.loads(line))

    def _measure(self) -> None:
        while self._child.poll() is None:
            try:
                self.peak_mb = max(self.peak_mb, self.rss_mb())
                if self.lines and self.observed:
                    self.deepest = max(self.deepest, self.deepest_now())
            except (psutil.Error, OSError):
                pass
            time.sleep(0.5)


@contextmanager
def daemon(
    root: Path, env: Mapping[str, str], program: Sequence[str] = ("reconciler",)
) -> Iterator[Daemon]:
    """Run a daemon for the length of the block, and end it."""
    found = Daemon(root, env, program)
    try:
        found.wait("Started")
        yield found
    finally:
        found.stop()


def latency(aside: Path, commits: int) -> None:
    """Time commits that change a model's rules."""
    root, env = aside / "small", environment(aside / "home")
    spec = (ROOT / "specs" / "diabetes.yaml").read_text(encoding="utf-8")
    repository(
        root, env, {"specs/diabetes.yaml": spec, "params.yaml": "apiVersion: reconciler/v1\n"}
    )
    seen = []
    with daemon(root, env) as watch:
        watch.wait("Settled")
        for n in range(commits):
            text = spec.replace("min: 0.3}", f"min: 0.{2000 + n}}}")
            (root / "specs/diabetes.yaml").write_text(text, encoding="utf-8")
            start = len(watch.lines)
            call(root, env, *WHO, "commit", "-qam", f"Rule {n}")
            done = time.time()
            seen.append(1000 * (watch.wait("Synced", start) - done))
            watch.rest(0.2)
    row = {
        "commits": commits,
        "median ms": statistics.median(seen),
        "p90 ms": statistics.quantiles(seen, n=10)[-1],
        "worst ms": max(seen),
        "reach": "median <= 100 ms",
    }
    report("watch-latency", [row])


def scale(aside: Path, models: int, changed: Sequence[int]) -> None:
    """Time commits that change some models, down to the last decision and the last target."""
    root, env = _fleet(aside, models)
    rows = [_dvc(root, env, models)]
    with daemon(root, env) as watch:
        watch.rest(5)
        for number in changed:
            rows.append(_changed(watch, root, env, models, number))
    for row in rows[1:]:
        row["dvc / ours"] = float(str(rows[0]["s"])) / float(str(row["s per model"]))
    report("watch-scale", rows)


def _dvc(root: Path, env: Mapping[str, str], models: int) -> dict[str, object]:
    """Time what DVC itself takes for one changed model of the same repository."""
    herd.lock(root, env, models)
    _retune(root, ["m00001"], 7.0)
    seconds = call(root, env, "dvc", "repro", "-q")
    call(root, env, "git", "checkout", "-q", "--", "specs")
    row = {"what": "dvc repro", "models": models, "changed": 1, "s": seconds}
    return row | {"s per model": seconds, "peak MB": "", "deepest queue": "", "dvc / ours": ""}


def _changed(
    watch: Daemon, root: Path, env: Mapping[str, str], models: int, number: int
) -> dict[str, object]:
    _retune(root, [f"m{n:05}" for n in range(number)], round(time.time() % 1e6, 1))
    watch.peak_mb, watch.deepest, start = 0.0, 0, len(watch.lines)
    call(root, env, *WHO, "commit", "-qam", f"Change {number}")
    began = time.time()
    seconds = watch.decided(start, number) - began
    watch.rest(1)
    row = {"what": "watch", "models": models, "changed": number, "s": seconds}
    row |= {"s per model": seconds / number, "peak MB": watch.peak_mb}
    return row | {"deepest queue": watch.deepest, "dvc / ours": ""}


def _retune(root: Path, names: Sequence[str], alpha: float) -> None:
    for name in names:
        file = root / "specs" / f"{name}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"alpha: [\d.]+", f"alpha: {alpha}", text), encoding="utf-8")


def crowd(aside: Path, models: int) -> None:
    """Change every model by one commit; meanwhile another commit must be seen as soon as ever."""
    root, env, program = _stubbed(aside, models)
    with daemon(root, env, program) as watch:
        watch.rest(5)
        row = _served(watch, models)
        _retune(root, [f"m{n:05}" for n in range(models)], round(time.time() % 1e6, 1))
        start = len(watch.lines)
        call(root, env, *WHO, "commit", "-qam", "Change all")
        began = time.time()
        synced = watch.wait("Synced", start) - began
        time.sleep(20)
        again = len(watch.lines)
        (root / "README.md").write_text(f"Read me at {time.time()}.\n", encoding="utf-8")
        call(root, env, *WHO, "add", "README.md")
        call(root, env, *WHO, "commit", "-qm", "Explain")
        committed = time.time()
        meanwhile = watch.wait("Synced", again) - committed
        seconds = watch.decided(start, models) - began
        watch.rest(2)
        row |= {"s": seconds, "s to see it": synced, "s to see another meanwhile": meanwhile}
        row |= {"peak MB": watch.peak_mb, "deepest queue": watch.deepest}
        row |= {"MB at rest afterwards": watch.rss_mb(), "s to end": watch.stop()}
    report("watch-crowd", [row])


def _served(watch: Daemon, models: int) -> dict[str, object]:
    return {"models": models, "MB at the start": watch.rss_mb()}


def idle(aside: Path, models: int, seconds: float) -> None:
    """Measure a daemon with nothing to do."""
    root, env, program = _stubbed(aside, models)
    with daemon(root, env, program) as watch:
        watch.rest(5)
    with daemon(root, env) as watch:
        watch.rest(5)
        watch.observed = False
        before, began = watch.cpu_s(), time.monotonic()
        time.sleep(seconds)
        share = 100 * (watch.cpu_s() - before) / (time.monotonic() - began)
        row: dict[str, object] = {"models": models, "seconds": seconds, "% of a core": share}
        row |= {"reach %": "<= 1", "MB": watch.rss_mb(), "reach MB": "<= 250"}
        row |= {"s to end": watch.stop()}
    report("watch-idle", [row])


def _fleet(aside: Path, models: int) -> tuple[Path, Mapping[str, str]]:
    root, env = aside / f"fleet-{models}", environment(aside / "home")
    if not root.exists():
        herd.make(root, env, models, idle=True)
    return root, env


def _stubbed(aside: Path, models: int) -> tuple[Path, Mapping[str, str], tuple[str, ...]]:
    root, env = _fleet(aside, models)
    from reconciler.cli.wiring import open_site

    champion = open_site(root).store.read().records["m00000"].champion
    assert champion is not None
    kept = aside / "lock.json"
    kept.write_text(json.dumps(champion.lock), encoding="utf-8")
    return root, env, (sys.executable, "-c", STUB, str(kept))


def main(what: str, numbers: Sequence[int], aside: Path) -> None:
    """Run what was asked for."""
    match what:
        case "latency":
            latency(aside, *(numbers or [50]))
        case "scale":
            models, *changed = numbers or [1000]
            scale(aside, models, changed or [1, 10, models])
        case "crowd":
            crowd(aside, *(numbers or [10_000]))
        case "idle":
            idle(aside, *(numbers or [10_000, 300]))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="latency")
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = asked.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        main(asked.what, asked.numbers, place)
