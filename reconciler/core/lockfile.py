"""dvc.lock as text: one block per stage, so that a thousand of them need no YAML parser.

DVC writes the file with one emitter and in one shape. Only that shape is taken apart here;
whatever else stands in a file makes it a foreign one, to be left to a whole parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_STAGES = "stages:"
_HEAD = "schema: '2.0'\n"
_NAME = re.compile(r"  ([A-Za-z0-9_][\w.@/-]*):")
_OUTDENT = re.compile(r"\n {0,2}[^ \n]")
_SHARED = re.compile(r"^ *(?:- )*(?:[^\s:]+: )?[&*]\w", re.MULTILINE)


class ForeignError(ValueError):
    """A lock file that is not in the shape in which DVC writes it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The text of dvc.lock, taken apart; `text` puts the same bytes together again."""

    head: str
    """What stands above the stages, without the line `stages:`."""
    blocks: Mapping[str, str]
    """Text of each stage's block by stage name, its first line included, in the file's order."""
    tail: str
    """What stands below the stages: other keys that DVC keeps, such as `datasets:`."""

    @property
    def text(self) -> str:
        """The whole file."""
        return f"{self.head}{_stages(self.blocks)}{self.tail}"

    def updated(self, blocks: Mapping[str, str]) -> Lock:
        """Return the lock with these blocks: in place where there is one, else at the end."""
        return Lock(self.head, {**self.blocks, **blocks}, self.tail)

    def ordered(self, last: Sequence[str]) -> Lock:
        """Return the lock with the blocks that `last` names at its end, in that order."""
        moved = {name: self.blocks[name] for name in last if name in self.blocks}
        rest = {name: text for name, text in self.blocks.items() if name not in moved}
        return Lock(self.head, {**rest, **moved}, self.tail)


def parse(text: str) -> Lock:
    """Return the parts of a dvc.lock; an empty text is a lock without stages.

    Raises:
        ForeignError: It is written in another shape than DVC's, or a stage stands in it twice.
    """
    if not text:
        return Lock(_HEAD, {}, "")
    if "\r" in text or _SHARED.search(text):
        raise ForeignError("line ends or anchors")
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.startswith(_STAGES)), None)
    if (
        start is None
        or not text.endswith("\n")
        or lines[start] not in ("stages:\n", "stages: {}\n")
    ):
        raise ForeignError("no `stages:`")
    end = start + 1
    while end < len(lines) and lines[end][0] in " \n":
        end += 1
    _check_keys([*lines[:start], *lines[end:]])
    return Lock("".join(lines[:start]), _blocks(lines[start + 1 : end]), "".join(lines[end:]))


def cut(text: str, stage: str) -> str:
    """Return the block of one stage, its first line included; empty when there is none.

    Only that block is looked at, so it takes no longer in a file of ten thousand models.
    """
    start = text.find(f"\n  {stage}:\n") + 1
    if not start:
        return ""
    end = _OUTDENT.search(text, start + 1)
    return text[start : end.start() + 1 if end else len(text)]


def _blocks(lines: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    block: list[str] | None = None
    for line in lines:
        if line[:3].strip() or line[:1] == "\t":
            match = _NAME.fullmatch(line.rstrip("\n"))
            if match is None or match[1] in found:
                raise ForeignError(f"not a stage's name: {line!r}")
            block = found[match[1]] = []
        if block is None:
            raise ForeignError(f"no stage's name above: {line!r}")
        block.append(line)
    return {name: "".join(block) for name, block in found.items()}


def _check_keys(lines: list[str]) -> None:
    """Refuse what is no key, such as the markers of a conflict or a second document."""
    for line in lines:
        if line[0] not in " \n-" and not re.match(r"[A-Za-z_]\w*:(?: |\n)", line):
            raise ForeignError(f"not a key: {line!r}")
        if line.startswith(("---", "stages:")):
            raise ForeignError(f"a second document or `stages:`: {line!r}")


def _stages(blocks: Mapping[str, str]) -> str:
    return f"{_STAGES}\n{''.join(blocks.values())}" if blocks else f"{_STAGES} {{}}\n"
