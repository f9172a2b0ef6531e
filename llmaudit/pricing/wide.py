"""Rates as calls are priced by: a row for each model, tier, stretch of days, hours of the week and context band, with a rate for every class.

The book's own rows and the user's prices and discounts are laid over each other here, cut wherever any of them changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise

from llmaudit.pricing.hours import is_inside
from llmaudit.pricing.rates import RATE
from llmaudit.pricing.user import MEASURES, STANDING, TOKEN_CLASSES, UNIT_CLASSES, Discount, UserPrices, UserRate

CLASSES = (*TOKEN_CLASSES, *UNIT_CLASSES)
"""What calls are billed by."""

FALLBACKS = {
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_long": ("cache_write", "input"),
    "reasoning": ("output",),
    "input_audio": ("input",),
    "cache_audio_read": ("cache_read", "input_audio", "input"),
    "input_image": ("input",),
    "cache_image_read": ("cache_read", "input_image", "input"),
    "input_video": ("input",),
    "cache_video_read": ("cache_read", "input_video", "input"),
    "output_audio": ("output",),
    "output_image": ("output",),
    "input_annotated_document_pages": ("input_document_pages",),
    "audio_seconds": ("input_audio_seconds",),
}
"""A class without a rate of its own is billed as the class it lies in: both sources define their prices so."""

EACH_CALL = "requests"

EVER, NEVER = date(1, 1, 1), date(9999, 1, 1)
ENDLESS = 2**53
DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
WEEKDAYS = "1234567"

Wide = dict[str, object]
"""One row of rates as calls are priced by: a model, a tier, days, seconds of the week, a context band, and dollars for every class."""


@dataclass(frozen=True)
class Cell:
    """The rates of one model and tier inside one set of brackets. Ends are not included."""

    valid_from: date
    valid_to: date
    week: tuple[int, int]
    """Seconds since Monday began."""
    tokens: tuple[int, int]
    rates: Mapping[str, Decimal]
    hours: str = ""
    """The window of the day or of the week that the book gives these rates, as a price_id writes it."""
    carried_back: bool = False
    input_only: bool = False
    """Priced by genai-prices, which lists every billed unit, and output is not among them."""
    others: Mapping[str, Decimal] = field(default_factory=dict)
    """What the other source says, of the classes on which the two differ."""
    below_tokens: int = 0
    """So many tokens of the input pay what shorter calls do, and only those beyond these rates."""
    since: date | None = None
    """The day the price begins, where `valid_from` is one on which clocks change."""


@dataclass(frozen=True)
class Place:
    """Where a call's price stands: a model of a provider, in a tier, perhaps with a regional surcharge."""

    provider: str
    model: str
    tier: str
    uplift: Decimal
    priced_by: str
    rule: str
    asked: str = ""
    """The name in the log, where the user's own prices may know it."""


def wide_rows(place: Place, listed: Sequence[Cell], prices: UserPrices) -> Iterator[Wide]:
    """The rows of one place: its cells of the book, with the user's prices over them."""
    asked = {place.model, place.asked} - {""}
    own = [r for name in sorted(asked) for r in prices.rates_of(place.provider, name) if r.tier == place.tier]
    cuts = [d for d in prices.discounts if d.applies(place.provider, asked)]
    if not own and not cuts:
        yield from (_row(place, cell, cell, by_user=False) for cell in listed)
        return
    for bracket in _brackets(listed, own, cuts):
        base = next((c for c in listed if inside(bracket, c)), None)
        mine = sorted((r for r in own if _applies(bracket, r)), key=_precedence)
        held = [cut for cut in cuts if _holds(bracket, cut)]
        if base or mine:
            contract, full = _contract(bracket, base, mine, held), _listed(bracket, base)
            by_user = bool(mine) or any(cut.factor != 1 for cut in held)
            yield _row(place, contract, full or contract, by_user=by_user)


