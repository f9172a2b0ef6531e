"""LiteLLM's model map: a flat JSON object per release, without dates. A series of releases is a history.

A price first seen in a release holds from that release's day; one seen in the first release that knows the
model holds since ever. A model that a later release drops keeps its last price: LiteLLM forgets models on
the day they retire.
Thresholds are exclusive ("above 200k"), for xAI inclusive. Keys seen in releases 1.56 to 1.109.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmaudit.pricing.providers import canonical
from llmaudit.pricing.rates import Band, Period, Rates, Tiers, Witness, bands, base

MAP_FILE = "litellm/model_prices_and_context_window_backup.json"

CLASSES = {
    "input": "input_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_long": "cache_creation_input_token_cost_above_1hr",
    "output": "output_cost_per_token",
    "reasoning": "output_cost_per_reasoning_token",
    "input_audio": "input_cost_per_audio_token",
    "output_audio": "output_cost_per_audio_token",
    "cache_audio_read": "cache_read_input_audio_token_cost",
    "input_image": "input_cost_per_image_token",
    "output_image": "output_cost_per_image_token",
    "cache_image_read": "cache_read_input_image_token_cost",
    "input_video": "input_cost_per_video_token",
    "images": "output_cost_per_image",
}
PIECES = {
    "input_document_pages": ("ocr_cost_per_page",),
    "input_characters": ("input_cost_per_character",),
    "output_characters": ("output_cost_per_character",),
    "video_seconds": ("output_cost_per_video_per_second",),
}
"""Other units that LiteLLM prices by the piece, whatever the mode of the model."""

SECONDS_OF_MODE = {
    "audio_transcription": ("audio_seconds", "input_cost_per_second"),
    "video_generation": ("video_seconds", "output_cost_per_second"),
    "audio_speech": ("audio_seconds", "output_cost_per_second"),
}
"""What a price per second is of, by the model's mode. Elsewhere it is rent of a machine: `provisioned_hours`."""

LONG_WRITES = ("cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_12hr")
"""Anthropic's longer lifetime is an hour, OpenAI's twelve."""

STEPPED = ("input", "output", "cache_read", "cache_write", "cache_write_long")
"""Classes that LiteLLM prices by the length of the request; the others keep one rate."""

SERVICE_TIERS = ("flex", "priority", "ultrafast", "balanced")
INCLUSIVE = frozenset({"xai"})
_STEP = re.compile(r"_above_(\d+)(k?)_tokens")

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """One release's map, and the day it is known to have been current."""

    version: str
    seen: date
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Known:
    """What LiteLLM says of one model of a provider, over time."""

    provider: str
    name: str
    periods: list[Period]
    uplifts: Mapping[str, str]
    off_peak: OffPeak | None = None
    retires_on: date | None = None


@dataclass(frozen=True)
class OffPeak:
    """Rates of the quiet hours, and when these are: ISO weekday -> spans in seconds of the day, UTC."""

    rates: Rates
    spans: Mapping[int, tuple[tuple[int, int], ...]]


def read(path: Path, seen: date) -> Snapshot:
    """A snapshot from a wheel or from the bare JSON file."""
    if path.suffix == ".whl":
        text = zipfile.ZipFile(path).read(MAP_FILE).decode()
        version = path.name.split("-")[1]
    else:
        text, version = path.read_text("utf-8"), path.stem
    entries = json.loads(text, parse_float=Decimal)
    return Snapshot(version, seen, {k: v for k, v in entries.items() if k != "sample_spec" and isinstance(v, dict)})


def known(snapshots: list[Snapshot]) -> list[Known]:
    """Every model that any snapshot prices, sorted by provider and name."""
    seen: dict[tuple[str, str], list[tuple[Snapshot, Entry]]] = defaultdict(list)
    for snapshot in sorted(snapshots, key=lambda s: s.seen):
        for place, entry in _places(snapshot):
            seen[place].append((snapshot, entry))
    found = []
    for (provider, name), witnesses in sorted(seen.items()):
        periods = _periods(witnesses)
        if periods:
            newest = witnesses[-1][1]
            found.append(Known(provider, name, periods, _uplifts(newest), _off_peak(newest), _retires_on(newest)))
    return found


