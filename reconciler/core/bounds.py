"""Bounds on a share that was seen in a few requests: exact, so that small numbers prove little."""

from __future__ import annotations

import math

#: How sure a bound is, on its one side.
SURE = 0.99
_STEPS = 60
_TINY = 1e-300


def at_least(hits: int, trials: int) -> float:
    """Return the share that the true one is at least, 99 % sure.

    Args:
        hits: Trials in which it happened, at most `trials`.
        trials: Independent trials, >= 0.

    Returns:
        A share in [0, 1]; 0 where there was no hit.

    Source:
        The one-sided interval of Clopper and Pearson, doi:10.1093/biomet/26.4.404.
    """
    if hits == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if tail(hits, trials, middle) > 1 - SURE:
            high = middle
        else:
            low = middle
    return low


def exceeds(hits: int, trials: int, share: float) -> bool:
    """Return whether the true share is greater than `share`, 99 % sure."""
    if hits == 0:
        return False
    return tail(hits, trials, share) < 1 - SURE


def tail(hits: int, trials: int, share: float) -> float:
    """Return how likely at least `hits` of `trials` are, each of which hits with this `share`."""
    if hits <= 0:
        return 1.0
    if share <= 0 or hits > trials:
        return 0.0
    if share >= 1:
        return 1.0
    return _beta(share, hits, trials - hits + 1)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), 0 < x < 1.

    Source:
        The continued fraction of NIST's Digital Library of Mathematical Functions, 8.17.22.
    """
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side alone
        return 1.0 - _beta_below(1.0 - x, b, a)
    return _beta_below(x, a, b)


def _beta_below(x: float, a: float, b: float) -> float:
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, c, d = 1.0, 1.0, 0.0
    for i in range(10 * math.isqrt(int(a + b)) + 200):
        d = 1.0 / _off_zero(1.0 + _term(i, x, a, b) * d)
        c = _off_zero(1.0 + _term(i, x, a, b) / c)
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-13:
            break
    return front * (fraction - 1.0)


def _term(i: int, x: float, a: float, b: float) -> float:
    if i == 0:
        return 1.0
    m = i // 2
    if i % 2 == 0:
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
