"""What pricing a call costs beside genai-prices' and LiteLLM's own calculators: `python tests/bench/pricing.py [--rows N]`.

Prices N seeded calls (models of three providers, tiers, cache reads, both kinds of cache writes, reasoning, long
requests, two months) with `llmaudit.price`, and as many of them as fit into five seconds, one by one, with
`genai_prices.calc_price` and, where LiteLLM is installed, `litellm.cost_per_token`. Their usage objects are made
beforehand and not timed. Prints calls a second of wall and of CPU time, ratios, and how the prices compare.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import polars as pl

import llmaudit

MODELS = [
    ("openai", "gpt-5.5"), ("openai", "gpt-5-mini"), ("openai", "gpt-4.1-mini"), ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-5-5"), ("anthropic", "claude-opus-5-5"),
    ("anthropic", "claude-haiku-4-5"), ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"),
]  # fmt: skip
TIERS = {"gpt-5.5": ["standard", "batch", "flex"], "gpt-5-mini": ["standard", "batch", "flex", "priority"]}
SECONDS = 5.0


def calls(rows: int) -> pl.DataFrame:
    """Seeded calls that use every dimension of text models."""
    rng = np.random.default_rng(11)
    picked = rng.integers(0, len(MODELS), rows)
    provider, model = (np.array([m[at] for m in MODELS])[picked] for at in (0, 1))
    tier = np.full(rows, "standard", dtype=object)
    for name, tiers in TIERS.items():
        chosen = model == name
        tier[chosen] = np.array(tiers)[rng.integers(0, len(tiers), chosen.sum())]
    tokens = rng.integers(100, 20_000, rows) * np.where(rng.random(rows) < 0.02, 15, 1)
    output = rng.integers(10, 2_000, rows)
    is_anthropic = provider == "anthropic"
    writes = np.where(is_anthropic, tokens // 5, 0)
    return pl.DataFrame(
        {
            "provider": provider,
            "model": model,
            "service_tier": tier.astype(str),
            "started_at": np.datetime64("2026-10-20T00:00:00", "us") + rng.integers(0, 32 * 86_400, rows) * 1_000_000,
            "input_tokens": tokens,
            "cache_read_tokens": tokens // 3,
            "cache_write_tokens": writes,
            "cache_write_long_tokens": np.where(rng.random(rows) < 0.3, writes // 2, 0),
            "output_tokens": output,
            "reasoning_tokens": np.where(is_anthropic, 0, output // 3),
        }
    )


@dataclass(frozen=True)
class Peer:
    name: str
    usage: Callable[[dict[str, Any]], Any]
    price: Callable[[dict[str, Any], Any], float]


def genai_prices() -> Peer:
    from genai_prices import Usage, calc_price

    context = {
        "batch": {"processing": "batch"},
        "flex": {"service_tier": "flex"},
        "priority": {"service_tier": "priority"},
    }

    def usage(row: dict[str, Any]) -> Any:
        return Usage(
            input_tokens=row["input_tokens"],
            cache_read_tokens=row["cache_read_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
            cache_write_1h_tokens=row["cache_write_long_tokens"],
            output_tokens=row["output_tokens"],
            output_reasoning_tokens=row["reasoning_tokens"],
        )

    def price(row: dict[str, Any], counted: Any) -> float:
        found = calc_price(
            counted,
            row["model"],
            provider_id=row["provider"],
            genai_request_timestamp=row["started_at"],
            price_context=context.get(row["service_tier"]),
        )
        return float(found.total_price)

    return Peer("genai_prices.calc_price", usage, price)


def litellm() -> Peer:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm import cost_per_token
    from litellm.types.utils import CacheCreationTokenDetails, PromptTokensDetailsWrapper, Usage

    routes = {"google": "gemini"}

    def usage(row: dict[str, Any]) -> Any:
        long = row["cache_write_long_tokens"]
        details = PromptTokensDetailsWrapper(
            cached_tokens=row["cache_read_tokens"],
            cache_creation_tokens=row["cache_write_tokens"],
            cache_creation_token_details=CacheCreationTokenDetails(
                ephemeral_5m_input_tokens=row["cache_write_tokens"] - long, ephemeral_1h_input_tokens=long
            ),
        )
        return Usage(
            prompt_tokens=row["input_tokens"],
            completion_tokens=row["output_tokens"],
            total_tokens=row["input_tokens"] + row["output_tokens"],
            prompt_tokens_details=details,
            cache_read_input_tokens=row["cache_read_tokens"],
            cache_creation_input_tokens=row["cache_write_tokens"],
        )

    def price(row: dict[str, Any], counted: Any) -> float:
        tier = row["service_tier"]
        provider = routes.get(row["provider"], row["provider"])
        return sum(
            cost_per_token(
                model=row["model"],
                custom_llm_provider=provider,
                usage_object=counted,
                service_tier=None if tier == "standard" else tier,
            )
        )

    return Peer("litellm.cost_per_token", usage, price)


def peers() -> Iterator[Peer]:
    for make in (genai_prices, litellm):
        try:
            yield make()
        except ImportError as error:
            print(f"{make.__name__} is left out: {error}")


def beside(peer: Peer, rows: list[dict[str, Any]]) -> tuple[float, float, int, int]:
    """Calls a second of wall and CPU time; how many were compared, and how many prices are equal to 1e-9."""
    counted = [peer.usage(row) for row in rows]
    peer.price(rows[0], counted[0])
    wall, cpu = time.perf_counter(), time.process_time()
    found = []
    for row, usage in zip(rows, counted, strict=True):
        found.append(peer.price(row, usage))
        if time.perf_counter() - wall > SECONDS:
            break
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    ours = [float(row["cost_usd"]) for row in rows[: len(found)]]
    equal = sum(abs(a - b) <= 1e-9 * b for a, b in zip(ours, found, strict=True))
    return len(found) / wall, len(found) / cpu, len(found), equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--compared", type=int, default=100_000)
    given = parser.parse_args()
    frame = calls(given.rows)
    llmaudit.price(frame.head(10))
    wall, cpu = time.perf_counter(), time.process_time()
    priced = llmaudit.price(frame)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"llmaudit.price: {frame.height:,} calls in {wall:.1f} s wall, {cpu:.1f} s CPU; {priced['cost_usd'].null_count():,} unpriced"
    )
    ours, ours_cpu = frame.height / wall, frame.height / cpu
    print(f"{'llmaudit.price':26}{ours:13,.0f} calls/s  {ours_cpu:13,.0f} calls per CPU second")
    rows = priced.head(given.compared).to_dicts()
    for row in rows:
        row["started_at"] = row["started_at"].replace(tzinfo=UTC)
    for peer in peers():
        theirs, theirs_cpu, compared, equal = beside(peer, rows)
        print(
            f"{peer.name:26}{theirs:13,.0f} calls/s  {theirs_cpu:13,.0f} calls per CPU second; ratio {ours / theirs:,.0f} by the clock, "
            f"{ours_cpu / theirs_cpu:,.0f} by CPU time on one core; {equal:,} of {compared:,} prices equal to 1e-9"
        )


if __name__ == "__main__":
    main()
