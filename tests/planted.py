"""A week of calls with the exact bill for it, and what can be planted in either. Prices are written here once more, by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from conftest import requests_table
from small_logs import book

from llmaudit import reconcile
from llmaudit.engine import Engine
from llmaudit.pricing import no_rates
from llmaudit.reconcile import Reconciled
from llmaudit.schema import CHARGES, PRICED, USAGE

FIRST = datetime.fromisoformat("2026-10-05T00:00:00")
DAYS = 8
DAY = timedelta(days=1)
MTOK = Decimal(1_000_000)

RATES = {
    "gpt-4o-2024-08-06": {"input": "2.5", "cache_read": "1.25", "cache_write": "2.5", "output": "10"},
    "gpt-4o-mini-2024-07-18": {"input": "0.15", "cache_read": "0.075", "cache_write": "0.15", "output": "0.6"},
    "gpt-4.1-mini-2025-04-14": {"input": "0.4", "cache_read": "0.1", "cache_write": "0.4", "output": "1.6"},
    "gpt-5-mini-2025-08-07": {"input": "0.25", "cache_read": "0.025", "cache_write": "0.25", "output": "2"},
}
"""US dollars a million tokens, list."""
HALF = Decimal("0.5")
TIER_FACTOR = {"standard": Decimal(1), "batch": HALF, "flex": HALF}

Tokens = dict[str, int]


def usd(model: str, tokens: Tokens, tier: str = "standard") -> Decimal:
    return sum((tokens[c] * Decimal(RATES[model][c]) * TIER_FACTOR[tier] / MTOK for c in tokens), Decimal(0))


class Planted:
    """`calls` is what the log has, `lines` what the bill has: (day, model, class) -> [tokens, amount]."""

    def __init__(self, seed: int = 1, per_day: int = 5) -> None:
        dice = random.Random(seed)
        self.calls: list[dict[str, Any]] = []
        self.lines: dict[tuple[datetime, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        self.counts: dict[tuple[datetime, str], dict[str, int]] = {}
        self.extra: list[dict[str, Any]] = []
        self.source, self.currency = "openai_costs", "USD"
        self.project = "proj_1"
        for day in range(DAYS):
            for model in RATES:
                for _ in range(per_day):
                    at = FIRST + day * DAY + timedelta(minutes=dice.randrange(24 * 60))
                    cached = dice.choice((0, 0, 1024, 2048))
                    tokens = {
                        "input": dice.randrange(200, 9000),
                        "cache_read": cached,
                        "output": dice.randrange(50, 2000),
                    }
                    self.log(at, model, tokens)
                    self.bill(at, model, tokens)

    # --- both sides ---------------------------------------------------------------------------------

    def log(self, at: datetime, model: str, tokens: Tokens, tier: str | None = None, **more: Any) -> dict[str, Any]:
        costs = {c: usd(model, {c: n}, tier or "standard") for c, n in tokens.items()}
        number = len(self.calls)
        row = {
            "request_id": f"c{number:05}",
            "source": "plain_jsonl",
            "source_file": "log.jsonl",
            "source_row": number + 1,
            "started_at": at,
            "provider": "openai",
            "request_model": model,
            "response_model": model,
            "model": model,
            "service_tier": tier,
            "billing_mode": "metered",
            "billable": True,
            "status": "ok",
            "http_status": 200,
            "prompt_hash": number,
            "input_tokens": sum(n for c, n in tokens.items() if c != "output"),
            "cache_read_tokens": tokens.get("cache_read", 0),
            "cache_write_tokens": tokens.get("cache_write", 0),
            "output_tokens": tokens.get("output", 0),
            "priced_by": "exact",
            "other_usd": Decimal(0),
            "cache_write_long_usd": Decimal(0),
            "cost_usd": sum(costs.values(), Decimal(0)),
            **{f"{c}_usd": costs.get(c, Decimal(0)) for c in ("input", "cache_read", "cache_write", "output")},
            **more,
        }
        self.calls.append(row)
        return row

    def bill(self, at: datetime, model: str, tokens: Tokens, tier: str = "standard", calls: int = 1) -> None:
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        for token_class, count in tokens.items():
            if count:
                line = self.lines[day, model, token_class]
                line[0] += count
                line[1] += usd(model, {token_class: count}, tier)
        found = self.counts.setdefault((day, model), defaultdict(int))
        found["requests"] += calls
        for token_class, count in tokens.items():
            found[token_class] += count

    def fail(self, at: datetime, model: str, http_status: int, prompt: int | None = None) -> None:
        """A call that the log has as failed, without usage."""
        nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"))
        self.log(
            at, model, {}, status="error", http_status=http_status, response_model=None, billable=False,
            prompt_hash=prompt, priced_by=None, **nothing,
        )  # fmt: skip

    def line(self, amount: str, description: str, day: int = 0, **more: Any) -> None:
        """A line that stands for no call."""
        self.extra.append(
            {
                "billed_cost": Decimal(amount),
                "charge_description": description,
                "charge_period_start": FIRST + day * DAY,
                **more,
            }
        )

    def scale(self, factor: Callable[[tuple[datetime, str, str]], Decimal]) -> Decimal:
        """Multiply amounts, not tokens; return what that adds."""
        added = Decimal(0)
        for place, line in self.lines.items():
            before = line[1]
            line[1] = (before * factor(place)).quantize(Decimal("1e-12"))
            added += line[1] - before
        return added

    @property
    def logged(self) -> Decimal:
        return sum((row["cost_usd"] for row in self.calls), Decimal(0))

    # --- as tables ----------------------------------------------------------------------------------

    def charges(self) -> pa.Table:
        about = {"source": self.source, "provider": "openai", "account_id": "org-1", "billing_currency": self.currency}
        rows = [
            {
                **about,
                "charge_category": "Usage",
                "charge_description": f"{model}, {token_class}",
                "sub_account_id": self.project,
                "charge_period_start": day,
                "charge_period_end": day + DAY,
                "model": model,
                "token_class": token_class,
                "quantity": tokens,
                "quantity_unit": "tokens",
                "billed_cost": amount,
            }
            for (day, model, token_class), (tokens, amount) in self.lines.items()
        ]
        for line in self.extra:
            end = line["charge_period_start"] + DAY
            rows.append({**about, "charge_category": "Usage", "charge_period_end": end, **line})
        for number, row in enumerate(rows):
            row |= {"charge_id": f"l{number:05}", "source_file": "bill.json", "source_row": number + 1}
        return pa.Table.from_pylist(rows, CHARGES)

    def usage(self) -> pa.Table:
        rows = [
            {
                "source": "openai_usage",
                "usage_id": f"u{number}",
                "provider": "openai",
                "period_start": day,
                "period_end": day + DAY,
                "model": model,
                "service_tier": "standard",
                "requests": counts["requests"],
                "input_tokens": counts["input"] + counts["cache_read"] + counts["cache_write"],
                "cache_read_tokens": counts["cache_read"],
                "cache_write_tokens": counts["cache_write"],
                "output_tokens": counts["output"],
            }
            for number, ((day, model), counts) in enumerate(self.counts.items())
        ]
        return pa.Table.from_pylist(rows, USAGE)

    def reconcile(self, engine: Engine, *, counted: bool = True, rates: reconcile.Rates = no_rates) -> Reconciled:
        [found] = self.reconcile_all(engine, counted=counted, rates=rates)
        return found

    def reconcile_all(
        self, engine: Engine, *, counted: bool = True, rates: reconcile.Rates = no_rates
    ) -> list[Reconciled]:
        engine.put("requests", requests_table(self.calls, PRICED))
        engine.put("charges", self.charges())
        engine.put("aggregates", self.usage() if counted else self.usage().slice(0, 0))
        times = [row["started_at"] for row in self.calls]
        return reconcile.reconcile(engine, book(), rates, min(times), max(times))


def classes(found: Reconciled) -> dict[str, Decimal]:
    """Cause -> amount, what is unexplained among them; amounts that are nothing are left out."""
    every = {part.name: part.amount for part in found.parts} | {"unexplained": found.unexplained or Decimal(0)}
    return {name: amount for name, amount in every.items() if amount}
