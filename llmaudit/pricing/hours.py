"""Hours of the day and days of the week by a place's own clock, as stretches of the UTC week that prices are laid out by.

A window that crosses midnight belongs to the day on which it begins: 22:00 to 06:00 on Fridays ends on Saturday morning.
Where clocks change, a call is inside when its own clock says so: the night of the change is an hour shorter or longer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DAY, WEEK = 86_400, 604_800
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIRST, LAST = date(2020, 1, 1), date(2041, 1, 1)
"""Days whose changes of the clock are known: before and after, it stands as on the nearest of them."""

Stretch = tuple[int, int]
"""First second, and first second after."""

_SPAN = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)-([01]?\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True)
class Hours:
    """When a price holds. An empty window is the whole day."""

    spans: tuple[Stretch, ...]
    """Seconds of the local day. An end that is not after its start is the next day's."""
    weekdays: tuple[int, ...]
    """0 for Monday: the days on which the spans begin."""
    zone: str
    said: str
    """As a price_id writes it, which has slashes and plus signs of its own. Weekdays as the book has them: 1 for Monday."""

    def changes(self, valid_from: date | None, valid_to: date | None) -> Iterator[date]:
        """Ends of stretches of days, UTC, between which the clock stays as it is or changes once within a day."""
        for day in _change_days(self.zone):
            if (valid_from or date.min) <= day < (valid_to or date.max):
                yield from (day, day + timedelta(days=1))

    def stretches(self, day: date) -> tuple[Stretch, ...]:
        """Seconds of the UTC week that are inside, for the stretch of days that begins on this one."""
        return _stretches(self, day)

    def week(self) -> Iterator[Stretch]:
        for weekday in self.weekdays:
            for first, last in self.spans:
                yield weekday * DAY + first, weekday * DAY + (last if last > first else last + DAY)


def read(spans: object, weekdays: object, zone: object) -> Hours:
    """Hours as `prices.toml` has them; ValueError says what cannot be read.

    >>> read("22:00-06:00", ["fri"], "Europe/Berlin").said
    '5,22:00-06:00,Europe.Berlin'
    """
    listed, days = ([said] if isinstance(said, str) else said for said in (spans, weekdays))
    found = [_seconds(text) for text in listed] if isinstance(listed, list) else [(0, DAY)] if listed is None else None
    if not found or None in found:
        raise ValueError(f'hours is {spans!r}; write "22:00-06:00", or a list of such windows.')
    if days is None:
        days = list(DAYS)
    if not isinstance(days, list) or not days or not set(days) <= set(DAYS):
        raise ValueError(f"weekdays is {weekdays!r}; write a list out of {', '.join(DAYS)}.")
    if not isinstance(zone, str) or zone not in available_timezones():
        raise ValueError(f'timezone is {zone!r}; write a name such as "Europe/Berlin".')
    numbers = tuple(sorted({DAYS.index(day) for day in days}))
    words = ["".join(str(n + 1) for n in numbers)] if len(numbers) < len(DAYS) else []
    words += [*listed] if isinstance(listed, list) else []
    place = zone.replace("/", ".").replace("+", ".")
    return Hours(tuple(span for span in found if span), numbers, zone, ",".join([*words, place]))


def _seconds(text: object) -> Stretch | None:
    """A window as written, in seconds of the day; None where it is none.

    >>> _seconds("22:00-06:00"), _seconds("9:30-24:00"), _seconds("noon")
    ((79200, 21600), (34200, 86400), None)
    """
    found = _SPAN.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
    if not found:
        return None
    hour, minute, last_hour, last_minute = (int(part) for part in found.groups())
    first, last = hour * 3_600 + minute * 60, last_hour * 3_600 + last_minute * 60
    return (first, last) if first < DAY and last <= DAY and first != last else None


def is_inside(second: int, stretches: Collection[Stretch]) -> bool:
    """Whether a second of the week lies in any of them."""
    return any(first <= second < last for first, last in stretches)


@cache
def _stretches(hours: Hours, day: date) -> tuple[Stretch, ...]:
    before = _moved(hours.week(), _offset(hours.zone, day))
    if day not in _change_days(hours.zone):
        return tuple(before)
    first = day.weekday() * DAY
    change = first + _second_of_change(hours.zone, day)
    after = _moved(hours.week(), _offset(hours.zone, day + timedelta(days=1)))
    return (*_within(before, (first, change)), *_within(after, (change, first + DAY)))


def _moved(week: Iterator[Stretch], offset: int) -> list[Stretch]:
    """From the local week to the UTC one, divided where the week begins anew."""
    found = []
    for first, last in week:
        start = (first - offset) % WEEK
        end = start + last - first
        found.append((start, min(end, WEEK)))
        if end > WEEK:
            found.append((0, end - WEEK))
    return found


def _within(stretches: Collection[Stretch], limits: Stretch) -> Iterator[Stretch]:
    for first, last in stretches:
        if max(first, limits[0]) < min(last, limits[1]):
            yield max(first, limits[0]), min(last, limits[1])


def _offset(zone: str, day: date) -> int:
    """Seconds by which the zone is ahead of UTC as a UTC day begins."""
    return _offset_at(zone, datetime.combine(min(max(day, FIRST), LAST), time(), UTC))


def _offset_at(zone: str, moment: datetime) -> int:
    ahead = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return round(ahead.total_seconds()) if ahead else 0


@cache
def _change_days(zone: str) -> frozenset[date]:
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days))
    return frozenset(day for day in days if _offset(zone, day) != _offset(zone, day + timedelta(days=1)))


@cache
def _second_of_change(zone: str, day: date) -> int:
    midnight = datetime.combine(day, time(), UTC)
    low, high, before = 0, DAY, _offset(zone, day)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(zone, midnight + timedelta(seconds=middle)) == before:
            low = middle
        else:
            high = middle
    return high
