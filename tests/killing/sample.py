"""Which points are cut: as many as are wanted, spread over everything that a run does."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice


def kind(point: str) -> str:
    """Return what sort of point it is: who does what, whatever it is done to.

    `dvc repro|rename`, `reconciler|spawn`, `git update-ref|write`.
    """
    outside, _, inside = point.partition(">")
    who, what, named = outside.split("|", 2)
    if inside:
        return f"{named.partition('#')[0]}|{inside.partition('|')[0]}"
    return f"{' '.join(who.split()[:2])}|{what}"


def spread(points: Iterable[str], count: int, seed: int) -> tuple[str, ...]:
    """Return `count` points, or all where there are fewer: of every kind in turn, by chance."""
    chance = random.Random(seed)
    kinds = defaultdict(list)
    for point in sorted(points):
        kinds[kind(point)].append(point)
    for found in kinds.values():
        chance.shuffle(found)
    order = sorted(kinds)
    chance.shuffle(order)
    return tuple(islice(_in_turn([kinds[k] for k in order]), count))


def _in_turn(lists: Sequence[list[str]]) -> Iterator[str]:
    while any(lists):
        for found in lists:
            if found:
                yield found.pop()
