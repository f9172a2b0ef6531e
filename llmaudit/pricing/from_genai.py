"""genai-prices: dated prices per provider, with variants for batch, flex, priority and fast.

Every price asked of the package itself: a model's price is read at each date and each time of day at which
it can change, so its own precedence rules decide and not a copy of them. Its tiers start above a number of
input tokens; a variant replaces single rates and leaves the rest at standard.
Not read: the `route` and `search_type` variants (OpenRouter EU routing, Perplexity search kinds).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from itertools import pairwise
from typing import Any

from llmaudit.pricing.providers import canonical
from llmaudit.pricing.rates import Period, Tiers, Witness, bands

TIER_OF = {"processing": None, "service_tier": None, "speed": None}
"""Request attributes whose value is the tier's name."""

CLASS_OF = {"cache_write_1h": "cache_write_long", "output_reasoning": "reasoning"}
"""Units that go by another name in our tables; the rest only lose `_tokens`."""

ALSO = {"gcp.gemini": ("gcp.vertex_ai",)}
"""Providers that sell at another's prices."""

_DAY = 86_400


@dataclass(frozen=True)
class Known:
    """What genai-prices says of one model of a provider. `names` are those that its matcher spells out."""

    provider: str
    model: str
    periods: list[Period]
    names: Mapping[str, str]
    deprecated: bool = False


class Package:
    """The installed genai-prices, seen through our names."""

    def __init__(self, checked: date) -> None:
        from genai_prices.data_snapshot import get_snapshot

        self._providers: list[Any] = get_snapshot().providers
        self._checked = checked
        self.version = version("genai-prices")

    def borrowers(self, provider: str) -> list[str]:
        """Who else sells the models of a provider at the lender's price."""
        lenders = {p.id for p in self._providers if provider in _sold_as(p)}
        return [n for p in self._providers if lenders & set(p.fallback_model_providers or ()) for n in _sold_as(p)]

    def models(self) -> Iterator[Known]:
        """Every model under every provider that sells it, those of fallback providers included."""
        for provider in self._providers:
            own = str(canonical(provider.id))
            for model in provider.models:
                for name in (own, *ALSO.get(own, ())):
                    yield self._known(name, provider, model, variants=True)
            for model in self._lent(provider):
                for name in (own, *ALSO.get(own, ())):
                    yield self._known(name, provider, model, variants=False)

    def find(self, provider: str, name: str) -> str | None:
        """The model that the package's own matcher takes a name for."""
        found = next((p for p in self._providers if provider in _sold_as(p)), None)
        if found is None:
            return None
        model = found.find_model(name, all_providers=self._providers)
        by_id = (m.id for m in found.models if m.id.lower() == name)
        return str(model.id).lower() if model else next((str(i).lower() for i in by_id), None)

    def _lent(self, provider: Any) -> Iterator[Any]:
        taken = {m.id for m in provider.models}
        for lender in (p for p in self._providers if p.id in (provider.fallback_model_providers or ())):
            for model in lender.models:
                if model.id not in taken:
                    taken.add(model.id)
                    yield model

    def _known(self, name: str, provider: Any, model: Any, *, variants: bool) -> Known:
        url = (provider.pricing_urls or [None])[0]
        witness = Witness("genai-prices", self.version, self._checked, url)
        names: dict[str, str] = {}
        for literal, kind in ((str(model.id), "exact"), *_literals(model.match)):
            taken_for = provider.find_model(literal, all_providers=self._providers)
            if taken_for is model or (taken_for is None and literal == model.id):
                names.setdefault(literal.lower(), kind if variants else "lent")
        return Known(
            name, str(model.id).lower(), _periods(model, witness, variants=variants), names, bool(model.deprecated)
        )


def _sold_as(provider: Any) -> tuple[str, ...]:
    own = str(canonical(provider.id))
    return (own, *ALSO.get(own, ()))


def _literals(clause: Any) -> Iterator[tuple[str, str]]:
    """Names in a match clause: those it equals are exact, those it starts with or contains are aliases."""
    parts = getattr(clause, "or_", None) or getattr(clause, "and_", None)
    for part in parts or ():
        yield from _literals(part)
    if hasattr(clause, "equals"):
        yield clause.equals, "exact"
    plain = str(getattr(clause, "regex", "")).removeprefix("^").removesuffix("$").replace("\\", "")
    if re.fullmatch(r"[\w.@=/\[\]-]+", plain) and re.search(clause.regex, plain):
        yield plain, "exact"
    for attribute in ("starts_with", "ends_with", "contains"):
        literal = str(getattr(clause, attribute, "")).strip("-:/@.")
        if literal:
            yield literal, "alias"


