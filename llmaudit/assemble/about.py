"""Which report this is: what was read, which stretch of time, which analyses ran."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from llmaudit.assemble.numbers import Row, added, bare, local, moment_of
from llmaudit.config import AuditConfig
from llmaudit.pricing import Exchange

DAYS_OF_A_MONTH = Decimal("365.25") / 12


FEWEST_DAYS_FOR_A_MONTH = 7


EDGE = timedelta(hours=6)
"""A first day whose calls begin later than this after midnight, or a last day that ends this much early, is partial."""


NOT_BUILT = {
    "self_host": "inference on own hardware is not priced yet",
    "reserved_capacity": "commitments are not simulated yet",
    "forecast": "no forecast is made yet",
    "anomalies": "spikes are not looked for yet",
}


def intake(ingests: pl.DataFrame, *, stored: int, survived: int) -> dict[str, Any]:
    """The ledger of records. `stored` rows of calls and charges came in, `survived` are left once each."""
    not_calls = [json.loads(line) for line in ingests["not_calls"]]
    merged = int(ingests["rows_merged"].sum()) + stored - survived
    return {
        "rows_read": int(ingests["rows_read"].sum()),
        "rows_kept": int(ingests["rows_kept"].sum()) - (stored - survived),
        "rows_merged": merged,
        "rows_not_calls": sum(sum(kinds.values()) for kinds in not_calls),
        "rows_quarantined": int(ingests["rows_quarantined"].sum()),
        "not_calls": added(not_calls),
        "files": [
            {"path": r["path"], "source": r["source"], "rows": r["rows_kept"], "quarantined": r["rows_quarantined"]}
            for r in ingests.iter_rows(named=True)
        ],
    }


def covered(window: Mapping[str, Any]) -> tuple[date, date] | None:
    """The days of a window as a contract counts them: the first, and the first after; None without calls."""
    if window["start"] is None or window["end"] is None:
        return None
    first, after = (date.fromisoformat(window[end][:10]) for end in ("start", "end"))
    return first, after


def window(
    config: AuditConfig, first: datetime | None, last: datetime | None, sources: Sequence[Row]
) -> dict[str, Any]:
    """The stretch of whole local days that the calls lie in, or the one that was asked for."""
    zone = config.zone
    if first is None or last is None:
        return {
            "start": None,
            "end": None,
            "days": 0,
            "timezone": config.timezone,
            "partial_days": [],
            "sources": [],
            "month_factor": None,
        }
    start = config.since or local(first, config).date()
    until = config.until or local(last, config).date() + timedelta(days=1)
    days = (until - start).days
    opens, ends = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (start, until))
    partial = []
    if not config.since and local(first, config) - opens > EDGE:
        partial.append(start.isoformat())
    if not config.until and ends - local(last, config) > EDGE:
        partial.append((until - timedelta(days=1)).isoformat())
    return {
        "start": moment_of(opens),
        "end": moment_of(ends),
        "days": days,
        "timezone": config.timezone,
        "partial_days": sorted(set(partial)),
        "sources": [{"source": r["source"], "start": bare(r["first_at"]), "end": bare(r["last_at"])} for r in sources],
        "month_factor": float(DAYS_OF_A_MONTH / days) if days >= FEWEST_DAYS_FOR_A_MONTH else None,
    }


def display(currency: str, rates: Exchange, days: Sequence[Row]) -> dict[str, Any] | None:
    """The total in another currency: every month at its own rate, and only then summed."""
    if currency == "USD":
        return None
    months: dict[str, Decimal] = {}
    for row in days:
        months[row["key"][:7]] = months.get(row["key"][:7], Decimal(0)) + (row["cost_usd"] or Decimal(0))
    known = {month: rates.of_month(currency, month) for month in sorted(months)}
    costs = [months[month] * rate.per_usd for month, rate in known.items() if rate]
    return {
        "currency": currency,
        "rates": [
            {"month": month, "rate": float(rate.per_usd), "source": rate.source}
            for month, rate in known.items()
            if rate
        ],
        "cost": sum(costs, Decimal(0)) if len(costs) == len(known) else None,
    }


def analyses(statuses: Mapping[str, tuple[str, str | None]]) -> list[dict[str, Any]]:
    every = {**statuses, **{name: ("not_built", reason) for name, reason in NOT_BUILT.items()}}
    return [{"id": name, "status": status, "reason": reason} for name, (status, reason) in sorted(every.items())]


def generated_at(config: AuditConfig, now: datetime) -> str:
    day = config.as_of
    return moment_of(
        datetime(day.year, day.month, day.day, tzinfo=UTC) if day else now.astimezone(UTC).replace(microsecond=0)
    )
