"""What was spent, by whom and on what; what was asked more than once; and how it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from llmaudit import report as reports
from llmaudit.assemble.numbers import Row, share, whole
from llmaudit.config import AuditConfig
from llmaudit.pricing import Exchange
from llmaudit.reconcile import bridge
from llmaudit.reconcile.bridge import Bridge
from llmaudit.reconcile.rounding import shared

DIMENSIONS = (
    "provider",
    "model",
    "endpoint",
    "team",
    "project",
    "user_id",
    "api_key_id",
    "account_id",
    "operation",
    "service_tier",
    "region",
)


FURTHER_DIMENSIONS = ("environment", "source")


TTLS_SECONDS = (60, 300, 900, 3_600, 14_400, 86_400, 604_800)


def totals(row: Row) -> dict[str, Any]:
    counts = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    money = ("reported_cost_usd", "estimated_usage_usd", "unmetered_list_usd")
    ways = ("exact_usd", "alias_usd", "rule_usd", "user_usd", "reported_usd")
    return {
        "requests": row["requests"],
        "errors": row["errors"],
        **{name: whole(row[name]) for name in counts},
        "cost_usd": row["cost_usd"] or Decimal(0),
        "list_usd": row["list_usd"] or Decimal(0),
        **{name: row[name] for name in money},
        "unpriced_requests": row["unpriced_requests"],
        "unpriced_usd": {"low": row["unpriced_low_usd"], "high": row["unpriced_high_usd"]}
        if row["unpriced_requests"]
        else {"low": Decimal(0), "high": Decimal(0)},
        "priced_by": {name: row[name] or Decimal(0) for name in ways},
    }


def spend(
    rows: pl.DataFrame, days: Sequence[Row], classes: Sequence[Row], endpoints: Sequence[Row], total: Decimal
) -> dict[str, Any]:
    divided: dict[str, Any] = {
        name: [_spend_row(r, total) for r in rows.filter(pl.col("dimension") == name).iter_rows(named=True)]
        for name in (*DIMENSIONS, *FURTHER_DIMENSIONS)
    }
    details = {r["endpoint"]: r for r in endpoints}
    divided["endpoint"] = [line | _endpoint_detail(details[line["key"]]) for line in divided["endpoint"]]
    divided["day"] = [_spend_row(r, total) for r in days]
    divided["token_class"] = [
        {
            "key": r["key"],
            "tokens": whole(r["tokens"]),
            "cost_usd": r["cost_usd"],
            "share": share(r["cost_usd"], total),
        }
        for r in classes
        if r["tokens"] or r["cost_usd"]
    ]
    return divided


def duplicates(row: Row, classes: Sequence[Row], by_ttl: Sequence[Row]) -> dict[str, Any]:
    saved = {r["ttl_seconds"]: r for r in by_ttl}
    return {
        "groups": row["groups"],
        "requests": row["requests"],
        "cost_usd": row["cost_usd"] or Decimal(0),
        "cacheable_requests": row["cacheable_requests"],
        "cacheable_usd": row["cacheable_usd"] or Decimal(0),
        "classes": [{"class": r["class"], "requests": r["requests"], "cost_usd": r["cost_usd"]} for r in classes],
        "by_ttl": [
            {
                "ttl_seconds": ttl,
                "requests": saved[ttl]["requests"] if ttl in saved else 0,
                "saving_usd": saved[ttl]["saving_usd"] if ttl in saved else Decimal(0),
            }
            for ttl in TTLS_SECONDS
        ],
    }


def discovered(found: pl.DataFrame, costs: Sequence[Row]) -> list[dict[str, Any]]:
    """What each endpoint is that was found without a label: its wording, its size in the whole log, examples. The dearest first."""
    known = {row["endpoint"]: row for row in costs}
    rows = [
        {
            "endpoint": row["endpoint"],
            "requests": known[row["endpoint"]]["requests"] if row["endpoint"] in known else None,
            "cost_usd": known[row["endpoint"]]["cost_usd"] if row["endpoint"] in known else None,
            "sampled": row["calls"],
            "template": row["template"],
            "examples": row["examples"],
        }
        for row in found.to_dicts()
    ]
    return sorted(rows, key=lambda row: (-(row["cost_usd"] or 0), -row["sampled"], row["endpoint"]))


def segments(days: Sequence[Row]) -> list[dict[str, Any]]:
    """What a later report needs to lead from this one: calls, tokens and money by month, model and tier."""
    rows = [row for rows in bridge.monthly(days).values() for row in rows]
    exact = [row[name] for row in rows for name in bridge.COSTS]
    shown = iter(shared(exact, sum(exact, Decimal(0))))
    return [
        {**row, **{name: int(row[name]) for name in bridge.COUNTS}, **{name: next(shown) for name in bridge.COSTS}}
        for row in rows
    ]


def bridges(config: AuditConfig, days: Sequence[Row], rates: Exchange) -> list[dict[str, Any]]:
    """From the compared report to this one, and from each month, or week, to the next."""
    found = [] if config.compare is None else [_bridge(_since_last(config.compare, days), "report", "USD")]
    periods = bridge.periods(days)
    known = {period: rates.of_month(config.currency, period[:7]) for period in periods}
    converted = {period: rate.per_usd for period, rate in known.items() if rate}
    currency = config.currency if len(converted) == len(periods) else "USD"
    steps = bridge.consecutive(periods, converted if currency != "USD" else None)
    basis = "month" if any(len(period) == len("2026-10") for period in periods) else "week"
    return found + [_bridge(step, basis, currency) for step in steps]


def _since_last(path: Path, days: Sequence[Row]) -> Bridge:
    last = reports.last(path)
    after = [row for rows in bridge.monthly(days).values() for row in rows]
    return bridge.bridge("last report", bridge.merged(last["segments"]), "this report", bridge.merged(after))


def _bridge(found: Bridge, basis: str, currency: str) -> dict[str, Any]:
    return {
        "basis": basis,
        "from": found.start,
        "to": found.end,
        "currency": currency,
        "before": found.before,
        "after": found.after,
        "parts": [{"part": name, "amount": amount} for name, amount in found.parts().items()],
        "models": [asdict(change) for change in found.changes],
    }


def _spend_row(row: Row, total: Decimal) -> dict[str, Any]:
    return {
        "key": row["key"],
        "requests": row["requests"],
        "input_tokens": whole(row["input_tokens"]) or 0,
        "output_tokens": whole(row["output_tokens"]) or 0,
        "cost_usd": row["cost_usd"],
        "share": share(row["cost_usd"], total),
    }


def _endpoint_detail(row: Row) -> dict[str, Any]:
    answered = row["requests"] - row["errors"]
    tokens = (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
    return {
        "cost_per_call_usd": row["cost_usd"] / answered if answered and row["cost_usd"] is not None else None,
        "tokens_per_call": float(tokens) / answered if answered else None,
        "duration_ms_p50": row["duration_ms_p50"],
        "duration_ms_p95": row["duration_ms_p95"],
        "error_share": row["errors"] / row["requests"],
        "cached_share": float(row["cache_read_tokens"] or 0) / float(row["input_tokens"])
        if row["input_tokens"]
        else None,
    }