def _contract(bracket: Cell, base: Cell | None, mine: Sequence[UserRate], cuts: Sequence[Discount]) -> Cell:
    """What the user pays: their own rates, and those of the book less discounts for what they leave out."""
    rates = _discounted(base.rates, cuts) if base else {}
    for rate in mine:
        rates |= rate.rates
    beyond = max(mine, key=lambda r: r.above_tokens, default=None)
    if beyond is None or not beyond.above_tokens:
        below = base.below_tokens if base else 0
    else:
        below = beyond.above_tokens - 1 if beyond.is_marginal else 0
    rules: list[Rule] = [*mine, *cuts]
    said = [rule.hours.said for rule in rules if rule.hours]
    return replace(
        bracket,
        rates=rates,
        hours=f"@{said[-1]}" if said else base.hours if base else "",
        carried_back=bool(base and base.carried_back and not mine),
        input_only=bool(base and base.input_only and not mine),
        below_tokens=below,
    )


def _listed(bracket: Cell, base: Cell | None) -> Cell | None:
    if base is None:
        return None
    return replace(base, **{name: getattr(bracket, name) for name in ("valid_from", "valid_to", "week", "tokens")})


def _precedence(rate: UserRate) -> tuple[object, ...]:
    """The more particular over the more general."""
    return rate.above_tokens, rate.provider is not None, rate.hours is not None


def _discounted(rates: Mapping[str, Decimal], cuts: Collection[Discount]) -> dict[str, Decimal]:
    """A discount on one class gives that class a rate of its own, where it had none and was billed as another."""
    found = dict(rates)
    for cut in cuts:
        for token_class in cut.token_classes or CLASSES:
            sources = (token_class, *FALLBACKS.get(token_class, ())) if cut.token_classes else (token_class,)
            usd = next((found[source] for source in sources if source in found), None)
            if usd is not None:
                found[token_class] = usd * cut.factor
    return found


Rule = UserRate | Discount


def _brackets(listed: Sequence[Cell], own: Sequence[UserRate], cuts: Sequence[Discount]) -> Iterator[Cell]:
    """Cut time, hours and request length wherever any of the prices changes."""
    rules: list[Rule] = [*own, *cuts]
    days = {EVER, NEVER} | {d for c in listed for d in (c.valid_from, c.valid_to)}
    days |= {d for rule in rules for d in (rule.valid_from, rule.valid_to) if d}
    clocks = {d for rule in rules if rule.hours for d in rule.hours.changes(rule.valid_from, rule.valid_to)}
    tokens = {0, ENDLESS} | {t for c in listed for t in c.tokens} | {r.above_tokens for r in own}
    for first, last in pairwise(sorted(days | clocks)):
        since = max(day for day in days if day <= first)
        for week in pairwise(sorted(_hours(first, listed, rules))):
            for band in pairwise(sorted(tokens)):
                yield Cell(first, last, week, band, {}, since=since)


def _hours(first: date, listed: Sequence[Cell], rules: Sequence[Rule]) -> set[int]:
    """Seconds of the week at which another price may begin, in the stretch of days that begins on this one."""
    found = {0, WEEK_SECONDS} | {second for cell in listed for second in cell.week}
    for rule in rules:
        if rule.hours:
            found |= {second for stretch in rule.hours.stretches(first) for second in stretch}
    return found


def inside(bracket: Cell, cell: Cell) -> bool:
    return (
        cell.valid_from <= bracket.valid_from < cell.valid_to
        and cell.week[0] <= bracket.week[0] < cell.week[1]
        and cell.tokens[0] <= bracket.tokens[0] < cell.tokens[1]
    )


def opens(row: Wide, at: Cell) -> bool:
    """Whether a wide row holds at one moment and length."""
    day = midnight(at.valid_from)
    return (
        row["valid_from"] <= day < row["valid_to"]  # type: ignore[operator]
        and row["week_from_second"] <= at.week[0] < row["week_to_second"]  # type: ignore[operator]
        and row["from_tokens"] <= at.tokens[0] < row["to_tokens"]  # type: ignore[operator]
    )


