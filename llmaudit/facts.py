"""Every question that the report answers, asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa

from llmaudit import assemble, pricing, queries, reconcile, schema
from llmaudit.config import AuditConfig, days_between
from llmaudit.engine.base import Engine
from llmaudit.levers.exact_duplicates import cache_hits

ZERO = Decimal(0)


@dataclass(frozen=True)
class Facts:
    """Answers of the queries, as the report needs them."""

    totals: Mapping[str, Any]
    spend: pl.DataFrame
    days: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    duplicates: Mapping[str, Any]
    duplicate_classes: list[dict[str, Any]]
    by_ttl: list[dict[str, Any]]
    bills: list[reconcile.Reconciled]
    billed: list[dict[str, Any]]
    counted: list[dict[str, Any]]
    extents: list[dict[str, Any]]
    """Stretches of time that bills and providers' own counts cover."""
    sampled: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    likely: Mapping[str, Any]
    labels: pl.DataFrame
    stored: int
    """Rows of calls, charges and usage that files gave."""
    survived: int
    """Those left once each counts once."""
    reused_ids: int
    """Calls whose provider id a file gives to other calls too."""

    @property
    def total(self) -> Decimal:
        return self.totals["cost_usd"] or ZERO

    @property
    def extent(self) -> tuple[datetime | None, datetime | None]:
        """First and last moment of the calls or, where there are none, of the bills, else of what providers counted."""
        if self.totals["first_at"]:
            return self.totals["first_at"], self.totals["last_at"]
        billed = [row for row in self.extents if row["kind"] == "charges"]
        return _span(billed or self.extents)

    @property
    def endpoint_costs(self) -> dict[str | None, Decimal | None]:
        return {row["endpoint"]: row["cost_usd"] for row in self.endpoints}

    @property
    def costs(self) -> pl.DataFrame:
        rows = [{name: row[name] for name in ("endpoint", "requests", "cost_usd")} for row in self.endpoints]
        return pl.DataFrame(rows, schema={"endpoint": pl.String, "requests": pl.Int64, "cost_usd": pl.Decimal(38, 12)})


def ask(engine: Engine, unmetered: str, config: AuditConfig, stored: int, book: pricing.Book) -> Facts:
    """Ask every question the report answers."""
    [totals] = rows_of(engine, queries.run(engine, "totals", unmetered=unmetered))
    engine.put("days", _days(totals["first_at"], totals["last_at"], config))
    extents = rows_of(engine, queries.run(engine, "extents"))
    engine.put("billed_days", _days(*_span(extents), config))
    queries.run(engine, "duplicates")
    entries = queries.run(
        engine, "exact_duplicates", into="duplicate_entries", usage=queries.run(engine, "usage", into="metered")
    )
    cache_hits(engine, entries, assemble.TTLS_SECONDS, into="cache_hits")
    [duplicates] = rows_of(engine, queries.run(engine, "duplicate_totals"))
    [survived] = rows_of(engine, queries.run(engine, "survivors"))
    [likely] = rows_of(engine, queries.run(engine, "likely_duplicates"))
    return Facts(
        totals=totals,
        spend=pl.DataFrame(engine.fetch(queries.run(engine, "spend"))),
        days=rows_of(engine, queries.run(engine, "spend_by_day")),
        classes=rows_of(engine, queries.run(engine, "spend_by_token_class")),
        endpoints=rows_of(engine, queries.run(engine, "endpoint_costs")),
        sources=rows_of(engine, queries.run(engine, "source_windows")),
        duplicates=duplicates,
        duplicate_classes=rows_of(engine, queries.run(engine, "duplicate_classes")),
        by_ttl=rows_of(engine, queries.run(engine, "duplicates_by_ttl")),
        bills=reconcile.reconcile(engine, book, pricing.exchange(config.rates), totals["first_at"], totals["last_at"]),
        billed=rows_of(engine, queries.run(engine, "billed")),
        counted=rows_of(engine, queries.run(engine, "provider_counts")),
        extents=extents,
        sampled=rows_of(engine, queries.run(engine, "sampled_shares")),
        segments=rows_of(engine, queries.run(engine, "segments")),
        likely=likely,
        labels=pl.DataFrame(engine.fetch(queries.run(engine, "sampled_labels"))),
        stored=stored,
        survived=survived["rows"],
        reused_ids=survived["reused_ids"],
    )


def _days(first: datetime | None, last: datetime | None, config: AuditConfig) -> pa.Table:
    spans = days_between(first, last, config.zone) if first and last else []
    names, starts, ends = zip(*spans, strict=True) if spans else ((), (), ())
    columns = [pa.array(names, pa.string()), pa.array(starts, schema.TIME), pa.array(ends, schema.TIME)]
    return pa.table(columns, names=["day", "starts_at", "ends_at"])


def _span(extents: Sequence[Mapping[str, Any]]) -> tuple[datetime | None, datetime | None]:
    """The first moment of all these stretches, and the last one inside them."""
    if not extents:
        return None, None
    first, end = min(row["first_at"] for row in extents), max(row["last_at"] for row in extents)
    return first, max(first, end - timedelta(microseconds=1))


def rows_of(engine: Engine, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = engine.fetch(table).to_pylist()
    return rows
