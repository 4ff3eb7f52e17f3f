"""The `models:` map of params.yaml, cut out or narrowed without parsing: it grows with the fleet.

A fleet of ten thousand has a megabyte of it, which decides no artifact.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

_NAME = rb'(?:"[a-z0-9-]+"|(?!(?:null|true|false):)[a-z][a-z0-9-]*)'
#: A text in quotes, a path (never a word or a number to YAML), or a digest that begins as one.
_VALUE = rb'(?:"[^"\\\n]*"|[A-Za-z_][A-Za-z0-9_-]*[./][A-Za-z0-9_./-]*|[a-f][0-9a-f]{15})'
_PAIR = rb"[a-z_]+: " + _VALUE
_LINE = rb"  " + _NAME + rb": \{" + _PAIR + rb"(?:, " + _PAIR + rb")*\}\n"
_BLOCK = re.compile(rb"^models:\n((?:" + _LINE + rb")+)(?=\S|\n|\Z)", re.MULTILINE)
_NAMES = re.compile(rb'^  "?([a-z0-9-]+)', re.MULTILINE)

EMPTY = b"models: {}\n"


def cut(text: bytes) -> bytes:
    """Return params.yaml with an empty `models:` map.

    Nothing is cut where the map is not written line by line as `reconciler compile` does.
    """
    return _without(text, padding=False)


def padded(text: bytes) -> bytes:
    """Return params.yaml with an empty `models:` map, every other line at its number."""
    return _without(text, padding=True)


def lines(text: bytes) -> dict[str, bytes] | None:
    """Return the map's lines by model; None where it is not written line by line."""
    found = list(_BLOCK.finditer(text))
    if len(found) == 1 and _unique(found[0][1]):
        block = found[0][1].splitlines(keepends=True)
        named = ((_NAMES.match(line), line) for line in block)
        return {match[1].decode(): line for match, line in named if match}
    return {} if text.startswith(EMPTY) or b"\n" + EMPTY in text else None


def narrowed(text: bytes, models: Collection[str]) -> bytes:
    """Return params.yaml with these models' lines alone, as `reconciler compile` writes them.

    Nothing is cut where the map is not written line by line.
    """
    held = lines(text)
    if held is None:
        return text
    kept = b"".join(line for name, line in held.items() if name in models)
    return cut(text).replace(EMPTY, b"models:\n" + kept if kept else EMPTY, 1)


def settings(*files: bytes) -> str:
    """Return a digest of settings, params.yaml and dvc.yaml, without the `models:` map."""
    parts = (hashlib.sha256(cut(file)).digest() for file in files)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _without(text: bytes, *, padding: bool) -> bytes:
    found = list(_BLOCK.finditer(text))
    if len(found) != 1 or not _unique(found[0][1]):
        return text
    block = found[0]
    lines = b"\n" * block[1].count(b"\n") if padding else b""
    return text[: block.start()] + EMPTY + lines + text[block.end() :]


def _unique(lines: bytes) -> bool:
    names = _NAMES.findall(lines)
    return len(names) == len(set(names))