def _applies(bracket: Cell, rate: UserRate) -> bool:
    return bracket.tokens[0] >= rate.above_tokens and _holds(bracket, rate)


def _holds(bracket: Cell, rule: Rule) -> bool:
    held = (rule.valid_from or EVER) <= bracket.valid_from < (rule.valid_to or NEVER)
    if rule.hours is None or not held:
        return held
    return is_inside(bracket.week[0], rule.hours.stretches(bracket.valid_from))


def _row(place: Place, contract: Cell, full: Cell, *, by_user: bool) -> Wide:
    rates = _complete(contract, place.uplift)
    return {
        "price_id": price_id_of(place, contract, by_user=by_user),
        "valid_from": midnight(contract.valid_from),
        "valid_to": midnight(contract.valid_to),
        "week_from_second": contract.week[0],
        "week_to_second": contract.week[1],
        "from_tokens": contract.tokens[0],
        "to_tokens": contract.tokens[1],
        "below_tokens": contract.below_tokens,
        "list_below_tokens": full.below_tokens,
        "by_rule": contract.carried_back,
        "read_by_rule": "cache_read" not in contract.rates,
        "write_by_rule": "cache_write" not in contract.rates,
        "long_by_rule": "cache_write_long" not in contract.rates,
        "output_by_rule": contract.input_only,
        "tokens_by_rule": _is_measured(contract.rates),
        "by_tokens": not contract.rates.keys().isdisjoint(TOKEN_CLASSES),
        "by_user": by_user or place.priced_by == "user",
        "disputed": bool(full.others),
        **{f"{c}_usd": usd for c, usd in _of(rates).items()},
        **{f"list_{c}_usd": usd for c, usd in _of(_complete(full, place.uplift)).items()},
    }


def _of(rates: Mapping[str, Decimal]) -> dict[str, Decimal | None]:
    return {c: rates.get(c) for c in (*CLASSES, *STANDING)}


def _is_measured(rates: Mapping[str, Decimal]) -> bool:
    """Whether a model is sold by pages, seconds, characters, ... and tokens of it cost nothing."""
    return rates.keys().isdisjoint(TOKEN_CLASSES) and not rates.keys().isdisjoint(MEASURES)


def _complete(cell: Cell, uplift: Decimal) -> dict[str, Decimal]:
    """Rates for every class that has one, its own or that of the class it lies in. Calls cost nothing by themselves."""
    places = Decimal(1).scaleb(-RATE.scale)
    free = ("input", "output") if _is_measured(cell.rates) else ("output",) if cell.input_only else ()
    rates = {**dict.fromkeys(free, Decimal(0)), **cell.rates}
    found = {"requests": Decimal(0)}
    for token_class in (*CLASSES, *STANDING):
        for source in (token_class, *FALLBACKS.get(token_class, ())):
            if source in rates:
                surcharge = uplift if token_class in TOKEN_CLASSES else 1
                found[token_class] = (rates[source] * surcharge).quantize(places)
                break
    return found


def price_id_of(place: Place, cell: Cell, *, by_user: bool) -> str:
    """Names the row: provider/model/tier, the day it begins, its band and hours, and the rules that led to it.

    `tier-before-check` marks a tier known only from a later day, `user` a row the user's own prices changed.
    """
    begins = cell.since or cell.valid_from
    since = "ever" if begins == EVER else begins.isoformat()
    band = f">{cell.tokens[0] - 1}" if cell.tokens[0] else ""
    marks = {
        "tier-before-check": cell.carried_back,
        "marginal": cell.below_tokens > 0,
        "user": by_user,
    }
    rules = [place.rule, *(name for name, is_so in marks.items() if is_so)]
    tail = "+".join(r for r in rules if r)
    return f"{place.provider}/{place.model}/{place.tier}/{since}{band}{cell.hours}{f'+{tail}' if tail else ''}"


def midnight(day: date) -> datetime:
    """The moment a day begins, UTC."""
    return datetime.combine(day, time())
