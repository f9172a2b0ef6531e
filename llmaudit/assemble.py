"""Puts `report.json` together from the tables of a run. Everything here is arranging; sums were made upstream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from llmaudit import report as reports
from llmaudit.config import AuditConfig
from llmaudit.detectors.migrations import Paired
from llmaudit.pricing import Exchange
from llmaudit.pricing.review import Review
from llmaudit.reconcile import Place, Reconciled, bridge
from llmaudit.reconcile.bridge import Bridge
from llmaudit.reconcile.rounding import MICRO, shared
from llmaudit.replay import Charged, Interval, Plan, Saved, Step, interval, realised

Row = Mapping[str, Any]
Site = tuple[str | None, str | None]
"""Endpoint and model."""

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
TTLS_SECONDS = (60, 300, 900, 3_600, 14_400, 86_400, 604_800)
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
        "not_calls": _added(not_calls),
        "files": [
            {"path": r["path"], "source": r["source"], "rows": r["rows_kept"], "quarantined": r["rows_quarantined"]}
            for r in ingests.iter_rows(named=True)
        ],
    }


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
    start = config.since or _local(first, config).date()
    until = config.until or _local(last, config).date() + timedelta(days=1)
    days = (until - start).days
    opens, ends = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (start, until))
    partial = []
    if not config.since and _local(first, config) - opens > EDGE:
        partial.append(start.isoformat())
    if not config.until and ends - _local(last, config) > EDGE:
        partial.append((until - timedelta(days=1)).isoformat())
    return {
        "start": _time(opens),
        "end": _time(ends),
        "days": days,
        "timezone": config.timezone,
        "partial_days": sorted(set(partial)),
        "sources": [
            {"source": r["source"], "start": _bare(r["first_at"]), "end": _bare(r["last_at"])} for r in sources
        ],
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


def totals(row: Row) -> dict[str, Any]:
    counts = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    money = ("reported_cost_usd", "estimated_usage_usd", "unmetered_list_usd")
    ways = ("exact_usd", "alias_usd", "rule_usd", "user_usd", "reported_usd")
    return {
        "requests": row["requests"],
        "errors": row["errors"],
        **{name: _whole(row[name]) for name in counts},
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
            "tokens": _whole(r["tokens"]),
            "cost_usd": r["cost_usd"],
            "share": _share(r["cost_usd"], total),
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


def findings(
    steps: Iterable[Step],
    blocks: Callable[[Site], int],
    month_factor: float | None,
    evidence: Mapping[str, Mapping[Site, Row]],
) -> list[dict[str, Any]]:
    """One finding per lever, endpoint and model, the largest first. `blocks` are those of the bootstrap."""
    found = []
    for step in steps:
        known = evidence.get(step.lever.name, {})
        saved: dict[Site, list[Saved]] = {place: [] for place in known}
        charged: dict[Site, list[Charged]] = {}
        for row in step.saved:
            saved.setdefault((row.endpoint, row.model), []).append(row)
        for charge in step.charged:
            charged.setdefault((charge.endpoint, charge.model), []).append(charge)
        found += [
            _finding(
                step,
                place,
                saved.get(place, []),
                charged.get(place, []),
                blocks(place),
                month_factor,
                known.get(place, {}),
            )
            for place in saved | charged
        ]
    return sorted(found, key=lambda f: (-f["saving_usd"]["expected"], f["id"]))


def _finding(
    step: Step,
    place: Site,
    saved: Sequence[Saved],
    charged: Sequence[Charged],
    blocks: int,
    month_factor: float | None,
    more: Row,
) -> dict[str, Any]:
    lever, (endpoint, model) = step.lever, place
    costs = sum((charge.cost_usd for charge in charged if charge.cost_usd is not None), Decimal(0))
    factors = (more.get("low_factor", 1.0), more.get("high_factor", 1.0))
    span = interval(saved, blocks, costs, factors, _kept(step))
    touched = sum(row.requests for row in saved)
    return {
        "id": finding_id(lever.name, endpoint, model),
        "lever": lever.name,
        "stage": lever.stage.name.lower(),
        "grade": lever.grade,
        "endpoint": endpoint,
        "model": model,
        "requests": touched,
        "saving_usd": _interval(replace(span, high=max(span.high, more.get("unproven_usd", span.high)))),
        "monthly_usd": _monthly(span.expected, month_factor),
        "evidence": {
            "query": lever.name,
            "settings": {
                f.name: str(value)
                for f in fields(lever)
                if f.metadata.get("setting", True) and (value := getattr(lever, f.name)) is not None
            },
            "before_usd": sum((row.before_usd or Decimal(0) for row in saved), Decimal(0)),
            "after_usd": sum((row.after_usd or Decimal(0) for row in saved), Decimal(0)),
            **_running(charged, costs),
            **{name: value for name, value in more.items() if name not in ("endpoint", "model")},
        },
        "assumes": [*lever.assumes(), *_unpriced(charged), *_floored(step)],
        "action": lever.action,
        "effort": lever.effort,
        "risk": lever.risk,
        "status": "open",
    }


def _kept(step: Step) -> Decimal:
    """The part of what calls cost less that is due less, where a commitment or a credit holds the rest up."""
    avoided = sum((row.saving_usd for row in step.saved), Decimal(0))
    return 1 - step.floored_usd / avoided if avoided and step.floored_usd else Decimal(1)


def _floored(step: Step) -> list[str]:
    if not step.floored_usd:
        return []
    held = f"a commitment or credit holds up ${step.floored_usd:,.2f} of what this change saves on all endpoints"
    return [f"{held}; each of its findings bears an equal part of that"]


def _running(charged: Sequence[Charged], costs: Decimal) -> dict[str, Any]:
    """What the lever itself costs to run."""
    if not charged:
        return {}
    quantities: dict[str, Decimal] = {}
    for charge in charged:
        quantities[charge.sku] = quantities.get(charge.sku, Decimal(0)) + charge.quantity
    return {"running_usd": costs, "running": {sku: float(quantity) for sku, quantity in sorted(quantities.items())}}


def _unpriced(charged: Sequence[Charged]) -> list[str]:
    skus = sorted({charge.sku for charge in charged if charge.cost_usd is None})
    return [f"gross of {sku}, which has no price: name one in prices.toml" for sku in skus]


def by_site(saved: Iterable[Saved]) -> dict[Site, Decimal]:
    """What is saved at each endpoint and model."""
    found: dict[Site, Decimal] = {}
    for row in saved:
        place = (row.endpoint, row.model)
        found[place] = found.get(place, Decimal(0)) + row.saving_usd
    return found


def finding_id(lever: str, endpoint: str | None, model: str | None) -> str:
    """The same from run to run, and no two alike: what a part holds of `|` and `%` is escaped, and nothing is nothing.

    >>> finding_id("failed_calls", "/a|b", None)
    'failed_calls|/a%7Cb|'
    """
    return "|".join(quote(part, safe="/ :@.,-_") if part else "" for part in (lever, endpoint, model))


def prompt_caching(outlook: Sequence[Row], found: Sequence[Row]) -> list[dict[str, Any]]:
    """Read shares, the break and the best policy of every endpoint and model; dollars are those of its finding."""
    saved = {(f["endpoint"], f["model"]): f["saving_usd"]["expected"] for f in found if f["lever"] == "prompt_caching"}
    return [{**row, "saving_usd": saved.get((row["endpoint"], row["model"]), Decimal(0))} for row in outlook]


def plan(headline: Plan, everything: Plan) -> dict[str, Any]:
    return {
        "baseline_usd": headline.baseline_usd,
        "steps": steps(headline),
        "headline_saving_usd": headline.saving_usd,
        "after_usd": headline.baseline_usd - headline.saving_usd,
        **_ways(headline),
        "with_evaluation": {
            "steps": steps(everything),
            "saving_usd": everything.saving_usd,
            "after_usd": everything.baseline_usd - everything.saving_usd,
            **_ways(everything),
        },
    }


def steps(plan: Plan) -> list[dict[str, Any]]:
    return [_step(step) for step in plan.steps]


def migrations(
    found: Sequence[realised.Move],
    same_prompts: Mapping[str, Paired | None],
    near_equal: Mapping[str, Paired | None],
    before: Row | None,
) -> list[dict[str, Any]]:
    """Each endpoint that went on on a cheaper model: what came of it, and what `before`, an earlier report, had promised."""
    lines = []
    for move in found:
        promised = realised.promise(move, before or {})
        paired = [pairs.get(move.endpoint) for pairs in (same_prompts, near_equal)]
        lines.append(
            {
                **{name: getattr(move, name) for name in _MIGRATION},
                "since": move.since.isoformat(),
                "until": move.until.isoformat(),
                "fell_back_share": move.fell_back_share,
                "saving_usd": move.saving_usd,
                "promised_saving_usd": dict(promised.saving_usd) if promised.saving_usd else None,
                "promise": realised.kept(move, promised),
                **{
                    name: asdict(pair) if pair else None
                    for name, pair in zip(("agreement", "near_agreement"), paired, strict=True)
                },
                "promised_agreement": dict(promised.agreement) if promised.agreement else None,
            }
        )
    return lines


_MIGRATION = (
    *("endpoint", "old_provider", "old_model", "new_provider", "new_model"),
    *("asked_requests", "moved_requests", "fell_back_requests", "stayed_requests", "cost_usd", "before_usd"),
)


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


def bills(found: Sequence[Reconciled]) -> list[dict[str, Any]]:
    """Bill against log, per bill. Classes and what stays unexplained sum to billed less priced, to the micro-unit."""
    return [_bill(one) for one in found]


def _bill(found: Reconciled) -> dict[str, Any]:
    bill, priced = found.bill, found.priced
    names = [part.name for part in found.parts]
    amounts = _tied([*(part.amount for part in found.parts), found.unexplained or Decimal(0)], found.billed, priced)
    return {
        "source": bill.source,
        "provider": bill.provider,
        "account_id": bill.account_id,
        "currency": bill.currency,
        "start": _bare(bill.start_at),
        "end": _bare(bill.end_at),
        "billed": found.billed,
        "priced": priced,
        "capture_rate": float(priced / found.billed) if priced is not None and found.billed else None,
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
    amounts = _tied([place.parts[name] for name in names], place.billed, place.priced)
    return {
        "key": place.key,
        "billed": place.billed,
        "priced": place.priced,
        "classes": [{"class": name, "amount": amount} for name, amount in zip(names, amounts, strict=True)],
    }


def _tied(parts: Sequence[Decimal], billed: Decimal, priced: Decimal | None) -> list[Decimal]:
    """Parts in micro-units that sum to the difference of the two totals as they are shown."""
    return shared(parts, billed.quantize(MICRO) - (priced or Decimal(0)).quantize(MICRO))


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
                "start": _bare(ends[whole["source"]]["first_at"]),
                "end": _bare(ends[whole["source"]]["last_at"]),
                "lines": whole["lines"],
                "tokens": _exact(whole["tokens"]),
                "billed": whole["billed_cost"],
                "effective": whole["effective_cost"],
                "list": whole["list_cost"],
                "by": {
                    name: [
                        {
                            "key": r["key"],
                            "lines": r["lines"],
                            "tokens": _exact(r["tokens"]),
                            "billed": r["billed_cost"],
                            "share": _share(r["billed_cost"], whole["billed_cost"] or Decimal(0)),
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
            "start": _bare(ends[whole["source"]]["first_at"]),
            "end": _bare(ends[whole["source"]]["last_at"]),
            **_counts(whole),
            "by": {
                name: [
                    {"key": r["key"], **_counts(r)}
                    for r in rows
                    if r["source"] == whole["source"] and r["dimension"] == name
                ]
                for name in COUNT_DIMENSIONS
            },
        }
        for whole in rows
        if whole["dimension"] == "export"
    ]


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
        "due": due and _dated(due),
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
            else _monthly(r["after_usd"] - r["before_usd"], month_factor),
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


def _dated(value: Any) -> Any:
    """Days as text, however deep."""
    if isinstance(value, dict):
        return {name: _dated(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_dated(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def analyses(statuses: Mapping[str, tuple[str, str | None]]) -> list[dict[str, Any]]:
    every = {**statuses, **{name: ("not_built", reason) for name, reason in NOT_BUILT.items()}}
    return [{"id": name, "status": status, "reason": reason} for name, (status, reason) in sorted(every.items())]


def generated_at(config: AuditConfig, now: datetime) -> str:
    day = config.as_of
    return _time(
        datetime(day.year, day.month, day.day, tzinfo=UTC) if day else now.astimezone(UTC).replace(microsecond=0)
    )


def _spend_row(row: Row, total: Decimal) -> dict[str, Any]:
    return {
        "key": row["key"],
        "requests": row["requests"],
        "input_tokens": _whole(row["input_tokens"]) or 0,
        "output_tokens": _whole(row["output_tokens"]) or 0,
        "cost_usd": row["cost_usd"],
        "share": _share(row["cost_usd"], total),
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


def _step(step: Step) -> dict[str, Any]:
    return {
        "lever": step.lever.name,
        "stage": step.lever.stage.name.lower(),
        "grade": step.lever.grade,
        "standalone_usd": step.standalone_usd,
        "in_order_usd": step.in_order_usd,
        "shapley_usd": step.shapley_usd,
        "shapley_error_usd": step.shapley_error_usd,
        "floored_usd": step.floored_usd,
        "effort": step.lever.effort,
        "risk": step.lever.risk,
        "after_usd": step.after_usd,
    }


def _ways(plan: Plan) -> dict[str, Any]:
    """How shares were found, and how far the total depends on the order."""
    shares, orders = plan.shares, plan.orders
    return {
        "shapley": {"method": shares.method, "players": shares.players, "calls": shares.calls, "seed": shares.seed},
        "order_spread_usd": {
            "low": orders.low,
            "high": orders.high,
            "orders_tried": orders.tried,
            "orders": orders.possible,
            "sampled": orders.sampled,
        },
    }


def _interval(span: Interval) -> dict[str, Decimal]:
    return {"low": span.low, "expected": span.expected, "high": span.high}


def _monthly(amount: Decimal, factor: float | None) -> Decimal | None:
    return None if factor is None else amount * Decimal(repr(factor))


def _counts(row: Row) -> dict[str, int | None]:
    return {"buckets": int(row["buckets"]), **{name: _whole(row[name]) for name in COUNTS}}


def _exact(quantity: Decimal | None) -> Decimal | int | None:
    """A quantity as a whole number where it is one."""
    return int(quantity) if quantity is not None and quantity == int(quantity) else quantity


def _share(part: Decimal | None, total: Decimal) -> float | None:
    return None if part is None or not total else float(part / total)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for kinds in counts:
        for kind, count in kinds.items():
            total[kind] = total.get(kind, 0) + count
    return dict(sorted(total.items()))


def _local(moment: datetime, config: AuditConfig) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(config.zone)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _bare(moment: datetime | None) -> str | None:
    return None if moment is None else _time(moment.replace(tzinfo=UTC))
