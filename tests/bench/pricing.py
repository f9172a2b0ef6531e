"""What pricing a call costs beside genai-prices' own calculator: `python tests/bench/pricing.py [--rows N]`.

Prices N seeded calls of ten models with `llmaudit.price`, and as many as fit into five seconds with
`genai_prices.calc_price`, in one process. Prints calls a second, the ratio, and the largest relative difference.
"""

from __future__ import annotations

import argparse
import random
import time
from datetime import UTC, datetime, timedelta

import polars as pl
from genai_prices import Usage, calc_price

import llmaudit

MODELS = [
    ("openai", "gpt-4o-2024-08-06"), ("openai", "gpt-4o-mini"), ("openai", "gpt-5.6-luna"), ("openai", "gpt-5.5"),
    ("openai", "gpt-4.1-mini"), ("anthropic", "claude-sonnet-5-5"), ("anthropic", "claude-opus-5-5"),
    ("anthropic", "claude-haiku-4-5"), ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"),
]  # fmt: skip
SECONDS = 5.0


def calls(rows: int) -> pl.DataFrame:
    rng = random.Random(11)
    start = datetime(2026, 11, 1)  # noqa: DTZ001 - the tables keep UTC without a zone
    chosen = [MODELS[rng.randrange(len(MODELS))] for _ in range(rows)]
    tokens = [rng.randrange(100, 20_000) for _ in range(rows)]
    return pl.DataFrame(
        {
            "provider": [provider for provider, _ in chosen],
            "model": [model for _, model in chosen],
            "started_at": [start + timedelta(seconds=number % 1_000_000) for number in range(rows)],
            "input_tokens": tokens,
            "cache_read_tokens": [count // 3 for count in tokens],
            "output_tokens": [count // 10 for count in tokens],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    frame = calls(parser.parse_args().rows)
    llmaudit.price(frame.head(10))
    started = time.perf_counter()
    priced = llmaudit.price(frame)
    ours = frame.height / (time.perf_counter() - started)
    theirs, worst, compared = 0.0, 0.0, 0
    started = time.perf_counter()
    for row in priced.iter_rows(named=True):
        usage = Usage(
            input_tokens=row["input_tokens"],
            cache_read_tokens=row["cache_read_tokens"],
            output_tokens=row["output_tokens"],
        )
        at = row["started_at"].replace(tzinfo=UTC)
        price = calc_price(usage, row["model"], provider_id=row["provider"], genai_request_timestamp=at).total_price
        worst = max(worst, abs(float(row["cost_usd"]) / float(price) - 1))
        compared += 1
        if time.perf_counter() - started > SECONDS:
            break
    theirs = compared / (time.perf_counter() - started)
    print(f"llmaudit.price           {ours:12,.0f} calls a second")
    print(f"genai_prices.calc_price  {theirs:12,.0f} calls a second")
    print(f"ratio {ours / theirs:,.0f}; largest relative difference over {compared:,} calls: {worst:.1e}")


if __name__ == "__main__":
    main()
