"""wrk: one run of the load generator against one server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """What came of a run."""

    per_s: float
    p50_s: float
    p99_s: float
    failed: int
    """Answers other than 2xx or 3xx, and connections that broke."""


def load(port: int, path: str, body: Mapping[str, Any] | None, seconds: float) -> Load:
    """Have eight connections ask for `seconds`, each as soon as it was answered."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        if body is not None:
            text = json.dumps(body)
            script.write_text(
                f'wrk.method = "POST"\nwrk.body = {json.dumps(text)}\n'
                'wrk.headers["Content-Type"] = "application/json"\n'
            )
        else:
            script.write_text("")
        argv = ["wrk", "-t1", "-c8", f"-d{seconds:g}s", "--latency", "-s", str(script)]
        done = subprocess.run(
            [*argv, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True
        )
    if done.returncode != 0:
        sys.exit(f"wrk: {done.stdout}{done.stderr}")
    return parsed(done.stdout)


def parsed(text: str) -> Load:
    """Return what wrk has printed."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate, text
    errors = [int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text)]
    odd = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Load(
        float(rate[1]), _share(text, "50"), _share(text, "99"),
        sum(errors) + (int(odd[1]) if odd else 0),
    )  # fmt: skip


def _share(text: str, share: str) -> float:
    found = re.search(rf"\s{share}%\s+([\d.]+)(us|ms|s|m)\b", text)
    assert found, text
    return float(found[1]) * _UNITS[found[2]]
