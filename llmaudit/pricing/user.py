"""The user's own prices: negotiated rates, private models, names of deployments, discounts.

[alias]
"prod-chat" = "azure.ai.openai/gpt-4o"

[[model."acme-large".price]]
provider = "acme"                       # left out: whoever serves a model of this name
tier = "standard"
valid_from = 2026-06-01                 # the first day; the entry holds until the next one
input_usd_per_token = "0.00000125"      # any token class: cache_read_, output_, ...
web_searches_usd = "0.01"               # also images_usd, requests_usd, audio_seconds_usd, input_document_pages_usd, ...
training_usd_per_token = "0.000003"     # also cache_storage_usd_per_token_hour, provisioned_hours_usd
source = "contract 4711"

[[model."acme-large".price]]
provider = "acme"
above_tokens = 200000                   # for calls with more input than this
marginal = true                         # only what lies beyond pays these rates; left out: the whole call does
input_usd_per_token = "0.0000025"

[[model."acme-large".price]]
provider = "acme"
hours = "22:00-06:00"                   # by the clock of timezone; or a list of them; left out: all day
weekdays = ["mon", "tue", "wed", "thu", "fri"]  # on which the hours begin; left out: every day
timezone = "Europe/Berlin"              # left out: UTC
input_usd_per_token = "0.0000006"

[[discount]]                            # lowers what calls cost
provider = "openai"                     # left out: every provider
model = "gpt-5"                         # left out: every model
token_class = "output"                  # left out: every class; or a list of them
hours = "22:00-06:00"                   # and weekdays, timezone, as above
valid_from = 2026-01-01
valid_to = 2027-01-01                   # not included
percent = "12.5"

[[commitment]]                          # this and what follows change what is due, see contract.py
name = "enterprise agreement"
provider = "openai"                     # and models = [...]; left out: everything
period = "year"                         # month, quarter, year or term
amount_usd = "120000"
valid_from = 2026-01-01
true_up_percent = "100"                 # share of the shortfall that is due
credits_count = false                   # whether spend paid from credits meets it

[[credit]]
name = "launch credit"
amount_usd = "5000"
priority = 1                            # the lowest is used up first
valid_to = 2026-12-01

[[free_tier]]
name = "first million"
provider = "gcp.gemini"
models = ["gemini-2.5-flash"]
token_class = "input"
units_per_month = 1000000               # or usd_per_month

[[margin]]                              # for showback: what others are shown, not what is due
team = "search"
percent = "8"
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from llmaudit.errors import AuditError
from llmaudit.pricing import hours
from llmaudit.pricing.contract import NO_CONTRACT, PERIODS, Commitment, Contract, Credit, FreeTier, Margin, Scope
from llmaudit.pricing.hours import Hours
from llmaudit.pricing.providers import canonical
from llmaudit.pricing.rates import Rates

TOKEN_CLASSES = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_long",
    "output",
    "reasoning",
    "input_audio",
    "cache_audio_read",
    "input_image",
    "cache_image_read",
    "input_video",
    "cache_video_read",
    "output_audio",
    "output_image",
)
MEASURES = (
    "images",
    "input_document_pages",
    "input_annotated_document_pages",
    "audio_seconds",
    "video_seconds",
    "input_characters",
    "output_characters",
    "input_text_messages",
)
"""What a model may be sold by instead of tokens."""

UNIT_CLASSES = (*MEASURES, "web_searches", "storage_searches", "requests")
"""Billed by the piece: an image made, a page read, a second heard, a search, a call."""

SUMMED = ("input", "cache_read", "cache_write", "cache_write_long", "output", *UNIT_CLASSES)
"""What spend is divided into: reasoning, audio, images and video are in the class that they lie in."""

STANDING = {
    "cache_storage": "cache_storage_usd_per_token_hour",
    "training": "training_usd_per_token",
    "provisioned_hours": "provisioned_hours_usd",
}
"""What no call is billed by, but a month may be: token hours in a cache, tokens trained on, hours of capacity."""

_KEYS = {
    **{f"{c}_usd_per_token": c for c in TOKEN_CLASSES},
    **{f"{c}_usd": c for c in UNIT_CLASSES},
    **{key: c for c, key in STANDING.items()},
}


@dataclass(frozen=True)
class UserRate:
    provider: str | None
    model: str
    tier: str
    valid_from: date | None
    valid_to: date | None
    above_tokens: int
    rates: Rates
    is_marginal: bool = False
    """Whether only the tokens beyond pay these rates, and the others what they would without."""
    hours: Hours | None = None


@dataclass(frozen=True)
class Discount:
    provider: str | None
    model: str | None
    valid_from: date | None
    valid_to: date | None
    factor: Decimal
    token_classes: frozenset[str] = frozenset()
    """Empty is every class."""
    hours: Hours | None = None

    def applies(self, provider: str, models: Collection[str]) -> bool:
        return self.provider in {None, provider} and (self.model is None or self.model in models)


@dataclass(frozen=True)
class UserPrices:
    aliases: dict[str, str]
    rates: tuple[UserRate, ...]
    discounts: tuple[Discount, ...]

    contract: Contract = NO_CONTRACT

    def rates_of(self, provider: str | None, model: str) -> list[UserRate]:
        return [r for r in self.rates if r.model == model and r.provider in {None, provider}]


NONE = UserPrices({}, (), ())


def read(path: Path) -> UserPrices:
    """Read a `prices.toml`; what cannot be understood is an error that names it."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: {error}") from error
    _known(path, "", raw, {"alias", "model", "discount", *_TERMS})
    listed = [(name, entry) for name, model in raw.get("model", {}).items() for entry in model.get("price", [])]
    return UserPrices(
        {name.lower(): str(target) for name, target in raw.get("alias", {}).items()},
        tuple(_dated([_rate(path, name, entry) for name, entry in listed])),
        tuple(_discount(path, entry) for entry in raw.get("discount", [])),
        _contract(path, raw),
    )


