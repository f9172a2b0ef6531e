"""A bill and the log in the same squares: one per day, model, tier and token class, as fine as the bill itself is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from llmaudit.reconcile.rounding import LAST, ZERO, decimals

Row = Mapping[str, Any]

INPUT_FAMILIES = ("input", "cache_read", "cache_write", "cache_write_long")
FAMILIES = (*INPUT_FAMILIES, "output")
DAY = timedelta(days=1)
DAY_MINUTES, FINE_MINUTES = 1_440, 30
LATE_DAYS = 3
"""A bill that stops this many days before the log does has days still to come; one that stops earlier is of another period."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the lake keeps UTC bare


def family(token_class: str | None) -> str | None:
    """The class of a log that a class of a bill belongs to: audio and images count with the text of their side.

    >>> family("cache_audio_read"), family("reasoning"), family("web_searches"), family(None)
    ('cache_read', 'output', 'other', None)
    """
    if token_class is None or token_class in FAMILIES:
        return token_class
    if token_class in {"input_audio", "input_image", "input_video"}:
        return "input"
    if token_class in {"cache_audio_read", "cache_image_read", "cache_video_read"}:
        return "cache_read"
    return "output" if token_class in {"reasoning", "output_audio", "output_image"} else "other"


def tier_of(name: str | None) -> str | None:
    return None if name is None else "standard" if name in {"default", "on_demand", "standard_only", "auto"} else name


class Key(NamedTuple):
    """One square. None is what the bill does not name: there the log is taken together."""

    at: datetime
    project: str | None
    model: str | None
    tier: str | None
    family: str | None


@dataclass
class Square:
    """What both sides say of one square. Amounts are in the bill's currency."""

    key: Key
    billed: Decimal = ZERO
    lines: int = 0
    billed_q: Decimal | None = None
    list_cost: Decimal | None = None
    contracted: Decimal | None = None
    classes: dict[tuple[str | None, str | None, str | None], Decimal] = field(default_factory=dict)
    """Billed quantity by (model, tier, token class) as the bill has them."""
    priced: Decimal = ZERO
    logged_q: Decimal = ZERO
    calls: int = 0
    unpriced_calls: int = 0
    tiers: dict[tuple[str | None, str | None], tuple[Decimal, Decimal]] = field(default_factory=dict)
    """(served, requested) tier -> quantity and money of the log."""
    unit: Fraction | None = None
    """What one unit costs at our prices."""
    list_unit: Fraction | None = None
    quantity_part: Decimal = ZERO
    """The quantity that only one side has, at our prices."""
    parts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def difference(self) -> Decimal:
        return self.billed - self.priced

    @property
    def more(self) -> Decimal:
        """Units on the bill beyond those in the log."""
        return ZERO if self.billed_q is None else self.billed_q - self.logged_q

    @property
    def open(self) -> Decimal:
        """What no part accounts for yet."""
        return self.difference - sum(self.parts.values(), ZERO)

    def put(self, name: str, amount: Decimal) -> None:
        if amount:
            self.parts[name] = self.parts.get(name, ZERO) + amount


@dataclass
class Bill:
    """One bill against the log: its squares, and its lines that stand for no call."""

    source: str
    provider: str | None
    account_id: str | None
    currency: str
    start_at: datetime
    end_at: datetime
    usage: list[Row]
    other: list[Row]
    squares: dict[Key, Square] = field(default_factory=dict)
    buckets: list[datetime] = field(default_factory=list)
    is_daily: bool = True
    by_project: bool = False
    shift: timedelta = timedelta(0)
    rate_missing: bool = False
    has_calls: bool = False
    assumptions: list[str] = field(default_factory=list)

    @property
    def billed(self) -> Decimal:
        return sum((row["billed_cost"] for row in (*self.usage, *self.other)), ZERO)

    @property
    def for_usage(self) -> Decimal:
        """Without the lines that no log can have: credits, taxes, purchases."""
        return sum((row["billed_cost"] for row in self.usage), ZERO)

    @property
    def priced(self) -> Decimal:
        return sum((square.priced for square in self.squares.values()), ZERO)

    @property
    def counted(self) -> bool:
        """Whether lines carry quantities."""
        return any(row["counted_lines"] and family(row["token_class"]) in FAMILIES for row in self.usage)

    @property
    def last_digit(self) -> Decimal:
        """One of the last digit that the bill writes its amounts with."""
        return Decimal(1).scaleb(-min(decimals(row["billed_cost"] for row in self.usage), 9))

    def bucket(self, moment: datetime) -> datetime:
        if self.is_daily:
            return midnight(moment)
        return max((start for start in self.buckets if start <= moment), default=self.start_at)