def _periods(model: Any, witness: Witness, *, variants: bool) -> list[Period]:
    """The model's prices over time, neighbours with equal prices joined."""
    tiers = [v for v in model.price_variants or () if set(v.when) <= TIER_OF.keys()] if variants else []
    when = {next(iter(v.when.values())): v.when for v in tiers if len(v.when) == 1}
    when.pop("default", None)
    days = _days(model, tiers)
    found: list[Period] = []
    for day, until in zip(days, [*days[1:], None], strict=True):
        for window in _windows(model):
            moment = _moment(day, days, window)
            period = Period(day, until, _tiers(model, tiers, when, moment), witness, window)
            found.append(period)
    found = _carried_back(_whole_days(found))
    return [period for tier in dict.fromkeys(t for p in found for t in p.tiers) for period in _joined(found, tier)]


def _days(model: Any, variants: list[Any]) -> list[date | None]:
    listed = model.prices if isinstance(model.prices, list) else []
    constraints = [c.constraint for c in (*listed, *variants)]
    starts = {c.start_date for c in constraints if hasattr(c, "start_date")}
    return [None, *sorted(starts)]


def _windows(model: Any) -> list[tuple[int, int] | None]:
    listed = model.prices if isinstance(model.prices, list) else []
    edges = {0, _DAY}
    for constraint in (c.constraint for c in listed):
        if hasattr(constraint, "start_time"):
            edges |= {_second(constraint.start_time), _second(constraint.end_time)}
    ordered = sorted(edges)
    return list(pairwise(ordered)) if len(ordered) > len((0, _DAY)) else [None]


def _second(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _moment(day: date | None, days: list[date | None], window: tuple[int, int] | None) -> datetime:
    """A moment inside the period: prices do not change between two edges, so any will do."""
    first = next((d for d in days if d), date(2000, 1, 2))
    start = day or first - timedelta(days=1)
    return datetime.combine(start, time(), UTC) + timedelta(seconds=window[0] if window else 43_200)


def _tiers(model: Any, variants: list[Any], when: Mapping[str, Mapping[str, str]], moment: datetime) -> Tiers:
    found = {"standard": _bands(model.get_prices(moment))}
    for tier, context in when.items():
        if any(v.when == context and (v.constraint is None or v.constraint.active(moment)) for v in variants):
            found[tier] = _bands(model.get_prices(moment, context))
    if str(model.id).endswith(":free") and not any(band.rates for band in found["standard"]):
        return {"standard": bands({0: {"input": Decimal(0), "output": Decimal(0)}})}
    return {tier: b for tier, b in found.items() if any(band.rates for band in b)}


def _bands(price: Any) -> Any:
    from genai_prices.units import _get_registry

    units = _get_registry()
    listed = [
        (units.unit_for_price_key(key), value)
        for key, value in vars(price).items()
        if value is not None and key[0] != "_"
    ]
    starts = {0} | {tier.start + 1 for _, value in listed for tier in getattr(value, "tiers", ())}
    return bands({start: {_class(u.usage_key): _rate(v, start, u.per) for u, v in listed} for start in starts})


def _class(usage_key: str) -> str:
    name = usage_key.removesuffix("_tokens")
    return CLASS_OF.get(name, name)


def _rate(value: Any, start: int, per: int) -> Decimal:
    if isinstance(value, Decimal):
        return value / per
    reached = [t.price for t in value.tiers if t.start < start]
    price: Decimal = reached[-1] if reached else value.base
    return price / per


def _whole_days(periods: list[Period]) -> list[Period]:
    """Join the windows of a day in which they all cost the same."""
    by_day: dict[date | None, list[Period]] = {}
    for period in periods:
        by_day.setdefault(period.valid_from, []).append(period)
    joined = []
    for windows in by_day.values():
        same = all(w.tiers == windows[0].tiers for w in windows)
        joined += [replace(windows[0], daily=None)] if same else windows
    return joined


def _carried_back(periods: list[Period]) -> list[Period]:
    """A tier holds before the day it was first checked for as long as the standard price is the same.

    genai-prices began to check tiers in October 2026 and dates them by the check, not by the tier's birth.
    """
    done: list[Period] = []
    for period in reversed(periods):
        later = next((d for d in reversed(done) if d.daily == period.daily), None)
        if later and later.tiers.get("standard") == period.tiers.get("standard"):
            older = {t: b for t, b in later.tiers.items() if t not in period.tiers}
            basis = {**(period.basis or {}), **dict.fromkeys(older, "carried_back")}
            done.append(replace(period, tiers={**period.tiers, **older}, basis=basis))
        else:
            done.append(period)
    done.reverse()
    return done


def _joined(periods: list[Period], tier: str) -> list[Period]:
    """The periods of one tier, neighbours with the same rates as one."""
    done: list[Period] = []
    for period in (p for p in periods if tier in p.tiers):
        basis = {tier: (period.basis or {}).get(tier, "published")}
        alone = replace(period, tiers={tier: period.tiers[tier]}, basis=basis)
        last = done[-1] if done else None
        if last and last == replace(alone, valid_from=last.valid_from, valid_to=alone.valid_from):
            done[-1] = replace(last, valid_to=alone.valid_to)
        else:
            done.append(alone)
    return done