def _rate(path: Path, name: str, entry: dict[str, Any]) -> UserRate:
    where = f'[[model."{name}".price]]'
    _known(path, where, entry, {"provider", "tier", "valid_from", *_BAND, *_HOURS, "source", "checked", *_KEYS})
    rates = {_KEYS[key]: _decimal(path, where, key, usd) for key, usd in entry.items() if key in _KEYS}
    if not rates:
        raise AuditError(f"{path}: {where} has no rate. Give at least input_usd_per_token.")
    if entry.get("marginal") and "above_tokens" not in entry:
        raise AuditError(f"{path}: {where} is marginal, and no above_tokens says beyond what.")
    return UserRate(
        canonical(entry.get("provider")),
        name.lower(),
        str(entry.get("tier", "standard")),
        _day(path, where, entry, "valid_from"),
        None,
        int(entry.get("above_tokens", -1)) + 1,
        rates,
        bool(entry.get("marginal", False)),
        _hours(path, where, entry),
    )


def _dated(found: list[UserRate]) -> list[UserRate]:
    """Close each entry on the day the next one of its model, tier, band and hours begins."""
    lines: dict[tuple[object, ...], list[date]] = defaultdict(list)
    for rate in found:
        if rate.valid_from:
            lines[_line(rate)].append(rate.valid_from)
    return [
        replace(rate, valid_to=min((d for d in lines[_line(rate)] if d > (rate.valid_from or date.min)), default=None))
        for rate in found
    ]


def _line(rate: UserRate) -> tuple[object, ...]:
    return rate.provider, rate.model, rate.tier, rate.above_tokens, rate.hours


def _discount(path: Path, entry: dict[str, Any]) -> Discount:
    where = "[[discount]]"
    _known(path, where, entry, {"provider", "model", "token_class", *_DATES, *_HOURS, "percent", "source", "checked"})
    percent = _decimal(path, where, "percent", entry.get("percent"))
    if percent > 100:  # noqa: PLR2004
        raise AuditError(f"{path}: {where} percent is {percent}; a discount is at most 100.")
    model = entry.get("model")
    return Discount(
        canonical(entry.get("provider")),
        str(model).lower() if model else None,
        _day(path, where, entry, "valid_from"),
        _day(path, where, entry, "valid_to"),
        1 - percent / 100,
        _classes(path, where, entry),
        _hours(path, where, entry),
    )


def _hours(path: Path, where: str, entry: dict[str, Any]) -> Hours | None:
    if not entry.keys() & set(_HOURS):
        return None
    zone = entry.get("timezone", "UTC")
    try:
        return hours.read(entry.get("hours"), entry.get("weekdays"), zone)
    except ValueError as error:
        raise AuditError(f"{path}: {where} {error}") from error


def _classes(path: Path, where: str, entry: dict[str, Any]) -> frozenset[str]:
    given = entry.get("token_class", [])
    named = frozenset([given] if isinstance(given, str) else given)
    known = (*TOKEN_CLASSES, *UNIT_CLASSES)
    for name in named - set(known):
        raise AuditError(f"{path}: {where} has no token class {name!r}. Known: {', '.join(known)}.")
    return named


_TERMS = ("commitment", "credit", "free_tier", "margin")
_DATES = ("valid_from", "valid_to")
_BAND = ("above_tokens", "marginal")
_HOURS = ("hours", "weekdays", "timezone")
_SCOPE = ("provider", "models", *_DATES, "source", "checked")