Rate = Callable[[datetime], Decimal | None]
"""Units of the bill's currency for a US dollar on a day; None where no rate is known."""


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def bills(rows: Iterable[Row]) -> list[Bill]:
    """Lines sorted into bills: one per source, provider, account and currency."""
    grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["source"], row["provider"], row["account_id"], row["currency"] or "USD"].append(row)
    found = []
    for (source, provider, account, currency), lines in grouped.items():
        usage = [row for row in lines if row["line_kind"] == "usage"]
        other = [row for row in lines if row["line_kind"] != "usage"]
        dated = usage or lines
        start = midnight(min(row["start_at"] for row in dated))
        end = max(row["end_at"] or row["start_at"] + DAY for row in dated)
        bill = Bill(source, provider, account, currency, start, end, usage, other)
        _buckets(bill)
        found.append(bill)
    return found


def _buckets(bill: Bill) -> None:
    """Days, or the bill's own periods where it has no days; where these overlap, the whole bill is one."""
    spans = sorted({(row["start_at"], row["end_at"]) for row in bill.usage if row["end_at"]})
    if not spans:
        return
    bill.is_daily = False
    days = any(not row["end_at"] for row in bill.usage)
    apart = all(a[1] <= b[0] for a, b in pairwise(spans))
    bill.buckets = [start for start, _ in spans] if apart and not days else [bill.start_at]