def continued(earlier: Sequence[Known], newer: list[Known]) -> list[Known]:
    """What was known of models, carried on by what a newer release says from its own day on."""
    found = {(k.provider, k.name): k for k in earlier}
    for known_now in newer:
        place = (known_now.provider, known_now.name)
        before = found.get(place)
        found[place] = _carried_on(before, known_now) if before else known_now
    return [found[place] for place in sorted(found)]


def _carried_on(before: Known, now: Known) -> Known:
    newest, last = now.periods[-1], before.periods[-1]
    same = last.daily is not None or (_agree(last.tiers, newest.tiers) and _agree(newest.tiers, last.tiers))
    if same:
        return replace(now, periods=before.periods, off_peak=None)
    day = newest.witness.checked
    ended = [replace(p, valid_to=day) if p.valid_to is None else p for p in before.periods]
    return replace(now, periods=[*ended, replace(newest, valid_from=day)])


def _retires_on(entry: Entry) -> date | None:
    try:
        return date.fromisoformat(str(entry.get("deprecation_date")))
    except ValueError:
        return None


def _off_peak(entry: Entry) -> OffPeak | None:
    said = entry.get("off_peak_pricing")
    if not isinstance(said, dict):
        return None
    spans: dict[int, tuple[tuple[int, int], ...]] = {}
    for window in said.get("windows", ()):
        hours = window["hours_utc"] if isinstance(window["hours_utc"], list) else [window["hours_utc"]]
        for day in window.get("weekdays") or range(1, 8):
            spans[day] = spans.get(day, ()) + tuple(_span(text) for text in hours)
    return OffPeak(_flat(said, ""), spans)


def _span(hours: str) -> tuple[int, int]:
    """Hours of a day as seconds; an end at midnight is the day's own.

    >>> _span("10:00-00:00")
    (36000, 86400)
    """
    first, last = (int(h) * 3_600 + int(m) * 60 for h, m in (end.split(":") for end in hours.split("-")))
    return first, last or 86_400


def by_hours(period: Period, off_peak: OffPeak) -> list[Period]:
    """A period whose prices are those of busy hours, divided into busy and quiet windows of its weekdays."""
    quiet = {
        tier: tuple(replace(band, rates={**band.rates, **off_peak.rates}) for band in tier_bands)
        for tier, tier_bands in period.tiers.items()
        if tier == "standard"
    }
    alike: dict[tuple[tuple[int, int], ...], str] = {}
    for day in range(1, 8):
        spans = tuple(sorted(off_peak.spans.get(day, ())))
        alike[spans] = alike.get(spans, "") + str(day)
    return [
        replace(period, tiers=tiers, daily=window, weekdays=days)
        for spans, days in alike.items()
        for window, tiers in _windows(spans, quiet, period.tiers)
    ]


def _windows(spans: tuple[tuple[int, int], ...], quiet: Tiers, busy: Tiers) -> Iterator[tuple[tuple[int, int], Tiers]]:
    at = 0
    for first, last in (*spans, (86_400, 86_400)):
        if at < first:
            yield (at, first), busy
        if first < last:
            yield (first, last), quiet
        at = last


def _places(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], Entry]]:
    taken: dict[tuple[str, str], Entry] = {}
    for key in sorted(snapshot.entries, key=lambda k: (k.count("/"), k)):
        entry = snapshot.entries[key]
        route = str(entry.get("litellm_provider") or "")
        provider = canonical(route)
        if provider:
            taken.setdefault((provider, _name(key, route).lower()), entry)
    yield from taken.items()


def _name(key: str, route: str) -> str:
    """The model's name as its provider knows it: the key without the routing prefix.

    >>> _name("gemini/gemini-2.5-pro", "gemini"), _name("bedrock/us-east-1/cohere.embed", "bedrock")
    ('gemini-2.5-pro', 'us-east-1/cohere.embed')
    >>> _name("vertex_ai/claude-opus-5", "vertex_ai-anthropic_models"), _name("openai/gpt-oss-120b", "groq")
    ('claude-opus-5', 'openai/gpt-oss-120b')
    """
    head, slash, tail = key.partition("/")
    same = canonical(head) == canonical(route) or head == route.split("-", maxsplit=1)[0]
    return tail if slash and same else key


