"""What one unit costs at our prices: pricing is asked about calls of a thousand units of one class."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pyarrow as pa

from llmaudit import pricing
from llmaudit.engine.base import Engine
from llmaudit.schema import TIME, USAGE_COLUMNS, USD

UNITS = 1_000
"""Enough that a price of a hundredth of a cent per million keeps its digits, and few enough for the shortest context band."""


class Want(NamedTuple):
    provider: str
    model: str
    tier: str
    token_class: str
    at: datetime


class Price(NamedTuple):
    """US dollars for one unit: what we would pay, and at list."""

    contract: Fraction
    list: Fraction


_IN_INPUT = ("cache_read", "cache_write", "cache_write_long", "input_audio", "input_image", "input_video")
_CACHED = {"cache_audio_read": "input_audio", "cache_image_read": "input_image", "cache_video_read": "input_video"}
_IN_OUTPUT = ("reasoning", "output_audio", "output_image")
_COUNTS = [field.name for field in USAGE_COLUMNS]


def prices(engine: Engine, book: pricing.Book, wants: Iterable[Want]) -> dict[Want, Price]:
    """Prices per unit; what has none is left out."""
    asked = [want for want in dict.fromkeys(wants) if _counts(want.token_class)]
    if not asked:
        return {}
    rows = [
        {
            "request_id": str(number),
            "provider": want.provider,
            "model": want.model,
            "started_at": want.at,
            "service_tier": want.tier,
            "billable": True,
            **_counts(want.token_class),
        }
        for number, want in enumerate(asked)
    ]
    engine.put("reconcile_units", pa.Table.from_pylist(rows, _USAGE))
    pricing.price_usage(engine, "reconcile_units", "reconcile_unit_prices", book)
    found = {}
    for row in engine.fetch("reconcile_unit_prices").to_pylist():
        want = asked[int(row["request_id"])]
        if row["cost_usd"] is not None and row["priced_by"] != "reported":
            found[want] = Price(_each(row["cost_usd"]), _each(row["list_usd"]))
    return found


def _each(usd: Decimal) -> Fraction:
    return Fraction(usd) / UNITS


def _counts(name: str) -> dict[str, int]:
    """A call of a thousand units of one class, whatever whole these are part of."""
    counts = dict.fromkeys(_COUNTS, 0)
    if name == "input" or name in _IN_INPUT or name in _CACHED:
        counts["input_tokens"] = UNITS
    elif name == "output" or name in _IN_OUTPUT:
        counts["output_tokens"] = UNITS
    elif name not in counts:
        return {}
    if name in _CACHED:
        counts["cache_read_tokens"] = counts[f"{_CACHED[name]}_tokens"] = UNITS
    if name == "cache_write_long":
        counts["cache_write_tokens"] = UNITS
    own = name if name in counts else f"{name}_tokens"
    counts[own] = UNITS
    return counts


_USAGE = pa.schema(
    [
        ("request_id", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("started_at", TIME),
        ("service_tier", pa.string()),
        ("region", pa.string()),
        ("billable", pa.bool_()),
        ("reported_cost_usd", USD),
        *USAGE_COLUMNS,
    ]
)
