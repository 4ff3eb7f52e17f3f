"""Merging: three-way, per stage of dvc.lock and per model of the settings, instead of per line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core import lockfile
from reconciler.core.blocks import block_of, with_block
from reconciler.core.lockfile import Lock

_LINE = re.compile(r'  (?P<name>[A-Za-z0-9_.-]+|"[^"\\]+"): \{[^{}]*\}\n')


@dataclass(frozen=True, slots=True)
class Merged:
    """Three versions that agree on what could be merged here; the rest is merged by line."""

    versions: tuple[str, ...]
    """The text of base, ours and theirs."""
    notes: tuple[str, ...] = ()
    """What was decided that a person should know, as sentences."""


def merge_lock(base: str, ours: str, theirs: str) -> Merged:
    """Return dvc.lock merged per stage.

    A block that both sides changed differently is kept as ours: DVC compares every block with
    what is there, so one that no longer holds costs a look into the run-cache, or a run.

    Raises:
        ForeignError: One of the texts is not as DVC writes it.
    """
    sides = [lockfile.parse(text) for text in (base, ours, theirs)]
    blocks, disputed = _three_way(*(side.blocks for side in sides), removal_wins=False)
    versions = tuple(Lock(side.head, blocks, side.tail).text for side in sides)
    notes = [
        f"{', '.join(disputed)}: changed on both sides, kept as ours; `dvc repro` brings "
        "what is merged from the cache, or runs it"
    ]
    return Merged(versions, tuple(notes if disputed else ()))


def merge_params(base: str, ours: str, theirs: str) -> Merged:
    """Return the settings with their `models:` map merged per model, and nothing else of them.

    The map is generated from the specs, so no line of it is worth a conflict: where both sides
    changed one, `reconciler compile` writes it anew.

    Raises:
        ForeignError: A `models:` map is not as `reconciler compile` writes it.
    """
    texts = (base, ours, theirs)
    if all(block_of(text, "models") is None for text in texts):
        return Merged(texts)
    maps = [model_lines(text) for text in texts]
    lines, disputed = _three_way(*maps, removal_wins=True)
    body = "".join(lines[name] for name in sorted(lines))
    block = f"models:\n{body}" if lines else "models: {}\n"
    rests = {with_block(text, "models", "") for text in texts}
    notes = []
    if disputed:
        notes.append(f"models {', '.join(disputed)}: changed on both sides, kept as ours")
    if disputed or (len(rests) > 1 and len({tuple(m.items()) for m in maps}) > 1):
        notes.append("run `reconciler compile` when everything is merged")
    return Merged(tuple(with_block(text, "models", block) for text in texts), tuple(notes))


def model_lines(text: str) -> dict[str, str]:
    """Return the lines of the `models:` map of params.yaml, by model.

    Raises:
        ForeignError: It is not as `reconciler compile` writes it.
    """
    block = block_of(text, "models")
    if "\r" in text:
        raise lockfile.ForeignError("line ends")
    if block is None or block == "models: {}\n":
        return {}
    first, *lines = block.splitlines(keepends=True)
    found = {match["name"].strip('"'): line for line in lines if (match := _LINE.fullmatch(line))}
    if first != "models:\n" or len(found) != len(lines):
        raise lockfile.ForeignError("`models:` is not as `reconciler compile` writes it")
    return found


def _three_way(
    base: Mapping[str, str],
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    *,
    removal_wins: bool,
) -> tuple[dict[str, str], list[str]]:
    """Return the merged values in our order, theirs after them, and the keys in dispute.

    Args:
        base: The common ancestor's values by key.
        ours: Ours.
        theirs: Theirs.
        removal_wins: Whether what one side removed and the other changed is gone.
    """
    merged: dict[str, str] = {}
    disputed = []
    for key in (*ours, *(key for key in theirs if key not in ours)):
        before, mine, other = base.get(key), ours.get(key), theirs.get(key)
        value = mine
        if mine == before:
            value = other
        elif other not in (before, mine):
            disputed.append(key)
            if mine is None or other is None:
                value = None if removal_wins else mine or other
        if value is not None:
            merged[key] = value
    return merged, disputed