def _periods(witnesses: list[tuple[Snapshot, Entry]]) -> list[Period]:
    """Walk back in time; neighbouring snapshots that do not contradict each other are one period."""
    done: list[Period] = []
    for snapshot, entry in reversed(witnesses):
        tiers = _tiers(entry)
        if not tiers:
            continue
        witness = Witness("litellm", snapshot.version, snapshot.seen, entry.get("source"))
        if done and _agree(tiers, done[-1].tiers):
            last = done.pop()
            done.append(Period(snapshot.seen, last.valid_to, {**tiers, **last.tiers}, last.witness))
        else:
            done.append(Period(snapshot.seen, done[-1].valid_from if done else None, tiers, witness))
    done.reverse()
    if done:
        first = done[0]
        done[0] = Period(None, first.valid_to, first.tiers, first.witness)
    return done


def _agree(older: Tiers, newer: Tiers) -> bool:
    """Whether the newer list only adds to the older one."""
    for tier in older.keys() & newer.keys():
        old, new = ({(b.from_tokens, b.to_tokens): b.rates for b in tiers[tier]} for tiers in (older, newer))
        if old.keys() != new.keys():
            return False
        if any(new[band].get(name) != usd for band, rates in old.items() for name, usd in rates.items()):
            return False
    return older.keys() <= newer.keys()


def _tiers(entry: Entry) -> Tiers:
    """Every tier the entry prices. A model at 0 throughout has no known price: LiteLLM writes 0 for unknown and free."""
    listed = entry.get("tiered_pricing")
    found: dict[str, tuple[Band, ...]] = {}
    if isinstance(listed, list) and listed and all("range" in t for t in listed):
        found["standard"] = bands({_start(t): _listed(t, entry) for t in listed})
    else:
        found["standard"] = _stepped(entry, "")
        for tier in SERVICE_TIERS:
            if any(_usd(entry, f"{CLASSES[c]}_{tier}") is not None for c in ("input", "output")):
                found[tier] = _stepped(entry, f"_{tier}")
    if _usd(entry, "input_cost_per_token_batches") is not None:
        found["batch"] = _batch(entry)
    return {tier: priced for tier, b in found.items() if (priced := _without_blanks(b))}


def _without_blanks(tier_bands: tuple[Band, ...]) -> tuple[Band, ...]:
    """Drop token rates of 0 where neither input nor output has a price."""
    if any(b.rates.get("input") or b.rates.get("output") for b in tier_bands):
        return tier_bands
    kept = [Band(b.from_tokens, b.to_tokens, {c: usd for c, usd in b.rates.items() if usd}) for b in tier_bands]
    return tuple(kept) if any(b.rates for b in kept) else ()


def _start(tier: Entry) -> int:
    first = int(tier["range"][0])
    return first + 1 if first else 0


def _listed(tier: Entry, entry: Entry) -> Rates:
    rates = _flat({**tier, **_everything_else(entry)}, "")
    return rates if "output" in rates else {**rates, **_only(entry, "output")}


def _everything_else(entry: Entry) -> Entry:
    stepped = {CLASSES[c] for c in (*STEPPED, "reasoning")}
    return {key: usd for key, usd in entry.items() if key not in stepped}


def _only(entry: Entry, token_class: str) -> Rates:
    usd = _usd(entry, CLASSES[token_class])
    return {} if usd is None else {token_class: usd}


def _stepped(entry: Entry, tier: str) -> tuple[Band, ...]:
    """Rates of one tier. What a tier leaves out it takes from the standard one, as LiteLLM does."""
    inclusive = entry.get("litellm_provider") in INCLUSIVE
    rates = dict(_flat(entry, tier))
    steps: dict[int, Rates] = {0: rates}
    for label, start in _steps(entry, tier):
        rates = dict(rates)
        for token_class in STEPPED:
            key = f"{CLASSES[token_class]}_above_{label}_tokens"
            usd = _usd(entry, f"{key}{tier}", key)
            if usd is not None:
                rates[token_class] = usd
        steps[start if inclusive else start + 1] = rates
    return bands(steps)


