"""What a DVC remote has, asked inside a process of DVC's: it reads there, and writes nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HASH = re.compile(r"[0-9a-f]{64}")


def main() -> int:
    """Read a question from the standard input, print the answer, and return the exit status.

    The question is JSON: `keys` of the run-cache, `md5s` of content, `patience_s` of the asker.
    The answer has `entries`, files of the run-cache by key as they are written, and `present`,
    which of the content there is, that of the entries included.
    It begins a line of its own, behind whatever DVC prints.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from reconciler.adapters.dvc_asking import asking

    asked = json.loads(sys.stdin.read())
    try:
        with Repo(str(Path.cwd())) as repo:
            name = str(repo.config["core"]["remote"])
            with asking(name, float(asked["patience_s"])):
                texts = _entries(repo, asked["keys"])
                answer = {"entries": texts, "present": _present(repo, asked["md5s"], texts)}
    except DvcException as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 255
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    return 0


def _present(repo: Any, md5s: list[str], entries: Mapping[str, list[str]]) -> list[str]:
    from reconciler.adapters.run_cache import content, parsed

    blocks = (parsed(text) for texts in entries.values() for text in texts)
    wanted = sorted({*md5s, *(md5 for block in blocks if block for md5 in content(block))})
    odb = repo.cloud.get_remote_odb(None, "look")
    return list(odb.list_oids_exists(wanted)) if wanted else []


def _entries(repo: Any, keys: list[str]) -> dict[str, list[str]]:
    from reconciler.adapters.dvc_runs import runs

    odb = runs(repo) if keys else None
    return {} if odb is None else {key: _texts(odb, key) for key in keys}


def _texts(odb: Any, key: str) -> list[str]:
    try:
        files = odb.fs.find(odb.fs.join(odb.path, "runs", key[:2], key))
    except FileNotFoundError:
        return []
    return [odb.fs.cat_file(p).decode() for p in files if _HASH.fullmatch(odb.fs.name(p))]
