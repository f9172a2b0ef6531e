"""The rates that a table of calls needs, as arrays: a number names a row, and a row has a rate for every class.

A row is found by three steps: the name leads to a place of the book, place and day to a period, and period, time of the
week and length of the input to the row. Each step takes from a table what stands at a number, so it costs the same
whatever the book holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmaudit.pricing.book import Book
from llmaudit.pricing.rates import RATE
from llmaudit.pricing.user import MEASURES
from llmaudit.pricing.wide import CLASSES, ENDLESS, EVER, NEVER

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Name = tuple[str, str, str, str]
"""Provider, model, tier and region as a log has them; '' is unknown."""

Row = Mapping[str, Any]
"""A row of `Book.wide`."""

PRICED_BY = ("exact", "alias", "rule", "user", "reported")
RULE, USER, REPORTED = (PRICED_BY.index(how) for how in ("rule", "user", "reported"))

SUFFIXES = ("no-cache-rate", "no-output-rate", "mixed-cache", "no-token-rate")
"""What a call adds to the id of its row, a bit each."""

STEPS_PER_USD = 10**15
"""Rates are whole numbers of 1e-15 dollars, and of thousandths of that what is finer: the book has eighteen places."""
FINER = 10 ** (RATE.scale - 15)

NOTHING = 0
"""The number of a place, a period and a row where there is none."""

SPAN = ("input", "cache_read", "cache_write", "output")
"""The classes by which a call without a price is bounded."""

DAY_US = 86_400_000_000
_MOST_DAYS = 2**20
_LONG_AGO = -(2**62)


@dataclass(frozen=True)
class Steps:
    """What a class costs, by row."""

    whole: Ints
    fine: Ints | None
    """Thousandths of a step; None where no rate has any."""
    largest: int


@dataclass(frozen=True)
class Below:
    """Rows whose rates only the tokens beyond a length pay, and what those up to it do."""

    tokens: Ints
    """Of each row so many of the input; 0 where it prices the whole call."""
    rows: Ints
    """The row of a call of that length."""


@dataclass(frozen=True)
class Span:
    """Between what the rates of an unpriced call lie for some days, in steps, rounded outwards."""

    key: int
    days: tuple[int, int]
    low: tuple[int, ...]
    high: tuple[int, ...]


@dataclass(frozen=True)
class Card:
    names: Mapping[Name, int]
    places: Ints
    priced_by: Ints
    span_keys: Ints
    """Of each name: its place, how that was found, and the key of its spans."""
    days: Ints
    """Days since 1970 on which any price changes, ascending. Each period holds up to the next of them."""
    periods: Ints
    """Place by day."""
    weeks: Ints
    bands: Ints
    """Seconds of the week, and tokens of input, from which on other rates may hold."""
    rows: Ints
    """Period by week by band."""
    usd: Mapping[str, Steps]
    list_usd: Mapping[str, Steps]
    lacking: Ints
    list_lacking: Ints
    """A bit for each class of CLASSES without a rate."""
    below: Below
    list_below: Below
    by_user: Flags
    by_rule: Flags
    unrated: Mapping[str, Flags]
    """Classes that a row bills by another's rate, or not at all, and has to say so."""
    by_tokens: Flags
    """Rows of models that are sold by tokens: what else measures the same is not billed beside them."""
    sells: Mapping[str, Flags]
    """Of rows that are sold by other measures than tokens: which these are."""
    price_ids: pa.StringArray
    """Row by suffixes."""
    spans: tuple[Span, ...]

    def numbers(self, names: Sequence[Name]) -> Ints:
        return _numbers(self.names[name] for name in names)

    def row(self, names: Ints, started_us: Ints, input_tokens: Ints) -> Ints:
        """The row that prices each call; NOTHING where there is none."""
        line = self.places.take(names) * len(self.days) + self._changes(started_us)
        at = self.periods.reshape(-1).take(line) * len(self.weeks)
        if len(self.weeks) > 1:
            at += _step(self.weeks, (started_us // 1_000_000 + _MONDAY) % _WEEK)
        found: Ints = self.rows.reshape(-1).take(at * len(self.bands) + _step(self.bands, input_tokens))
        return found

    def _changes(self, started_us: Ints) -> Ints:
        """How many of `days` have begun, less one."""
        day = started_us // DAY_US
        first, last = (int(day.min()), int(day.max())) if len(day) else (0, 0)
        if last - first > _MOST_DAYS:
            return np.searchsorted(self.days, day, side="right") - 1
        begun = np.searchsorted(self.days, np.arange(first, last + 1), side="right") - 1
        found: Ints = begun.take(day - first)
        return found


_WEEK = 604_800
_MONDAY = 3 * 86_400
"""1 January 1970 was a Thursday."""


def _step(starts: Ints, values: Ints) -> Ints:
    """The last of a few ascending starts that each value has reached."""
    found = np.zeros(len(values), np.int64)
    for start in starts[1:]:
        found += values >= start
    return found


def card(book: Book, names: Iterable[Name]) -> Card:
    """Resolve each name once, and lay out the rates that its calls may need."""
    listed = list(dict.fromkeys(names))
    places = [book.place(*(word or None for word in name)) for name in listed]
    ranges = [book.ranges(provider or None, model or None) for provider, model, _, _ in listed]
    place_numbers = {p: at for at, p in enumerate(dict.fromkeys(p for p in places if p), start=1)}
    keys = {key: at for at, (key, _) in enumerate(dict(ranges).items())}
    wide = [(number, row) for place, number in place_numbers.items() for row in book.wide(place)]
    rates = [row for _, row in wide]
    by_user = _flags(rates, "by_user")
    return Card(
        names={name: at for at, name in enumerate(listed)},
        places=_numbers(place_numbers[p] if p else NOTHING for p in places),
        priced_by=_numbers(PRICED_BY.index(p.priced_by) if p else NOTHING for p in places),
        span_keys=_numbers(keys[key] for key, _ in ranges),
        **_laid_out(wide, len(place_numbers)),
        usd=_steps(rates, ""),
        list_usd=_steps(rates, "list_") if by_user.any() else {},
        lacking=_lacking(rates, ""),
        list_lacking=_lacking(rates, "list_"),
        below=_below(wide, "below_tokens"),
        list_below=_below(wide, "list_below_tokens"),
        by_user=by_user,
        by_rule=_flags(rates, "by_rule"),
        unrated={name: _flags(rates, f"{short}_by_rule") for name, short in _UNRATED.items()},
        by_tokens=_flags(rates, "by_tokens"),
        sells={c: sold for c in MEASURES if (sold := _sells(rates, c)).any()},
        price_ids=pa.array([*_ids(rates)], pa.string()),
        spans=tuple(span for key, table in dict(ranges).items() for span in _spans(keys[key], table)),
    )


_UNRATED = {
    "cache_read": "read",
    "cache_write": "write",
    "cache_write_long": "long",
    "output": "output",
    "tokens": "tokens",
}


def _sells(rates: Sequence[Row], measure: str) -> Flags:
    return np.array([False, *(row["tokens_by_rule"] and row[f"{measure}_usd"] is not None for row in rates)])


def _numbers(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


def _flags(rates: Sequence[Row], name: str) -> Flags:
    return np.array([False, *(row[name] for row in rates)])


def _laid_out(wide: Sequence[tuple[int, Row]], places: int) -> dict[str, Any]:
    """The tables that lead from a place to a row."""
    days = np.unique([_LONG_AGO, *(_day(row[name]) for _, row in wide for name in ("valid_from", "valid_to"))])
    weeks = np.unique([0, *(row["week_from_second"] for _, row in wide), *_within(wide, "week_to_second", _WEEK)])
    bands = np.unique([0, *(row["from_tokens"] for _, row in wide), *_within(wide, "to_tokens", ENDLESS)])
    periods = np.zeros((places + 1, len(days)), np.int64)
    lines = [np.zeros((len(weeks), len(bands)), np.int64)]
    for place, rows in _by_place(wide):
        begins = sorted({_day(row[name]) for _, row in rows for name in ("valid_from", "valid_to")})
        for first, last in pairwise(begins):
            held = [(at, row) for at, row in rows if _day(row["valid_from"]) <= first < _day(row["valid_to"])]
            if held:
                periods[place, np.searchsorted(days, first) : np.searchsorted(days, last)] = len(lines)
                lines.append(_line(held, weeks, bands))
    return {"days": days, "periods": periods, "weeks": weeks, "bands": bands, "rows": np.array(lines)}


def _within(wide: Sequence[tuple[int, Row]], name: str, below: int) -> Iterator[int]:
    return (row[name] for _, row in wide if row[name] < below)


def _by_place(wide: Sequence[tuple[int, Row]]) -> Iterator[tuple[int, list[tuple[int, Row]]]]:
    found: dict[int, list[tuple[int, Row]]] = {}
    for at, (place, row) in enumerate(wide, start=1):
        found.setdefault(place, []).append((at, row))
    yield from found.items()


def _line(held: Sequence[tuple[int, Row]], weeks: Ints, bands: Ints) -> Ints:
    """Which row holds at each time of the week and length, while the same rows hold."""
    found = np.zeros((len(weeks), len(bands)), np.int64)
    for at, row in held:
        week = slice(*np.searchsorted(weeks, [row["week_from_second"], row["week_to_second"]]))
        band = slice(*np.searchsorted(bands, [row["from_tokens"], row["to_tokens"]]))
        found[week, band] = at
    return found


def _below(wide: Sequence[tuple[int, Row]], name: str) -> Below:
    tokens, rows = np.zeros(len(wide) + 1, np.int64), np.zeros(len(wide) + 1, np.int64)
    if any(row[name] for _, row in wide):
        for _, listed in _by_place(wide):
            for at, row in listed:
                if row[name]:
                    tokens[at] = row[name]
                    rows[at] = next((other for other, r in listed if _is_below(r, row, row[name])), NOTHING)
    return Below(tokens, rows)


def _is_below(other: Row, row: Row, tokens: int) -> bool:
    """Whether the other row prices shorter calls of the same time."""
    return bool(
        other["from_tokens"] <= tokens < other["to_tokens"]
        and other["valid_from"] <= row["valid_from"] < other["valid_to"]
        and other["week_from_second"] <= row["week_from_second"] < other["week_to_second"]
    )


def _steps(rates: Sequence[Row], lists: str) -> dict[str, Steps]:
    """Of the classes that any row bills."""
    found = {}
    for token_class in CLASSES:
        finest = [0, *(_finest(row[f"{lists}{token_class}_usd"]) for row in rates)]
        if any(finest):
            fine = _numbers(n % FINER for n in finest)
            found[token_class] = Steps(
                _numbers(n // FINER for n in finest), fine if fine.any() else None, max(finest) // FINER + 1
            )
    return found


def _finest(usd: object) -> int:
    return int(usd.scaleb(RATE.scale)) if isinstance(usd, Decimal) else 0


def _lacking(rates: Sequence[Row], lists: str) -> Ints:
    bits = [sum(2**bit for bit, c in enumerate(CLASSES) if row[f"{lists}{c}_usd"] is None) for row in rates]
    return _numbers([0, *bits])


def _ids(rates: Sequence[Row]) -> Iterator[str]:
    for price_id in ["", *(row["price_id"] for row in rates)]:
        for number in range(2 ** len(SUFFIXES)):
            yield "+".join([str(price_id), *(s for bit, s in enumerate(SUFFIXES) if number >> bit & 1)])


def _spans(key: int, table: pa.Table) -> Iterator[Span]:
    for row in table.to_pylist():
        low, high = (
            tuple(int((row[f"{end}_{c}"] * STEPS_PER_USD).to_integral_value(rounding)) for c in SPAN)
            for end, rounding in (("low", ROUND_FLOOR), ("high", ROUND_CEILING))
        )
        yield Span(key, (_day(row["valid_from"] or EVER), _day(row["valid_to"] or NEVER)), low, high)


def _day(moment: object) -> int:
    """Days since 1970."""
    day = moment.date() if isinstance(moment, datetime) else moment
    assert isinstance(day, date)
    return day.toordinal() - _EPOCH


_EPOCH = date(1970, 1, 1).toordinal()
