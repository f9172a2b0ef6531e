"""How sure a saving is: a block bootstrap, never of single calls, which come in bursts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from llmaudit.replay.pulls import ZERO, Saved

DRAWS = 1_000
SEED = 20_261_101
CONFIDENCE = (0.05, 0.95)
FEWEST_DAYS = 14
"""A window of fewer days is drawn by session or user instead."""
MICRO = Decimal("0.000001")


@dataclass(frozen=True)
class Interval:
    """US dollars."""

    low: Decimal
    expected: Decimal
    high: Decimal


def interval(
    saved: Iterable[Saved],
    blocks: int,
    charges_usd: Decimal = ZERO,
    factors: tuple[float, float] = (1.0, 1.0),
    kept: Decimal = Decimal(1),
) -> Interval:
    """What a window like this one, drawn again block by block, would save. 90 % interval.

    `blocks` is how many the window has: days, or parts of its sessions; those without a saving count as zero. `factors`
    say what share of the saving is left at the ends of the lever's own doubt, such as an agreement of 0.91 to 0.97.
    `kept` is the part that a contract lets through. What the lever costs to run is taken for certain.
    """
    by_block: dict[str, Decimal] = {}
    for row in saved:
        by_block[row.block] = by_block.get(row.block, ZERO) + row.saving_usd
    gross = sum(by_block.values(), ZERO)
    sums = np.zeros(max(blocks, len(by_block), 1))
    sums[: len(by_block)] = [float(value) for _, value in sorted(by_block.items())]
    low, high = (Decimal(repr(float(value))) for value in np.quantile(_totals(sums), CONFIDENCE))
    ends = [
        min(low, gross) * Decimal(repr(factors[0])),
        max(high, gross) * Decimal(repr(factors[1])),
        *(gross * Decimal(repr(factor)) for factor in factors),
        gross,
    ]
    low, expected, high = (amount * kept - charges_usd for amount in (min(ends), gross, max(ends)))
    return Interval(low.quantize(MICRO), expected.quantize(MICRO), high.quantize(MICRO))


def _totals(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    drawn = np.random.default_rng(SEED).choice(sums, (DRAWS, len(sums)))
    totals: npt.NDArray[np.float64] = drawn.sum(axis=1)
    return totals
