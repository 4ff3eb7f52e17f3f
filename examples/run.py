"""The main job on this repository's own specs: `up` reconciles them, then the server is asked."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import requests

HERE = Path(__file__).resolve().parent
PROGRAM = str(Path(sys.executable).parent / "reconciler")
START_S, TRAIN_S, ANSWER_S = 60, 900, 10


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def up(*words: str) -> Iterator[str | None]:
    """Run daemon and server for the length of the block, and give the server's address, if any."""
    argv = (PROGRAM, "up", "--port", "0", "--probes-port", "off", *words)
    say(f"$ reconciler {' '.join(argv[1:])}")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=HERE.parent, stdout=pipe, text=True) as both:
        addresses: SimpleQueue[str | None] = SimpleQueue()

        def follow() -> None:
            for line in both.stdout or ():
                say(line.rstrip())
                if told := re.search(r"Ready: (\S+) answers", line):
                    addresses.put(told[1])
            addresses.put(None)

        lines = threading.Thread(target=follow)
        lines.start()
        try:
            yield addresses.get(timeout=START_S)
        finally:
            both.send_signal(signal.SIGINT)
            lines.join()


def reconciled() -> bool:
    """Wait until nothing is left to do, and return whether all is as declared."""
    plan, until = (PROGRAM, "plan", "--detailed-exitcode"), time.monotonic() + TRAIN_S
    while time.monotonic() < until:
        done = subprocess.run(plan, cwd=HERE.parent, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return True
        if done.returncode != 2:  # 2: there are changes
            break
        time.sleep(1)
    say(done.stdout + done.stderr)
    return False


def predicted(url: str, table: Path) -> str:
    """Return what the server predicts for the rows of a table."""
    with table.open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    response = requests.post(f"{url}/predict/{table.stem}", json=rows, timeout=ANSWER_S)
    response.raise_for_status()
    answer = response.json()
    told = ", ".join(f"{item['prediction']}" for item in answer["predictions"])
    return f"{told} (version {answer['version']})"


def patiently(ask: Callable[[], str]) -> str | None:
    """Return an answer; None where there is none: what was just released is served in a moment."""
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            return ask()
        except OSError as error:
            refused = isinstance(error, requests.HTTPError) and error.response.status_code == 400
            if refused or time.monotonic() > until:
                say(f"there is no answer: {error}")
                return None
        time.sleep(0.2)


def show_status() -> None:
    """Print how models stand, once the daemon has seen them served."""
    status, until = (PROGRAM, "status"), time.monotonic() + 2 * ANSWER_S
    while time.monotonic() < until:
        done = subprocess.run(status, cwd=HERE.parent, capture_output=True, text=True, check=False)
        if "Progressing" not in done.stdout:
            break
        time.sleep(0.5)
    say("\n$ reconciler status")
    subprocess.run(status, cwd=HERE.parent, check=False)
    say("")


def main(words: list[str]) -> int:
    """Return 0 when every model is as declared and answers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with up(*words) as url:
        if url is None:
            return 1
        os.environ["RECONCILER_ENDPOINT"] = url
        done = [reconciled()]
        say("")
        for table in sorted(HERE.glob("*.csv")):
            answer = patiently(partial(predicted, url, table))
            say(f"{url}/predict/{table.stem}: {answer}")
            done.append(answer is not None)
        show_status()
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
