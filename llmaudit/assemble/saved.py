"""Findings and plans, and what became of endpoints that moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from llmaudit.assemble.numbers import Row, Site, interval_of, monthly
from llmaudit.detectors.migrations import Paired
from llmaudit.replay import Charged, Plan, Saved, Step, interval, realised


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
        "saving_usd": interval_of(replace(span, high=max(span.high, more.get("unproven_usd", span.high)))),
        "monthly_usd": monthly(span.expected, month_factor),
        "evidence": {
            "query": lever.name,
            "settings": lever.settings(),
            "before_usd": sum((row.before_usd or Decimal(0) for row in saved), Decimal(0)),
            "after_usd": sum((row.after_usd or Decimal(0) for row in saved), Decimal(0)),
            **_running(charged, costs),
            **{name: value for name, value in more.items() if name not in ("endpoint", "model", "action")},
        },
        "assumes": [*lever.assumes(), *_unpriced(charged), *_floored(step)],
        "action": more.get("action") or lever.action,
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