def _steps(entry: Entry, tier: str) -> list[tuple[str, int]]:
    labels = {}
    for key in entry:
        step = _STEP.search(key)
        if step and key.startswith(tuple(CLASSES[c] for c in STEPPED)) and key[step.end() :] in {"", tier}:
            labels[step[1] + step[2]] = int(step[1]) * (1000 if step[2] else 1)
    return sorted(labels.items(), key=lambda item: item[1])


def _flat(entry: Entry, tier: str) -> Rates:
    own_output = bool(tier) and _usd(entry, f"{CLASSES['output']}{tier}") is not None
    rates = {}
    for name, key in CLASSES.items():
        also = (key, "input_cost_per_token_cache_hit") if name == "cache_read" else (key,)
        usd = _usd(entry, f"{key}{tier}", *(() if name == "reasoning" and own_output else also))
        if usd is not None:
            rates[name] = usd
    if "cache_write_long" not in rates and (long := _usd(entry, f"{LONG_WRITES[1]}{tier}", LONG_WRITES[1])) is not None:
        rates["cache_write_long"] = long
    if not rates.get("output") and "output_image" in rates:
        rates["output"] = rates["output_image"]
    rates.update(_searches(entry))
    rates.update(_pieces(entry))
    return rates


def _pieces(entry: Entry) -> Rates:
    found = {}
    for name, keys in PIECES.items():
        usd = _usd(entry, *keys)
        if usd:
            found[name] = usd
    unit, key = SECONDS_OF_MODE.get(str(entry.get("mode")), ("provisioned_hours", "input_cost_per_second"))
    usd = _usd(entry, key)
    if usd:
        found.setdefault(unit, usd * 3_600 if unit == "provisioned_hours" else usd)
    return found


def _searches(entry: Entry) -> Rates:
    """The price of a web search, where it does not depend on a context size that logs leave out."""
    prices = entry.get("search_context_cost_per_query")
    sizes = {Decimal(str(usd)) for usd in prices.values()} if isinstance(prices, dict) else set()
    return {"web_searches": sizes.pop()} if len(sizes) == 1 else {}


def _batch(entry: Entry) -> tuple[Band, ...]:
    """Batch rates. Output is half price unless said otherwise; a cache without a batch rate is billed as batch input."""
    rates: dict[str, Decimal] = {}
    for token_class, key in CLASSES.items():
        usd = _usd(entry, f"{key}_batches")
        if usd is not None:
            rates[token_class] = usd
    standard = _usd(entry, CLASSES["output"])
    if "output" not in rates and standard is not None:
        rates["output"] = standard / 2
    steps: dict[int, Rates] = {0: rates}
    inclusive = entry.get("litellm_provider") in INCLUSIVE
    for label, start in _steps({k: v for k, v in entry.items() if k.endswith("_batches")}, "_batches"):
        rates = dict(rates)
        for token_class in STEPPED:
            usd = _usd(entry, f"{CLASSES[token_class]}_above_{label}_tokens_batches")
            if usd is not None:
                rates[token_class] = usd
        steps[start if inclusive else start + 1] = rates
    return bands(steps)


def _uplifts(entry: Entry) -> Mapping[str, str]:
    """Surcharge by place of processing: region -> factor. `regional` is any place but the global endpoint."""
    found = {}
    for region in ("eu", "us"):
        factor = _usd(entry, f"regional_processing_uplift_multiplier_{region}")
        if factor is not None:
            found[region] = str(factor)
    own = entry.get("provider_specific_entry")
    if isinstance(own, dict) and isinstance(own.get("us"), (int, Decimal)):
        found["us"] = str(own["us"])
    factor = _usd(entry, "regional_endpoint_uplift_multiplier")
    if factor is not None:
        found["regional"] = str(factor)
    return found


def _usd(entry: Entry, *keys: str) -> Decimal | None:
    for key in keys:
        value = entry.get(key)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value >= 0:
            return Decimal(value)
    return None


def same_price(ours: Tiers, theirs: Tiers) -> bool:
    """Whether two sources publish the same input and output rate for short requests."""
    return all(base(ours, c) == base(theirs, c) for c in ("input", "output"))
