"""Several bills of one spend: which of them is held against the log, and whether the others say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from llmaudit.reconcile.cells import DAY, Bill
from llmaudit.reconcile.rounding import ZERO

SAME_DAYS = 3
"""Two accounts whose bills are equal on so many days are one."""


@dataclass(frozen=True)
class Role:
    """What a bill is among bills. `same_as` is the place of the bill that it repeats; its money counts nothing more."""

    same_as: int | None
    reason: str
    off: Decimal | None = None
    """Billed here less billed there, on the days that both have."""


def roles(bills: Sequence[Bill]) -> list[Role]:
    """The most detailed bill of a spend is the reference, the others repeat it."""
    order = sorted(range(len(bills)), key=lambda at: (_detail(bills[at]), -at), reverse=True)
    found: dict[int, Role] = {}
    for at in order:
        bill = bills[at]
        same = next((n for n in order if n in found and found[n].same_as is None and _repeats(bill, bills[n])), None)
        found[at] = Role(None, _why(bill)) if same is None else _repeating(bill, bills[same], same)
    return [found[at] for at in range(len(bills))]


def _detail(bill: Bill) -> tuple[bool, bool, bool, bool, int]:
    return (
        bill.counted,
        any(row["model"] is not None for row in bill.usage),
        any(row["token_class"] is not None for row in bill.usage),
        bill.is_daily,
        (bill.end_at - bill.start_at).days,
    )


def _why(bill: Bill) -> str:
    counted, models, classes, daily, _ = _detail(bill)
    has = [
        word
        for word, there in (("quantities", counted), ("models", models), ("token classes", classes), ("days", daily))
        if there
    ]
    return f"its lines carry {', '.join(has)}" if has else "it is the only bill of this spend"


def _repeats(bill: Bill, other: Bill) -> bool:
    if bill.provider != other.provider or bill.currency != other.currency or bill.source == other.source:
        return False
    if bill.end_at <= other.start_at or other.end_at <= bill.start_at:
        return False
    accounts = {bill.account_id, other.account_id}
    projects = {row["project"] for row in (*bill.usage, *other.usage)} - {None}
    if None in accounts or len(accounts) == 1 or accounts & projects:
        return True
    ours, theirs = _daily(bill), _daily(other)
    both = [day for day in ours if day in theirs]
    slack = (bill.last_digit + other.last_digit) * 10
    return len(both) >= SAME_DAYS and all(abs(ours[day] - theirs[day]) <= slack for day in both)


def _repeating(bill: Bill, other: Bill, at: int) -> Role:
    ours, theirs = _daily(bill), _daily(other)
    first, last = max(bill.start_at, other.start_at), min(bill.end_at, other.end_at)
    sums = [sum((usd for day, usd in days.items() if first <= day < last), ZERO) for days in (ours, theirs)]
    return Role(at, f"the same spend as {other.source}, which has more detail", sums[0] - sums[1])


def _daily(bill: Bill) -> dict[datetime, Decimal]:
    found: dict[datetime, Decimal] = defaultdict(lambda: ZERO)
    for row in bill.usage:
        if row["end_at"] is None or row["end_at"] - row["start_at"] <= DAY:
            found[row["start_at"]] += row["billed_cost"]
        else:
            found[bill.start_at] += row["billed_cost"]
    return found
