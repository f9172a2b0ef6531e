"""An acceptance test that is settled before it is run: how many cases, how many of them must agree, and what that proves.

Exact binomial throughout. A model passes if the Clopper-Pearson lower bound of its agreement, one-sided, reaches the floor:
so a model that agrees less often than the floor passes at most once in 1 / (1 - confidence) tries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmaudit.errors import AuditError

FLOOR, POWER, CONFIDENCE = 0.95, 0.8, 0.95
MOST_CASES = 20_000


@dataclass(frozen=True)
class Rule:
    """Run `cases` cases; the model passes if at least `least` agree."""

    floor: float
    """Agreement that has to be proved."""
    expected: float
    """Agreement of a model that is worth moving to: `power` is its chance to pass."""
    confidence: float
    cases: int
    least: int | None
    """None where no result of so few cases could prove the floor."""
    power: float
    """Chance that a model with the expected agreement passes."""


def least_passing(cases: int, floor: float, confidence: float = CONFIDENCE) -> int | None:
    """The fewest agreeing cases of so many that prove the floor; None if even all of them do not.

    >>> least_passing(59, 0.95), least_passing(58, 0.95), least_passing(361, 0.95)
    (59, None, 350)
    """
    from scipy import stats

    least = int(stats.binom.isf(1 - confidence, cases, floor)) + 1
    # The quantile is found in floating point: settle a tie by the tail itself.
    while least > 0 and stats.binom.sf(least - 2, cases, floor) <= 1 - confidence:
        least -= 1
    while least <= cases and stats.binom.sf(least - 1, cases, floor) > 1 - confidence:
        least += 1
    return least if least <= cases else None


def rule(cases: int, floor: float, expected: float, confidence: float = CONFIDENCE) -> Rule:
    """The rule for a number of cases that is given."""
    from scipy import stats

    least = least_passing(cases, floor, confidence)
    power = 0.0 if least is None else float(stats.binom.sf(least - 1, cases, expected))
    return Rule(floor, expected, confidence, cases, least, power)


def smallest(floor: float, expected: float, power: float = POWER, confidence: float = CONFIDENCE) -> Rule:
    """The rule with the fewest cases that a model with the expected agreement passes with at least this chance.

    >>> smallest(0.95, 0.975).cases, smallest(0.9, 0.95, power=0.9).cases
    (361, 239)
    """
    from scipy import stats

    _check(floor, expected, power, confidence)
    every = np.arange(1, MOST_CASES + 1)
    least = stats.binom.isf(1 - confidence, every, floor) + 1
    # All sizes at once; those near enough are then looked at by the rule itself.
    near = every[(least <= every + 1) & (stats.binom.sf(least - 2, every, expected) >= power)]
    for cases in near.tolist():
        found = rule(cases, floor, expected, confidence)
        if found.power >= power:
            return found
    raise AuditError(
        f"To tell {expected:.1%} from {floor:.1%} takes more than {MOST_CASES:,} cases. Lower --floor, or expect more with --expected."
    )


def lower_bound(agreed: int, cases: int, confidence: float = CONFIDENCE) -> float:
    """Clopper-Pearson: the agreement that so many of so many cases prove, one-sided."""
    from scipy import stats

    return float(stats.beta.ppf(1 - confidence, agreed, cases - agreed + 1)) if agreed else 0.0


def _check(floor: float, expected: float, power: float, confidence: float) -> None:
    for name, share in (("--floor", floor), ("--expected", expected), ("--power", power), ("--confidence", confidence)):
        if not 0 < share < 1:
            raise AuditError(f"{name} {share}: a share between 0 and 1 is meant, such as 0.95.")
    if expected <= floor:
        raise AuditError(
            f"--expected {expected} is not above --floor {floor}: a model that only just reaches the floor fails half of its "
            "tests, whatever their size."
        )
