"""The user's own prices: negotiated rates, private models, names of deployments, discounts.

[alias]
"prod-chat" = "azure.ai.openai/gpt-4o"

[[model."acme-large".price]]
provider = "acme"                       # left out: whoever serves a model of this name
tier = "standard"
valid_from = 2026-06-01                 # the first day; the entry holds until the next one
input_usd_per_token = "0.00000125"      # any token class: cache_read_, output_, ...
web_searches_usd = "0.01"               # also images_usd, requests_usd
source = "contract 4711"

[[discount]]
provider = "openai"
model = "gpt-5"                         # left out: every model
valid_from = 2026-01-01
valid_to = 2027-01-01                   # not included
percent = "12.5"
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from llmaudit.errors import AuditError
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
UNIT_CLASSES = ("images", "web_searches", "requests")
"""Billed by the piece: an image made, a web search, a call."""

_KEYS = {f"{c}_usd_per_token": c for c in TOKEN_CLASSES} | {f"{c}_usd": c for c in UNIT_CLASSES}


@dataclass(frozen=True)
class UserRate:
    provider: str | None
    model: str
    tier: str
    valid_from: date | None
    valid_to: date | None
    above_tokens: int
    rates: Rates


@dataclass(frozen=True)
class Discount:
    provider: str | None
    model: str | None
    valid_from: date | None
    valid_to: date | None
    factor: Decimal

    def applies(self, provider: str, models: Collection[str]) -> bool:
        return self.provider in {None, provider} and (self.model is None or self.model in models)


@dataclass(frozen=True)
class UserPrices:
    aliases: dict[str, str]
    rates: tuple[UserRate, ...]
    discounts: tuple[Discount, ...]

    def rates_of(self, provider: str | None, model: str) -> list[UserRate]:
        return [r for r in self.rates if r.model == model and r.provider in {None, provider}]


NONE = UserPrices({}, (), ())


def read(path: Path) -> UserPrices:
    """Read a `prices.toml`; what cannot be understood is an error that names it."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: {error}") from error
    _known(path, "", raw, {"alias", "model", "discount"})
    listed = [(name, entry) for name, model in raw.get("model", {}).items() for entry in model.get("price", [])]
    return UserPrices(
        {name.lower(): str(target) for name, target in raw.get("alias", {}).items()},
        tuple(_dated([_rate(path, name, entry) for name, entry in listed])),
        tuple(_discount(path, entry) for entry in raw.get("discount", [])),
    )


def _rate(path: Path, name: str, entry: dict[str, Any]) -> UserRate:
    where = f'[[model."{name}".price]]'
    _known(path, where, entry, {"provider", "tier", "valid_from", "above_tokens", "source", "checked", *_KEYS})
    rates = {_KEYS[key]: _decimal(path, where, key, usd) for key, usd in entry.items() if key in _KEYS}
    if not rates:
        raise AuditError(f"{path}: {where} has no rate. Give at least input_usd_per_token.")
    return UserRate(
        canonical(entry.get("provider")),
        name.lower(),
        str(entry.get("tier", "standard")),
        _day(path, where, entry, "valid_from"),
        None,
        int(entry.get("above_tokens", -1)) + 1,
        rates,
    )


def _dated(found: list[UserRate]) -> list[UserRate]:
    """Close each entry on the day the next one of its model, tier and band begins."""
    closed = []
    for rate in found:
        later = [
            other.valid_from
            for other in found
            if (other.provider, other.model, other.tier, other.above_tokens)
            == (rate.provider, rate.model, rate.tier, rate.above_tokens)
            and other.valid_from is not None
            and (rate.valid_from is None or other.valid_from > rate.valid_from)
        ]
        closed.append(
            UserRate(
                rate.provider,
                rate.model,
                rate.tier,
                rate.valid_from,
                min(later, default=None),
                rate.above_tokens,
                rate.rates,
            )
        )
    return closed


def _discount(path: Path, entry: dict[str, Any]) -> Discount:
    where = "[[discount]]"
    _known(path, where, entry, {"provider", "model", "valid_from", "valid_to", "percent", "source", "checked"})
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
    )


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