def _contract(path: Path, raw: dict[str, Any]) -> Contract:
    commitments = [_commitment(path, entry) for entry in raw.get("commitment", [])]
    given = [_credit(path, entry) for entry in raw.get("credit", [])]
    free_tiers = [_free_tier(path, entry) for entry in raw.get("free_tier", [])]
    margins = [_margin(path, entry) for entry in raw.get("margin", [])]
    for kind, names in (("commitment", [c.name for c in commitments]), ("credit", [c.name for c in given])):
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise AuditError(f"{path}: two [[{kind}]] are called {twice!r}. Give each its own name.")
    return Contract(tuple(commitments), tuple(given), tuple(free_tiers), tuple(margins))


def _commitment(path: Path, entry: dict[str, Any]) -> Commitment:
    where = "[[commitment]]"
    _known(path, where, entry, {"name", *_SCOPE, "period", "amount_usd", "true_up_percent", "credits_count"})
    period, scope = entry.get("period", "month"), _scope(path, where, entry)
    if period not in PERIODS:
        raise AuditError(f"{path}: {where} period is {period!r}. Known: {', '.join(PERIODS)}.")
    if period == "term" and date.min in {scope.valid_from} | {
        scope.valid_to if scope.valid_to < date.max else date.min
    }:
        raise AuditError(
            f'{path}: {where} with period = "term" needs valid_from and valid_to: the term lies between them.'
        )
    if period != "term" and scope.valid_from not in {date.min, scope.valid_from.replace(day=1)}:
        raise AuditError(
            f'{path}: {where} valid_from is {scope.valid_from}; a {period} begins on the first of a month. Or use period = "term".'
        )
    return Commitment(
        _name(path, where, entry),
        scope,
        _decimal(path, where, "amount_usd", entry.get("amount_usd")),
        period,
        _decimal(path, where, "true_up_percent", entry.get("true_up_percent", 100)),
        bool(entry.get("credits_count", False)),
    )


def _credit(path: Path, entry: dict[str, Any]) -> Credit:
    where = "[[credit]]"
    _known(path, where, entry, {"name", *_SCOPE, "amount_usd", "priority"})
    amount = _decimal(path, where, "amount_usd", entry.get("amount_usd"))
    return Credit(_name(path, where, entry), _scope(path, where, entry), amount, int(entry.get("priority", 0)))


def _free_tier(path: Path, entry: dict[str, Any]) -> FreeTier:
    where = "[[free_tier]]"
    _known(path, where, entry, {"name", *_SCOPE, "usd_per_month", "units_per_month", "token_class"})
    given = [key for key in ("usd_per_month", "units_per_month") if key in entry]
    if len(given) != 1:
        raise AuditError(f"{path}: {where} needs either usd_per_month or units_per_month.")
    classes = sorted(_classes(path, where, entry))
    if given == ["units_per_month"] and len(classes) != 1:
        raise AuditError(f"{path}: {where} with units_per_month needs one token_class: units of which?")
    if classes and not set(classes) <= set(SUMMED):
        raise AuditError(f"{path}: {where} {classes[0]} is not summed by itself. Known: {', '.join(SUMMED)}.")
    amount = _decimal(path, where, given[0], entry[given[0]])
    scope = _scope(path, where, entry)
    return FreeTier(_name(path, where, entry), scope, **{given[0]: amount}, token_class=classes[0] if classes else None)


def _margin(path: Path, entry: dict[str, Any]) -> Margin:
    where = "[[margin]]"
    _known(path, where, entry, {*_SCOPE, "team", "percent"})
    return Margin(_scope(path, where, entry), entry.get("team"), _decimal(path, where, "percent", entry.get("percent")))


def _scope(path: Path, where: str, entry: dict[str, Any]) -> Scope:
    models = entry.get("models", [])
    if not isinstance(models, list) or not all(isinstance(name, str) for name in models):
        raise AuditError(f'{path}: {where} models is {models!r}; write a list of names, such as ["gpt-5"].')
    return Scope(
        canonical(entry.get("provider")),
        frozenset(name.lower() for name in models),
        _day(path, where, entry, "valid_from") or date.min,
        _day(path, where, entry, "valid_to") or date.max,
    )


def _name(path: Path, where: str, entry: dict[str, Any]) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise AuditError(f"{path}: {where} needs a name: the ledger of what is due calls it so.")
    return name


def _known(path: Path, where: str, entry: dict[str, Any], keys: set[str]) -> None:
    for key in entry:
        if key not in keys:
            raise AuditError(f"{path}: {where or 'top level'} has no key {key!r}. Known: {', '.join(sorted(keys))}.")


def _decimal(path: Path, where: str, key: str, value: object) -> Decimal:
    """Rates are best quoted, so that no digit is lost on the way."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise AuditError(f'{path}: {where} {key} is {value!r}; expected a number such as "0.00000125".')
    return number


def _day(path: Path, where: str, entry: dict[str, Any], key: str) -> date | None:
    value = entry.get(key)
    if value is None or type(value) is date:
        return value
    raise AuditError(f"{path}: {where} {key} is {value!r}; write a day without quotes, such as 2026-06-01.")
