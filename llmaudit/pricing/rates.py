"""What the compilers of the price book speak: bands of rates, valid for a while, with their witness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pyarrow as pa

RATE = pa.decimal128(22, 18)
"""A price per unit. Eighteen places hold every published price per million tokens to the last digit but a few."""

BOOK = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("tier", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
        pa.field("daily_from_second", pa.int32()),
        pa.field("daily_to_second", pa.int32()),
        pa.field("weekdays", pa.string()),
        pa.field("from_tokens", pa.int64()),
        pa.field("to_tokens", pa.int64()),
        pa.field("is_marginal", pa.bool_()),
        pa.field("token_class", pa.string()),
        pa.field("usd_per_unit", RATE),
        pa.field("basis", pa.string()),
        pa.field("disputed", pa.bool_()),
        pa.field("other_usd_per_unit", RATE),
        pa.field("other_source", pa.string()),
        pa.field("source", pa.string()),
        pa.field("source_version", pa.string()),
        pa.field("checked", pa.date32()),
        pa.field("source_url", pa.string()),
    ]
)
"""One row per provider, model, tier, validity, context band and token class.

`valid_to` and `to_tokens` are not included; null is without end. `from_tokens` counts the whole input of
the request, and the band it opens prices every token of it, or where it `is_marginal` those from there on alone. `basis` is `published`, or `carried_back`
where a tier is known only from a later check and the standard price had not moved in between.
`disputed`: the other source publishes another rate, `other_usd_per_unit`. UTC seconds of the day, null all day;
`weekdays` are the digits of the days that the window is of, 1 for Monday, null every day.
"""

RETIREMENTS = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("retires_on", pa.date32()),
        pa.field("source", pa.string()),
    ]
)
"""The day from which a provider no longer serves a model, where one is announced. Null: deprecated, no day named."""

NAMES = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("name", pa.string()),
        pa.field("model", pa.string()),
        pa.field("kind", pa.string()),
    ]
)
"""Which names a provider's model goes by. `exact`: the source lists the name. `alias`: its own matcher accepts it.
`lent`: an alias of another provider's model, sold at that one's price."""

RANGES = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
        *(
            pa.field(f"{end}_{what}", RATE)
            for end in ("low", "high")
            for what in ("input", "cache_read", "cache_write", "output")
        ),
    ]
)
"""Cheapest and dearest text model of a provider at a time; provider '' is the whole book."""

Rates = Mapping[str, Decimal]


@dataclass(frozen=True)
class Band:
    """Rates by token class for requests of `from_tokens` up to, not including, `to_tokens` input tokens."""

    from_tokens: int
    to_tokens: int | None
    rates: Rates
    is_marginal: bool = False
    """Whether the tokens below `from_tokens` keep the rates of the bands below."""


Tiers = Mapping[str, tuple[Band, ...]]


@dataclass(frozen=True)
class Witness:
    source: str
    version: str
    checked: date
    url: str | None = None


@dataclass(frozen=True)
class Period:
    """The tiers of a model while nothing changed. `daily` is a UTC window in seconds of the day."""

    valid_from: date | None
    valid_to: date | None
    tiers: Tiers
    witness: Witness
    daily: tuple[int, int] | None = None
    basis: Mapping[str, str] | None = None
    weekdays: str | None = None
    disputes: Mapping[tuple[str, int, str], tuple[Decimal, str]] = field(default_factory=dict)
    """(tier, from_tokens, token class) -> what the other source says, and which that is."""

    def covers(self, other: Period) -> bool:
        """Whether the two share a day."""
        return (self.valid_from is None or other.valid_to is None or self.valid_from < other.valid_to) and (
            other.valid_from is None or self.valid_to is None or other.valid_from < self.valid_to
        )


def bands(steps: Mapping[int, Rates]) -> tuple[Band, ...]:
    """Rates from each step up to the next.

    >>> [(b.from_tokens, b.to_tokens) for b in bands({0: {}, 200_001: {}})]
    [(0, 200001), (200001, None)]
    """
    starts = sorted(steps)
    return tuple(Band(a, b, steps[a]) for a, b in zip(starts, [*starts[1:], None], strict=True))


def base(tiers: Tiers, token_class: str, tier: str = "standard") -> Decimal | None:
    """The rate of a class for short requests."""
    found = tiers.get(tier)
    return found[0].rates.get(token_class) if found else None


def places(usd: Decimal) -> Decimal:
    """As many as the book keeps."""
    return usd.quantize(Decimal(1).scaleb(-RATE.scale))


def rows(provider: str, model: str, periods: list[Period]) -> Iterator[dict[str, object]]:
    """The book's rows for one model."""
    for period in periods:
        for tier, tier_bands in period.tiers.items():
            for band in tier_bands:
                for token_class, usd in band.rates.items():
                    other = period.disputes.get((tier, band.from_tokens, token_class))
                    yield {
                        "provider": provider,
                        "model": model,
                        "tier": tier,
                        "valid_from": period.valid_from,
                        "valid_to": period.valid_to,
                        "daily_from_second": period.daily[0] if period.daily else None,
                        "daily_to_second": period.daily[1] if period.daily else None,
                        "weekdays": period.weekdays,
                        "from_tokens": band.from_tokens,
                        "to_tokens": band.to_tokens,
                        "is_marginal": band.is_marginal,
                        "token_class": token_class,
                        "usd_per_unit": places(usd),
                        "basis": (period.basis or {}).get(tier, "published"),
                        "disputed": other is not None,
                        "other_usd_per_unit": places(other[0]) if other else None,
                        "other_source": other[1] if other else None,
                        "source": period.witness.source,
                        "source_version": period.witness.version,
                        "checked": period.witness.checked,
                        "source_url": period.witness.url,
                    }
