"""Bills against calls, bills and counts that have none, and prices seen from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import polars as pl

from llmaudit.assemble.numbers import Row, bare, counts, dated, exact, monthly, share, tied
from llmaudit.pricing.review import Review
from llmaudit.reconcile import Place, Reconciled

BILL_DIMENSIONS = (
    "provider",
    "model",
    "token_class",
    "account_id",
    "sub_account_id",
    "api_key_id",
    "user_id",
    "service_tier",
    "region",
    "charge_category",
    "day",
)


COUNT_DIMENSIONS = (
    "provider",
    "model",
    "operation",
    "account_id",
    "project",
    "api_key_id",
    "user_id",
    "service_tier",
    "day",
)


def bills(found: Sequence[Reconciled]) -> list[dict[str, Any]]:
    """Bill against log, per bill. Classes and what stays unexplained sum to billed less priced, to the micro-unit."""
    return [_bill(one) for one in found]


def _bill(found: Reconciled) -> dict[str, Any]:
    bill, priced = found.bill, found.priced
    names = [part.name for part in found.parts]
    amounts = tied([*(part.amount for part in found.parts), found.unexplained or Decimal(0)], found.billed, priced)
    return {
        "source": bill.source,
        "provider": bill.provider,
        "account_id": bill.account_id,
        "currency": bill.currency,
        "start": bare(bill.start_at),
        "end": bare(bill.end_at),
        "billed": found.billed,
        "priced": priced,
        "capture_rate": float(priced / bill.for_usage) if priced is not None and bill.for_usage > 0 else None,
        "classes": [
            {"class": name, "amount": amount, "evidence": list(part.evidence), "rows": part.rows}
            for name, amount, part in zip(names, amounts, found.parts, strict=False)
        ],
        "unexplained": None if priced is None else amounts[-1],
        "same_spend_as": found.same_as,
        "same_spend_off": found.off,
        "reason": found.reason,
        "effective": [asdict(rate) for rate in found.effective],
        "assumptions": list(found.assumptions),
        "days": [_bill_place(place) for place in found.days],
        "models": [_bill_place(place) for place in found.models],
    }


def _bill_place(place: Place) -> dict[str, Any]:
    names = list(place.parts)
    amounts = tied([place.parts[name] for name in names], place.billed, place.priced)
    return {
        "key": place.key,
        "billed": place.billed,
        "priced": place.priced,
        "classes": [{"class": name, "amount": amount} for name, amount in zip(names, amounts, strict=True)],
    }


def billed(rows: Sequence[Row], extents: Sequence[Row]) -> list[dict[str, Any]]:
    """Every bill, divided in every way that its lines know. Bills may repeat one another: nothing adds them up."""
    ends = {r["source"]: r for r in extents if r["kind"] == "charges"}
    found = []
    for whole in (r for r in rows if r["dimension"] == "bill"):
        mine = [r for r in rows if r["source"] == whole["source"] and r["currency"] == whole["currency"]]
        found.append(
            {
                "source": whole["source"],
                "currency": whole["currency"],
                "start": bare(ends[whole["source"]]["first_at"]),
                "end": bare(ends[whole["source"]]["last_at"]),
                "lines": whole["lines"],
                "tokens": exact(whole["tokens"]),
                "billed": whole["billed_cost"],
                "effective": whole["effective_cost"],
                "list": whole["list_cost"],
                "by": {
                    name: [
                        {
                            "key": r["key"],
                            "lines": r["lines"],
                            "tokens": exact(r["tokens"]),
                            "billed": r["billed_cost"],
                            "share": share(r["billed_cost"], whole["billed_cost"] or Decimal(0)),
                        }
                        for r in mine
                        if r["dimension"] == name
                    ]
                    for name in BILL_DIMENSIONS
                },
            }
        )
    return found


def counted(rows: Sequence[Row], extents: Sequence[Row]) -> list[dict[str, Any]]:
    """Every export of a provider's own counts, divided in every way that its buckets know."""
    ends = {r["source"]: r for r in extents if r["kind"] == "usage"}
    return [
        {
            "source": whole["source"],
            "start": bare(ends[whole["source"]]["first_at"]),
            "end": bare(ends[whole["source"]]["last_at"]),
            **counts(whole),
            "by": {
                name: [
                    {"key": r["key"], **counts(r)}
                    for r in rows
                    if r["source"] == whole["source"] and r["dimension"] == name
                ]
                for name in COUNT_DIMENSIONS
            },
        }
        for whole in rows
        if whole["dimension"] == "export"
    ]


def prices(found: Review, due: dict[str, Any] | None, month_factor: float | None) -> dict[str, Any]:
    """Prices seen from elsewhere: the other source's, those to come, those of what was asked for; and what is due."""
    return {
        "disputed": [
            {
                "provider": r["provider"],
                "model": r["model"],
                "requests": r["requests"],
                "cost_usd": r["before_usd"],
                "other_usd": r["after_usd"],
                "at_stake_usd": {"low": r["low_usd"], "high": r["high_usd"]},
            }
            for r in found.disputed
        ],
        "upcoming": upcoming(found.upcoming, month_factor),
        "served": [
            {
                **{name: r[name] for name in _SERVED},
                "requests": r["requests"],
                "cost_usd": r["before_usd"],
                "as_requested_usd": r["after_usd"],
            }
            for r in found.served
        ],
        "due": due and dated(due),
    }


_SERVED = ("endpoint", "provider", "request_model", "model", "requested_service_tier", "service_tier")


def upcoming(rows: Sequence[Row], month_factor: float | None) -> list[dict[str, Any]]:
    """What is to come, in dollars of the window and of a month like it."""
    return [
        {
            "on": r["on"].isoformat() if r["on"] else None,
            "kind": r["kind"],
            **{name: r[name] for name in ("endpoint", "provider", "model", "requests")},
            "before_usd": r["before_usd"],
            "after_usd": r["after_usd"],
            "monthly_change_usd": None
            if None in (r["before_usd"], r["after_usd"])
            else monthly(r["after_usd"] - r["before_usd"], month_factor),
        }
        for r in rows
    ]


def upcoming_frame(rows: Sequence[Row]) -> pl.DataFrame:
    money = dict.fromkeys(("before_usd", "after_usd", "monthly_change_usd"), pl.Float64())
    kinds = {
        **dict.fromkeys(("on", "kind", "endpoint", "provider", "model"), pl.String()),
        "requests": pl.Int64(),
        **money,
    }
    listed = [{n: float(v) if n in money and v is not None else v for n, v in row.items()} for row in rows]
    return pl.DataFrame(listed, schema=kinds)
