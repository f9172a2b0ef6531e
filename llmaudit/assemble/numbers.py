"""Numbers, moments and rows as report.json has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from llmaudit.config import AuditConfig
from llmaudit.reconcile.rounding import MICRO, shared
from llmaudit.replay import Interval

Row = Mapping[str, Any]


Site = tuple[str | None, str | None]
"""Endpoint and model."""


COUNTS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "web_searches",
)


def tied(parts: Sequence[Decimal], billed: Decimal, priced: Decimal | None) -> list[Decimal]:
    """Parts in micro-units that sum to the difference of the two totals as they are shown."""
    return shared(parts, billed.quantize(MICRO) - (priced or Decimal(0)).quantize(MICRO))


def dated(value: Any) -> Any:
    """Days as text, however deep."""
    if isinstance(value, dict):
        return {name: dated(item) for name, item in value.items()}
    if isinstance(value, list):
        return [dated(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def interval_of(span: Interval) -> dict[str, Decimal]:
    return {"low": span.low, "expected": span.expected, "high": span.high}


def monthly(amount: Decimal, factor: float | None) -> Decimal | None:
    return None if factor is None else amount * Decimal(repr(factor))


def counts(row: Row) -> dict[str, int | None]:
    return {"buckets": int(row["buckets"]), **{name: whole(row[name]) for name in COUNTS}}


def exact(quantity: Decimal | None) -> Decimal | int | None:
    """A quantity as a whole number where it is one."""
    return int(quantity) if quantity is not None and quantity == int(quantity) else quantity


def share(part: Decimal | None, total: Decimal) -> float | None:
    return None if part is None or not total else float(part / total)


def whole(value: Any) -> int | None:
    return None if value is None else int(value)


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for kinds in counts:
        for kind, count in kinds.items():
            total[kind] = total.get(kind, 0) + count
    return dict(sorted(total.items()))


def local(moment: datetime, config: AuditConfig) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(config.zone)


def moment_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def bare(moment: datetime | None) -> str | None:
    return None if moment is None else moment_of(moment.replace(tzinfo=UTC))
