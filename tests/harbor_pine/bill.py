"""OpenAI's bill and usage pages for the month: the logged calls, and twenty that no log has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from harbor_pine.base import DAYS, FIRST, RATES, TEAM_PROJECT, Call, Usage, compact

GAP_DAY, GAP_MODEL, GAP_CALLS, GAP_USAGE = date(2026, 10, 14), "gpt-4o-2024-08-06", 20, Usage(38_000, 8_400)
"""Twenty calls from a laptop that no log has: they are on the bill and in the provider's usage only."""

Bucket = tuple[date, str, str]


def usage_by_bucket(calls: Iterable[Call]) -> dict[Bucket, tuple[int, Usage]]:
    """Calls and tokens that OpenAI bills, by day, project and model, the unlogged ones included."""
    found: dict[Bucket, tuple[int, Usage]] = {(GAP_DAY, "proj_support", GAP_MODEL): (GAP_CALLS, GAP_USAGE)}
    for call in calls:
        if call.provider == "openai" and call.usage:
            key = (call.at.date(), TEAM_PROJECT.get(call.team or "", "proj_default"), call.model)
            n, sofar = found.get(key, (0, Usage(0)))
            found[key] = (n + 1, plus(sofar, call.usage))
    return dict(sorted(found.items()))


def plus(a: Usage, b: Usage) -> Usage:
    return Usage(
        a.input + b.input, a.output + b.output, a.read + b.read, a.write + b.write, 0, a.reasoning + b.reasoning
    )


def cost_lines(bucket: Bucket, usage: Usage) -> Iterator[tuple[dict[str, Any], Decimal]]:
    _, project, model = bucket
    fresh, read, write, _, output = RATES[model]
    parts = [
        ("input", usage.input - usage.read - usage.write, fresh),
        ("cached input", usage.read, read),
        ("cache writes", usage.write, write),
        ("output", usage.output, output),
    ]
    for name, count, rate in parts:
        if count:
            usd = count * Decimal(rate) / 1_000_000
            yield (
                {
                    "object": "organization.costs.result",
                    "amount": {"value": f"{usd:.36f}", "currency": "usd"},
                    "line_item": f"{model}, {name}",
                    "quantity": float(count),
                    "quantity_unit": "tokens",
                    "project_id": project,
                    "organization_id": "org-harborpine",
                    "user_id": None,
                    "api_key_id": None,
                },
                usd,
            )


def usage_result(bucket: Bucket, n: int, usage: Usage) -> dict[str, Any]:
    _, project, model = bucket
    fresh = usage.input - usage.read - usage.write
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "input_cached_tokens": usage.read,
        "input_uncached_tokens": fresh,
        "input_cache_write_tokens": usage.write,
        "input_text_tokens": fresh,
        "output_text_tokens": usage.output,
        "num_model_requests": n,
        "project_id": project,
        "user_id": None,
        "api_key_id": None,
        "model": model,
        "batch": False,
        "service_tier": "default",
    }


def page(results: dict[date, list[dict[str, Any]]]) -> dict[str, Any]:
    buckets = []
    for offset in range(DAYS):
        start = FIRST + timedelta(days=offset)
        end = start + timedelta(days=1)
        times = {
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
            "start_time_iso": start.isoformat(),
            "end_time_iso": end.isoformat(),
        }
        buckets.append({"object": "bucket", **times, "results": results.get(start.date(), [])})
    return {"object": "page", "data": buckets, "has_more": False, "next_page": None}


def bill_files(bill: dict[Bucket, tuple[int, Usage]]) -> dict[str, bytes]:
    costs: dict[date, list[dict[str, Any]]] = defaultdict(list)
    usage: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for bucket, (n, used) in bill.items():
        costs[bucket[0]] += [line for line, _ in cost_lines(bucket, used)]
        if not bucket[2].startswith("text-embedding"):
            usage[bucket[0]].append(usage_result(bucket, n, used))
    return {
        "openai_costs/costs_2026-10.json": (compact(page(costs)) + "\n").encode(),
        "openai_usage/usage_completions_2026-10.json": (compact(page(usage)) + "\n").encode(),
    }
