"""What is due under a contract is what savings have to lower. A commitment not met is due all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

ZERO = Decimal(0)

Spot = tuple[date, str | None, str | None]
"""Month, provider and model."""
Spend = Mapping[Spot, Decimal]
Due = Callable[[Spend], Decimal]
"""US dollars due in all for what was spent, by month, provider and model."""


@dataclass(frozen=True)
class Shift:
    """By how much a lever changes what is spent on one model of a provider in one month."""

    month: date
    provider: str | None
    model: str | None
    usd: Decimal


def after(spend: Spend, shifts: Iterable[Shift]) -> dict[Spot, Decimal]:
    """What is spent once these have happened."""
    left = dict(spend)
    for shift in shifts:
        spot = (shift.month, shift.provider, shift.model)
        left[spot] = left.get(spot, ZERO) + shift.usd
    return left


def lowered(due: Due, spend: Spend, pulls: Sequence[Iterable[Shift]]) -> list[Decimal]:
    """By how much each pull in turn lowers what is due."""
    found = []
    before = due(spend)
    for shifts in pulls:
        spend = after(spend, shifts)
        now = due(spend)
        found.append(before - now)
        before = now
    return found
