"""Units of a bill that has none: lent by the provider's usage report, or read off its amounts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from llmaudit.reconcile.cells import FAMILIES, Bill, Square
from llmaudit.reconcile.facts import Facts
from llmaudit.reconcile.rounding import ZERO

SAME_SCOPE = 0.6
"""Counts whose value at list is further off a billed amount, as a share, are of other calls than the line."""
SHARP_TOKENS, LEAST_LINES, WHOLE = Fraction(1, 20), 10, Fraction(9, 10)
"""How far off a whole token rounding may leave an amount that is to show one, and how many lines have to show it."""


def borrow(bill: Bill, told: Facts) -> None:
    """Those that the provider counts for the same day, model and class."""
    for square in bill.squares.values():
        if square.billed_q is None and square.lines and square.key.family in FAMILIES:
            square.billed_q = _lent(square, told)
            if square.billed_q is not None:
                _say(bill, f"The bill has no quantities; those of {told.counted_by} stand for them.")


def _lent(square: Square, told: Facts) -> Decimal | None:
    tally = told.counted.get((square.key.at, square.key.model))
    if tally is None:
        return None
    tier = square.key.tier
    tokens = (
        tally.tokens if tier is None else tally.tiers.get(tier, tally.tiers.get(None, {}) if tier == "standard" else {})
    )
    units = tokens.get(str(square.key.family))
    price = told.price(square.key.model, tier, square.key.family, square.key.at)
    is_same = units and price and abs(float(square.billed) / (float(units) * float(price.list)) - 1) < SAME_SCOPE
    return units if is_same else None


def read_off(bill: Bill, told: Facts) -> None:
    """At our price, amounts come to whole tokens in all lines but a few: then these are the tokens.

    Under a discount, or any other price, they would not: by chance it is one amount in ten. The bill has to name classes.
    """
    if bill.counted or bill.currency != "USD":
        return
    shown = {
        id(square): tokens for square in bill.squares.values() if (tokens := _shown(bill, square, told)) is not None
    }
    whole = sum(tokens.denominator == 1 for tokens in shown.values())
    if len(shown) < LEAST_LINES or whole < WHOLE * len(shown):
        return
    for square in bill.squares.values():
        tokens = shown.get(id(square))
        if tokens is not None and tokens.denominator == 1:
            square.billed_q = Decimal(tokens.numerator)
        elif not square.lines and square.key.family in FAMILIES:
            square.billed_q = ZERO
    _say(bill, "The bill has no quantities; its amounts come to whole tokens at our prices, and these stand for them.")


def _shown(bill: Bill, square: Square, told: Facts) -> Fraction | None:
    """The tokens of an amount, whole where rounding allows it; None where the amount could not tell."""
    key = square.key
    price = told.price(key.model, key.tier, key.family, key.at)
    if square.billed_q is not None or key.family not in FAMILIES or square.billed <= 0 or not price:
        return None
    tokens = Fraction(square.billed) / price.contract
    slack = Fraction(bill.last_digit / 2 * square.lines) / price.contract
    if slack > SHARP_TOKENS:
        return None
    return Fraction(round(tokens)) if abs(tokens - round(tokens)) <= slack else tokens


def _say(bill: Bill, note: str) -> None:
    if note not in bill.assumptions:
        bill.assumptions.append(note)