def extend(bill: Bill, log_end: datetime | None) -> None:
    """Take in the days after the bill's last that it has not delivered yet: few, and inside a month that it has begun."""
    if log_end is None or not bill.is_daily or bill.end_at.day == 1:
        return
    next_month = (bill.end_at.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = min(midnight(log_end + DAY), next_month)
    if timedelta(0) < last - bill.end_at <= LATE_DAYS * DAY and log_end < bill.end_at + LATE_DAYS * DAY:
        bill.assumptions.append(
            f"The bill's last line is of {bill.end_at - DAY:%Y-%m-%d}; the log goes on to {last - DAY:%Y-%m-%d}, "
            "and these days are compared too."
        )
        bill.end_at = last


def slot_at(row: Row) -> datetime:
    at: datetime = _EPOCH + timedelta(minutes=row["slot"] * row["slot_minutes"])
    return at


def in_scope(bill: Bill, rows: Iterable[Row], accounts: int) -> list[Row]:
    """The calls a bill can be about: its provider's, and of its account where both name one."""
    projects = {row["project"] for row in bill.usage if row["project"] is not None}
    kept = []
    for row in rows:
        if row["provider"] != bill.provider:
            continue
        account = row["account_id"]
        same = account is not None and (account == bill.account_id or account in projects)
        if same or (accounts == 1 and (account is None or bill.account_id is None)):
            kept.append(row)
    return kept


def lay_out(bill: Bill, slots: Sequence[Row], rate: Rate) -> None:
    """Put lines and calls into the squares. `slots` are in scope already; those outside the bill's time are left out."""
    bill.squares = {}
    bill.rate_missing = False
    moments = ((row, slot_at(row) + bill.shift) for row in slots)
    calls = [(row, moment) for row, moment in moments if bill.start_at <= moment < bill.end_at]
    bill.has_calls = bool(calls)
    naming = _naming(bill, [row for row, _ in calls])
    for row in bill.usage:
        at = bill.bucket(row["start_at"])
        key = naming(at, row["project"], _model(row), row["service_tier"], family(row["token_class"]))
        _add_line(_square(bill, key), row)
    for row, moment in calls:
        place = _project(row, bill) if bill.by_project else None
        key = naming(bill.bucket(moment), place, row["model"], row["service_tier"] or "standard", row["token_class"])
        _add_calls(bill, _square(bill, key), row, rate(moment - bill.shift))
    for square in bill.squares.values():
        if square.key.family is None:  # a sum of unlike units is none
            square.billed_q = None
    for square in bill.squares.values() if bill.counted else ():
        if not square.lines and square.key.family in FAMILIES:
            square.billed_q = ZERO


def _model(row: Row) -> str | None:
    """The line's model in the book's words, else in its own."""
    found: str | None = row["model"] if row["model"] is not None else row["words"]
    return found


def _project(row: Row, bill: Bill) -> str | None:
    projects = {line["project"] for line in bill.usage}
    return next((name for name in (row["project"], row["account_id"]) if name in projects and name is not None), None)


def _square(bill: Bill, key: Key) -> Square:
    if key not in bill.squares:
        bill.squares[key] = Square(key)
    return bill.squares[key]


def _add_line(square: Square, row: Row) -> None:
    first = not square.lines
    square.billed += row["billed_cost"]
    if row["counted_lines"] == row["lines"] and (first or square.billed_q is not None):
        square.billed_q = (square.billed_q or ZERO) + row["quantity"]
        place = (_model(row), tier_of(row["service_tier"]), row["token_class"])
        square.classes[place] = square.classes.get(place, ZERO) + row["quantity"]
    else:
        square.billed_q = None
    if row["list_lines"] == row["lines"] and (first or square.list_cost is not None):
        square.list_cost = (square.list_cost or ZERO) + row["list_cost"]
    else:
        square.list_cost = None
    if row["contracted_lines"] == row["lines"] and (first or square.contracted is not None):
        square.contracted = (square.contracted or ZERO) + row["contracted_cost"]
    else:
        square.contracted = None
    square.lines += row["lines"]


def _add_calls(bill: Bill, square: Square, row: Row, rate: Decimal | None) -> None:
    cost = row["cost_usd"] or ZERO
    if rate is None:
        bill.rate_missing = True
    elif rate != 1:
        cost = (cost * rate).quantize(LAST)
    quantity = Decimal(row["quantity"] or 0)
    square.priced += cost
    square.logged_q += quantity
    square.calls += row["calls"]
    square.unpriced_calls += row["unpriced_calls"]
    place = (tier_of(row["service_tier"]), tier_of(row["requested_service_tier"]))
    before = square.tiers.get(place, (ZERO, ZERO))
    square.tiers[place] = (before[0] + quantity, before[1] + cost)


Naming = Callable[[datetime, str | None, str | None, str | None, str | None], Key]


def _naming(bill: Bill, calls: Sequence[Row]) -> Naming:
    """How finely both sides can be told apart: what the bill leaves out of its lines is left out of the log's squares."""
    logged = {row["model"] for row in calls}
    lines = [row for row in bill.usage if family(row["token_class"]) != "other"]
    named = {_model(row) for row in lines if row["model"] is not None or row["words"] in logged} - {None}
    coarse = any(_model(row) not in named for row in lines)
    classed = dict.fromkeys((_model(row) for row in lines), True)
    for row in lines:
        classed[_model(row)] &= row["token_class"] is not None
    tiered = {_model(row) for row in lines if row["service_tier"] is not None}
    reported = {row["model"] for row in calls if row["reported_calls"]}
    lone_other = any(family(row["token_class"]) == "other" and row["model"] is None for row in bill.usage)
    bill.by_project = _by_project(bill, calls)

    def name(at: datetime, project: str | None, model: str | None, tier: str | None, of: str | None) -> Key:
        place = project if bill.by_project else None
        if of == "other" and model not in reported:
            return Key(at, place, None if lone_other else model, None, "other")
        if model not in named:
            return Key(at, place, None, None, None) if coarse or model is None else Key(at, place, model, None, of)
        whole = model in reported or not classed[model]
        return Key(at, place, model, (tier_of(tier) or "standard") if model in tiered else None, None if whole else of)

    return name


def _by_project(bill: Bill, calls: Sequence[Row]) -> bool:
    """Projects part both sides where every line and every call names one of the bill's."""
    projects = {row["project"] for row in bill.usage}
    if None in projects or not calls:
        return False
    return all(_project(row, bill) is not None for row in calls)
