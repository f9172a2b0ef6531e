"""Token rates that are powers of ten away from what they must be: a price for a thousand tokens written down as one for one.

What shows it: other hosts of the same model, the same line's rate before and after, or a rate beyond any ever published.
A slip is mended only by its own source: where a later release has every rate of the line divided by one power of ten.
Else the line is left out, and calls by it are unpriced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from llmaudit.pricing.rates import Period
from llmaudit.pricing.spelling import spelling
from llmaudit.pricing.user import TOKEN_CLASSES

TIMES = 300
"""So far hosts of one model are never apart: the dearest asks some sixty times what the cheapest does."""
BEYOND = Decimal("0.001")
"""A thousand dollars for a million tokens. The dearest published price is 600."""
POWERS = tuple(10**places for places in (3, 5, 6))
FEWEST_DEARER = 2
"""Hosts that have to ask so much more before a low rate is the slip: of two alone, it is the high one."""
MTOK = 1_000_000

Place = tuple[str, str]
Periods = Mapping[Place, list[Period]]
Asked = tuple[str, str, str, Decimal]
"""Provider, model, token class, dollars for one token."""


@dataclass(frozen=True)
class Slip:
    """A line of a source that cannot be, and what became of it."""

    provider: str
    model: str
    valid_from: str | None
    valid_to: str | None
    text: str
    is_mended: bool


class Hosts:
    """What every provider asks for a model, whatever it calls it."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        self._rates: dict[tuple[str, str], dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
        for provider, model, token_class, usd in asked:
            if usd:
                self._rates[_spelt(model), token_class][provider].append(usd)

    def why_not(self, asked: Asked, neighbours: Collection[Decimal] = ()) -> str | None:
        """What speaks against a rate; `neighbours` are those of the same line before and after it."""
        provider, model, token_class, usd = asked
        if not usd or token_class not in TOKEN_CLASSES:
            return None
        others = [rates for host, rates in self._rates[_spelt(model), token_class].items() if host != provider]
        highest = max((max(rates) for rates in others), default=None)
        lowest = min((min(rates) for rates in others), default=None)
        if usd > BEYOND:
            return f"{_words(asked)}, beyond any published price of {_plain(BEYOND)}"
        if highest is not None and usd > TIMES * highest:
            return f"{_words(asked)}, other hosts at most {_plain(highest)}"
        if lowest is not None and len(others) >= FEWEST_DEARER and usd * TIMES < lowest:
            return f"{_words(asked)}, other hosts at least {_plain(lowest)}"
        if any(usd > TIMES * near for near in neighbours if near):
            return f"{_words(asked)}, on another day {_plain(min(near for near in neighbours if near))}"
        return None


def mended(periods: Periods) -> tuple[dict[Place, list[Period]], list[Slip]]:
    """The periods without slips, and what was found."""
    hosts = Hosts(asked for place, listed in periods.items() for period in listed for asked in _asked(place, period))
    kept: dict[Place, list[Period]] = {}
    found: list[Slip] = []
    for place, listed in periods.items():
        slipped = {at: why for at, period in enumerate(listed) if (why := _why_not(hosts, place, period, listed))}
        kept[place], slips = _without(place, listed, slipped) if slipped else (listed, [])
        found += slips
    return {place: listed for place, listed in kept.items() if listed}, found


def _without(place: Place, listed: Sequence[Period], slipped: Mapping[int, str]) -> tuple[list[Period], list[Slip]]:
    sound = [period for at, period in enumerate(listed) if at not in slipped]
    slips = []
    for at in sorted(slipped, reverse=True):
        period = listed[at]
        next_one = next((n for n, p in enumerate(sound) if p.valid_from == period.valid_to and period.valid_to), None)
        is_mended = next_one is not None and _is_by_a_power(period, sound[next_one])
        if is_mended and next_one is not None:
            sound[next_one] = replace(sound[next_one], valid_from=period.valid_from)
        slips.append(Slip(*place, _iso(period.valid_from), _iso(period.valid_to), slipped[at], is_mended))
    return sound, slips[::-1]


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _why_not(hosts: Hosts, place: Place, period: Period, listed: Sequence[Period]) -> str | None:
    near = defaultdict(list)
    for other in listed:
        if other is not period and {other.valid_from, other.valid_to} & {period.valid_from, period.valid_to} - {None}:
            for _, _, token_class, usd in _asked(place, other):
                near[token_class].append(usd)
    said = (hosts.why_not(asked, near[asked[2]]) for asked in _asked(place, period))
    return next((why for why in said if why), None)


def _is_by_a_power(slipped: Period, sound: Period) -> bool:
    """Whether a later period has the same rates, all divided by one power of ten."""
    ours, theirs = (_base(period) for period in (slipped, sound))
    return ours.keys() == theirs.keys() and any(all(ours[c] == theirs[c] * times for c in ours) for times in POWERS)


def _asked(place: Place, period: Period) -> Iterator[Asked]:
    return ((*place, token_class, usd) for token_class, usd in _base(period).items())


def _base(period: Period) -> dict[str, Decimal]:
    """Token rates of short standard requests: what every host states."""
    bands = period.tiers.get("standard", ())
    return {c: usd for c, usd in bands[0].rates.items() if c in TOKEN_CLASSES} if bands else {}


def _spelt(model: str) -> str:
    return spelling(model.rpartition("/")[2])


def _words(asked: Asked) -> str:
    return f"{asked[2]} {_plain(asked[3])}"


def _plain(usd: Decimal) -> str:
    return f"{(usd * MTOK).normalize():f}"
