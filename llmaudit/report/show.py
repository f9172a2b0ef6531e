"""How numbers and dates are shown. Nothing is added up here; unknown stays the word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNKNOWN = "unknown"
MINUS = "\u2212"
_CENTS_UP_TO = 100_000
_UNITS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}

Interval = Mapping[str, Any]


def usd(value: float | None) -> str:
    """Dollars: cents below a hundred thousand, whole dollars above, two significant digits below one dollar.

    >>> [usd(v).replace(MINUS, "-") for v in (15.42, 1234567.2, 0, 0.0001234, 0.5, -3.1, None)]
    ['$15.42', '$1,234,567', '$0', '$0.00012', '$0.50', '-$3.10', 'unknown']
    """
    return money(value, "USD")


def money(value: float | None, currency: str) -> str:
    """An amount in any currency, to the same digits as `usd`.

    >>> money(15.42, "EUR"), money(15.42, "SEK")
    ('€15.42', 'SEK 15.42')
    """
    if value is None:
        return UNKNOWN
    unit = _UNITS.get(currency, f"{currency} ")
    return f"{MINUS if value < 0 else ''}{unit}{_digits(abs(value))}"


def between(interval: Interval | None, currency: str = "USD") -> str:
    """The range of an interval, or its one value where there is no range.

    >>> between({"low": 3, "expected": 4, "high": 5})
    '$3.00 to $5.00'
    """
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return UNKNOWN
    low, high = money(interval["low"], currency), money(interval["high"], currency)
    return low if low == high else f"{low} to {high}"


def per_call(value: float | None) -> str:
    """What one call costs, in cents below a dollar.

    >>> per_call(0.032), per_call(0.0000451), per_call(1.5), per_call(0.4)
    ('3.2 ¢', '0.0045 ¢', '$1.50', '40 ¢')
    """
    if value is None or value == 0 or abs(value) >= 1:
        return usd(value)
    cents = abs(value) * 100
    return f"{MINUS if value < 0 else ''}{_significant(cents, 2)} ¢"


def share(value: float | None) -> str:
    """A share of 1, in per cent.

    >>> share(0.4231), share(0.0002), share(0.9999), share(1), share(0), share(None)
    ('42.3%', '<0.1%', '>99.9%', '100%', '0%', 'unknown')
    """
    if value is None:
        return UNKNOWN
    if value in {0, 1}:
        return f"{int(value) * 100}%"
    if 0 < value < 0.001:  # noqa: PLR2004
        return "<0.1%"
    if 0.999 < value < 1:  # noqa: PLR2004
        return ">99.9%"
    return f"{value * 100:.1f}%".replace("-", MINUS)


def spent(totals: Mapping[str, Any], amount: float | None) -> str:
    """An amount that rests on the priced calls. Where none of the calls has a price, it is not 0: nobody knows it.

    >>> unpriced = {"unpriced_requests": 5, "cost_usd": 0, "priced_by": {"exact_usd": 0}}
    >>> spent(unpriced, 0), spent(unpriced | {"unpriced_requests": 0}, 0)
    ('unknown', '$0')
    """
    nothing_priced = totals["unpriced_requests"] and not totals["cost_usd"] and not any(totals["priced_by"].values())
    return UNKNOWN if nothing_priced else usd(amount)


def of(part: float | None, whole: float | None) -> float | None:
    """`part` as a share of `whole`, where both are known and there is a whole."""
    return None if part is None or not whole else float(part) / float(whole)


def count(value: float | None) -> str:
    """A number of things.

    >>> count(1204332), count(None)
    ('1,204,332', 'unknown')
    """
    return UNKNOWN if value is None else f"{value:,.0f}".replace("-", MINUS)


def noun(value: int | None, one: str, many: str = "") -> str:
    """A number of things and what they are.

    >>> noun(1, "call"), noun(2, "call"), noun(0, "reply", "replies")
    ('1 call', '2 calls', '0 replies')
    """
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def tokens(value: float | None) -> str:
    """A number of tokens, to three figures or so.

    >>> tokens(812), tokens(45_210), tokens(1_204_332), tokens(3_100_000_000)
    ('812', '45.2k', '1.20M', '3.10B')
    """
    if value is None or abs(value) < 1_000:  # noqa: PLR2004
        return count(value)
    for size, letter, digits in ((10**9, "B", 2), (10**6, "M", 2), (10**3, "k", 1)):
        if abs(value) >= size:
            return f"{float(value) / size:,.{digits}f}{letter}"
    raise AssertionError


def millis(value: float | None) -> str:
    """A duration.

    >>> millis(812.4), millis(3421), millis(None)
    ('812 ms', '3.4 s', 'unknown')
    """
    if value is None:
        return UNKNOWN
    return f"{value:,.0f} ms" if value < 1_000 else f"{float(value) / 1_000:,.1f} s"  # noqa: PLR2004


def lasting(seconds: float | None) -> str:
    """A time to live.

    >>> [lasting(s) for s in (30, 300, 3600, 86400, 5400)]
    ['30 s', '5 min', '1 h', '1 day', '1.5 h']
    """
    if seconds is None:
        return "no limit"
    for size, unit in ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            amount = f"{float(seconds) / size:.4g}"
            return f"{amount} {unit}{'s' if unit == 'day' and amount != '1' else ''}"
    return f"{seconds} s"


def day(value: str | None, timezone: str = "UTC") -> str:
    """A date, or the text as it is if it is none.

    >>> day("2026-10-01T00:00:00Z"), day("2026-10-01"), day(None), day("soon")
    ('1 Oct 2026', '1 Oct 2026', 'unknown', 'soon')
    """
    if value is None:
        return UNKNOWN
    moment = parse(value)
    return _day(_local(moment, timezone)) if moment else value


def span(start: str | None, end: str | None, timezone: str = "UTC") -> str:
    """A half-open window, as the first and last day in it.

    >>> span("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    '1 Oct to 31 Oct 2026'
    """
    first, last = parse(start), parse(end)
    if first is None or last is None:
        return "no window" if start is None and end is None else f"{day(start, timezone)} to {day(end, timezone)}"
    a, b = _local(first, timezone), _local(max(first, last - timedelta(microseconds=1)), timezone)
    if a.date() == b.date():
        return _day(a)
    return f"{_day(a).removesuffix(f' {b.year}')} to {_day(b)}"


def days_between(start: str | None, end: str | None) -> int | None:
    """Whole days from one date to another; None where one of them is unknown."""
    first, last = parse(start), parse(end)
    return None if first is None or last is None else (last.date() - first.date()).days


def parse(value: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def words(identifier: str) -> str:
    """A name in words.

    >>> words("exact_duplicates")
    'Exact duplicates'
    """
    text = identifier.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _day(moment: date) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _local(moment: datetime, timezone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if value >= _CENTS_UP_TO:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:,.2f}"
    return f"{value:.{max(2, _places(value, 2))}f}"


def _significant(value: float, digits: int) -> str:
    return f"{value:.{max(0, _places(value, digits))}f}"


def _places(value: float, digits: int) -> int:
    """Decimal places that leave `digits` significant ones."""
    return digits - 1 - math.floor(math.log10(value))
