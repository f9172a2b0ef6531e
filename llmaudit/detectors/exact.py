"""Exact intervals and tests for counts, where a normal approximation would promise too much."""

from __future__ import annotations


def share_interval(hits: int, tries: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson: the shares between which `hits` of `tries` lie, two-sided.

    >>> [round(share, 4) for share in share_interval(0, 100)]
    [0.0, 0.0362]
    >>> share_interval(0, 0)
    (0.0, 1.0)
    """
    from scipy import stats

    if not tries:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, hits, tries - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, tries - hits)) if hits < tries else 1.0
    return low, high


def mcnemar(only_one: int, only_other: int) -> float | None:
    """Exact McNemar: how likely so uneven a split of discordant pairs is if neither side is better. None without any.

    >>> round(mcnemar(8, 1), 4)
    0.0391
    """
    from scipy import stats

    discordant = only_one + only_other
    return float(stats.binomtest(only_one, discordant).pvalue) if discordant else None
