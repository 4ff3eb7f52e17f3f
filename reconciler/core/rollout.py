"""The rollout: what becomes of a challenger, by what the servers have counted; pure.

Nothing is withdrawn by a raw ratio: a rule is broken once it is 99 % sure that it is. Where it
only looks so, the step goes on until more requests have told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from reconciler.core.bounds import at_least, exceeds
from reconciler.core.estimate import spoken
from reconciler.core.latency import LATENCY_BUCKETS
from reconciler.core.record import Challenger
from reconciler.core.rollout_rules import RolloutRules
from reconciler.core.tally import NONE, Tally

#: Share of answers that may be slower than the bound: it is the champion's ninth decile.
SLOW_SHARE = 0.1
_UNREADY = "not loaded by every server yet"


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of a rollout's step.

    Where a step leaves the champion without requests, its tally is that of the step before.
    """

    champion: Tally = NONE
    challenger: Tally = NONE
    ready: bool = True
    """Every server that is known has loaded the challenger."""
    tripped: bool = False
    """A server has stopped sending it requests by itself, because it failed too often."""
    failed: str = ""
    """Why servers cannot load it; empty: they can, or have not tried."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the challenger where it is."""

    until: datetime | None
    """Look again then at the latest; None: it waits for requests, or for a server."""
    message: str = ""
    overdue: bool = False
    """The deadline has passed, and what happens then is left to a person."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Send `weight` per cent of the traffic to the challenger."""

    weight: int
    step: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the challenger the champion."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the challenger out of the traffic."""

    reason: str
    message: str
    remembered: bool
    """Whether it is kept from another try under the same settings."""


Move = Wait | Shift | Promote | Withdraw


def judge_rollout(
    rules: RolloutRules, challenger: Challenger, counts: Counts, now: datetime
) -> Move:
    """Return what to do with a challenger.

    Args:
        rules: The settings under which it was started.
        challenger: Where it stands.
        counts: What the servers have counted since its step began.
        now: The time, with a zone.
    """
    broken = next(_broken(rules, counts), None)
    if broken is not None:
        return broken
    wants = _wants(rules, challenger, counts, now)
    if not wants:
        return _onward(rules, challenger)
    return _waiting(rules, challenger, counts, wants, now)


def _broken(rules: RolloutRules, counts: Counts) -> Iterator[Withdraw]:
    """Give every rule that the challenger breaks for sure, the gravest first."""
    if counts.failed:
        yield Withdraw("BundleBroken", f"servers cannot load it: {counts.failed}", True)
    if counts.tripped:
        said = f"a server has cut it off: {_failures(counts.challenger)}"
        yield Withdraw("BreakerTripped", said, True)
    for share in _shares(rules, counts):
        if exceeds(share.hits, share.trials, share.bound):
            yield Withdraw(share.reason, share.evidence(), True)


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of requests that a rule bounds."""

    reason: str
    what: str
    hits: int
    trials: int
    bound: float

    def evidence(self) -> str:
        """Return what was found and what was wanted."""
        sure = at_least(self.hits, self.trials)
        found = f"{self.hits:,} of {self.trials:,} {self.what} ({self.hits / self.trials:.1%})"
        return f"{found}: for sure {sure:.2%} or more, and {self.bound:.2%} is allowed"

    @property
    def doubtful(self) -> bool:
        """Whether it looks as if the rule were broken, sure or not."""
        return self.hits > self.bound * self.trials


def _shares(rules: RolloutRules, counts: Counts) -> Iterator[_Share]:
    mine = counts.challenger
    if rules.max_error_rate is not None:
        failed, bound = "of its requests failed", rules.max_error_rate
        yield _Share("TooManyErrors", failed, mine.errors, mine.requests, bound)
    if rules.max_latency_ratio is not None:
        slow = slower(counts.champion.latency, mine.latency, rules.max_latency_ratio)
        if slow is not None:
            took = (
                f"of its answers took more than {rules.max_latency_ratio:g} times as long as "
                "nine in ten of the champion's"
            )
            yield _Share("TooSlow", took, slow, sum(mine.latency), SLOW_SHARE)
    if rules.max_disagreement is not None:
        other, bound = "of its answers were other than the champion's", rules.max_disagreement
        yield _Share("Disagrees", other, mine.disagreed, mine.compared, bound)


def slower(champion: Sequence[int], challenger: Sequence[int], ratio: float) -> int | None:
    """Return how many of the challenger's answers took over `ratio` times the champion's p90.

    Each doubt is in the challenger's favour: the champion's p90 is taken as great as it may be,
    99 % sure, and an answer counts as slow where all of its bucket is.

    Args:
        champion: Counts by bucket of LATENCY_BUCKETS, one more above; empty: none is known.
        challenger: The same of the challenger.
        ratio: At least 1.

    Returns:
        None where the champion has had too few requests to tell (44 at the least).
    """
    total = sum(champion)
    below = zip(LATENCY_BUCKETS, accumulate(champion), strict=False)
    sure = (upper for upper, count in below if exceeds(count, total, 1 - SLOW_SHARE))
    decile = next(sure, None)
    if decile is None:
        return None
    return sum(
        count
        for lower, count in zip(LATENCY_BUCKETS, challenger[1:], strict=False)
        if lower >= ratio * decile
    )


def _failures(tally: Tally) -> str:
    return f"{tally.errors:,} of its {tally.requests:,} requests failed"


def _wants(
    rules: RolloutRules, challenger: Challenger, counts: Counts, now: datetime
) -> tuple[str, ...]:
    """Return what a step still needs before the next one, each in a few words."""
    if rules.strategy == "blue_green" and challenger.step == 0:  # it warms up: no more is needed
        return () if counts.ready else (_UNREADY,)
    wants = []
    if now < challenger.since + rules.hold:
        left = (challenger.since + rules.hold - now).total_seconds()
        wants.append(f"{spoken(left)} more")
    if counts.challenger.requests < rules.min_requests:
        had, least = counts.challenger.requests, rules.min_requests
        wants.append(f"{had:,} of {least:,} requests")
    if rules.max_disagreement is not None and counts.challenger.compared < rules.min_requests:
        had, least = counts.challenger.compared, rules.min_requests
        wants.append(f"{had:,} of {least:,} requests answered by both")
    wants += [f"in doubt: {s.evidence()}" for s in _shares(rules, counts) if s.doubtful]
    if not counts.ready:
        wants.append(_UNREADY)
    return tuple(wants)


def _onward(rules: RolloutRules, challenger: Challenger) -> Move:
    step = challenger.step + 1
    if step < len(rules.steps):
        return Shift(rules.steps[step], step)
    return Promote("RolledOut", f"passed all steps of its rollout ({rules.strategy})")


def _waiting(
    rules: RolloutRules,
    challenger: Challenger,
    counts: Counts,
    wants: Sequence[str],
    now: datetime,
) -> Move:
    message = "; ".join(wants)
    held = challenger.since + rules.hold
    if rules.deadline is None:
        return Wait(held if now < held else None, message)
    end = challenger.since + rules.deadline
    if now < end:
        return Wait(held if now < held else end, message)
    why = f"inconclusive by its deadline: {message}"
    if rules.on_deadline == "withdraw":
        return Withdraw("TooFewRequests", why, False)
    doubtful = any(share.doubtful for share in _shares(rules, counts))
    if rules.on_deadline == "promote" and counts.ready and not doubtful:
        return Promote("Deadline", why)
    return Wait(None, why, overdue=True)
