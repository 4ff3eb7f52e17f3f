"""Blocks: one top-level key of a YAML text replaced, every other byte of it left as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_WORDS = frozenset(
    {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".", ".inf", ".nan"}
)


def with_block(text: str, key: str, body: str) -> str:
    """Return `text` with the block of top-level `key` replaced by `body`, or appended.

    Args:
        text: A YAML document in block style.
        key: A plain top-level key.
        body: The new block, from the key to its last line, with a line end.
    """
    lines = text.splitlines(keepends=True)
    if (span := _span(lines, key)) is None:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{body}"
    return "".join(lines[: span.start]) + body + "".join(lines[span.stop :])


def block_of(text: str, key: str) -> str | None:
    """Return the block of top-level `key`, from the key to its last line; None: it has none."""
    lines = text.splitlines(keepends=True)
    span = _span(lines, key)
    return None if span is None else "".join(lines[span.start : span.stop])


def _span(lines: list[str], key: str) -> slice | None:
    start = next((i for i, line in enumerate(lines) if _opens(line, key)), None)
    if start is None:
        return None
    end = start + 1
    while end < len(lines) and (lines[end][0] in " \t" or _inside(lines, end)):
        end += 1
    return slice(start, end)


def flow(entries: Mapping[str, str]) -> str:
    """Return string values as a YAML flow mapping on one line: `{a: b, c: "1.9"}`."""
    return "{" + ", ".join(f"{key}: {scalar(value)}" for key, value in entries.items()) + "}"


def scalar(text: str) -> str:
    """Return `text` as a YAML scalar that reads back as the same string."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    if plain:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character == "\t":
        return "\\t"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _opens(line: str, key: str) -> bool:
    return line.startswith(f"{key}:") and line[len(key) + 1 : len(key) + 2] in ("", " ", "\n", "\r")


def _inside(lines: list[str], at: int) -> bool:
    """Return whether line `at` is blank or a comment, and the block goes on behind it."""
    if _says(lines[at]):
        return False
    rest = next((line for line in lines[at:] if _says(line)), "")
    return rest[:1] in (" ", "\t")


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
