"""Amounts at the last digit: none is lost when parts are rounded, and how far rounding alone can move a bill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction

ZERO = Decimal(0)
MICRO = Decimal("0.000001")
LAST = Decimal("0.000000000001")
"""The last of the twelve decimals money is kept with."""


def money(value: Fraction) -> Decimal:
    """A fraction as money.

    >>> money(Fraction(1, 3))
    Decimal('0.333333333333')
    """
    return (Decimal(value.numerator) / value.denominator).quantize(LAST)


def shared(parts: Sequence[Decimal], total: Decimal, unit: Decimal = MICRO) -> list[Decimal]:
    """Parts in whole `unit`s that sum to `total` in whole units: the largest remainders are rounded up first.

    >>> [str(part) for part in shared([Decimal("0.0000004")] * 3, Decimal("0.0000012"))]
    ['0.000001', '0.000000', '0.000000']
    """
    floors = [part.quantize(unit, rounding=ROUND_FLOOR) for part in parts]
    if not parts:
        return floors
    each, more = divmod(int((total.quantize(unit) - sum(floors, ZERO)) / unit), len(parts))
    first = sorted(range(len(parts)), key=lambda at: (floors[at] - parts[at], at))
    raised = set(first[:more])
    return [floor + unit * (each + (at in raised)) for at, floor in enumerate(floors)]


def decimals(amounts: Iterable[Decimal]) -> int:
    """How many decimals a bill writes its amounts with.

    >>> decimals([Decimal("1.500000000000"), Decimal("0.25")])
    2
    """
    return max((-int(amount.normalize().as_tuple().exponent) for amount in amounts if amount), default=0)
