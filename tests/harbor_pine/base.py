"""What every part of the samples stands on: prices, dice, one call, what is planted."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from harbor_pine import words

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 31

# US dollars per million tokens: input, cache read, cache write, long cache write, output. List prices of October 2026,
# the same on every day of it; read from genai-prices 0.2.3 (https://github.com/pydantic/genai-prices) on 2026-11-21.
RATES: dict[str, tuple[str, str, str, str, str]] = {
    "gpt-4o-2024-08-06": ("2.5", "1.25", "2.5", "2.5", "10"),
    "gpt-4o-mini-2024-07-18": ("0.15", "0.075", "0.15", "0.15", "0.6"),
    "gpt-4.1-mini-2025-04-14": ("0.4", "0.1", "0.4", "0.4", "1.6"),
    "gpt-5-mini-2025-08-07": ("0.25", "0.025", "0.25", "0.25", "2"),
    "gpt-5.6-terra": ("2", "0.2", "2.5", "2.5", "12"),
    "gpt-5.6-luna": ("0.2", "0.02", "0.25", "0.25", "1.2"),
    "gpt-6.1-sol": ("2", "0.1", "2.5", "2.5", "10"),
    "gpt-6-luna": ("0.1", "0.01", "0.125", "0.125", "0.5"),
    "text-embedding-3-small": ("0.02", "0.02", "0.02", "0.02", "0"),
    "claude-sonnet-5-5": ("2", "0.1", "2.5", "4", "10"),
    "claude-haiku-5-5": ("0.1", "0.01", "0.125", "0.2", "0.5"),
    "claude-opus-5-5": ("4", "0.2", "5", "8", "20"),
}
TEAM_PROJECT = {"support": "proj_support", "catalog": "proj_catalog", "content": "proj_content", "data": "proj_data"}
SNAPSHOT = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
}
"""The dated model behind each alias that is asked for."""

OFFICE = (0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 11, 9, 6, 8, 10, 10, 8, 5, 3, 2, 2, 1, 0, 0)
CUSTOMERS = (1, 0, 0, 0, 0, 1, 2, 4, 6, 7, 7, 7, 7, 6, 6, 7, 7, 7, 8, 9, 9, 7, 4, 2)
WEEK = (1.0, 1.05, 1.0, 0.95, 0.85, 0.3, 0.25)
BYTES_PER_TOKEN = 4.2
"""Token counts in the samples are estimates, not a tokenizer's."""


@dataclass(frozen=True)
class Usage:
    """Tokens as in the canonical table: input includes the cache, output includes reasoning."""

    input: int
    output: int = 0
    read: int = 0
    write: int = 0
    write_long: int = 0
    reasoning: int = 0

    def cost(self, model: str) -> Decimal:
        fresh, read, write, write_long, output = (Decimal(rate) for rate in RATES[model])
        paid = (self.input - self.read - self.write) * fresh + self.read * read + self.output * output
        return (paid + (self.write - self.write_long) * write + self.write_long * write_long) / 1_000_000


@dataclass(frozen=True)
class Call:
    """One call. `usage` is None where the log has none; `model` is the billed one."""

    site: str
    request_id: str
    at: datetime
    provider: str
    model: str
    request: dict[str, Any]
    response: Any
    usage: Usage | None
    latency_ms: int
    team: str | None
    user: str | None = None
    session: str | None = None
    status: int = 200
    error: Any = None
    ttft_ms: int | None = None
    labelled: bool = True

    def cost(self) -> Decimal:
        return self.usage.cost(self.model) if self.usage else Decimal(0)


@dataclass
class Truth:
    """What is planted, by request id."""

    cacheable: dict[str, str] = field(default_factory=dict)
    identical_sampled: dict[str, str] = field(default_factory=dict)
    nondeterministic: list[str] = field(default_factory=list)
    resampled: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    failed: dict[str, str | None] = field(default_factory=dict)
    failed_but_billed: list[str] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    without_usage: list[str] = field(default_factory=list)
    gateway_cache_hits: dict[str, str] = field(default_factory=dict)
    in_two_logs: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)


class Dice:
    """Chance that is the same on every Python: only `Random.random()` is drawn."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"harbor and pine {name}").random

    def upto(self, n: int) -> int:
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        return low + self.upto(high - low + 1)

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.upto(len(items))]

    def chance(self, share: float) -> bool:
        return self._random() < share

    def weighted(self, weights: Sequence[float]) -> int:
        left = self._random() * sum(weights)
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return len(weights) - 1

    def skewed(self, low: int, high: int) -> int:
        """Mostly near `low`, now and then near `high`, like a latency."""
        return low + int((high - low) * self._random() * self._random() * self._random())

    def fill(self, text: str) -> str:
        """Put a fresh word or number into every {blank}."""
        blanks = {
            "product": self.pick(words.PRODUCTS),
            "city": self.pick(words.CITIES),
            "name": self.pick(words.NAMES),
            "material": self.pick(words.MATERIALS),
            "colour": self.pick(words.COLOURS),
            "order": f"HP-{self.between(40_000, 89_999)}",
            "amount": str(self.between(21, 190)),
            "day": str(self.between(2, 28)),
        }
        for name, value in blanks.items():
            text = text.replace("{" + name + "}", value)
        return text

    def times(self, n: int, hours: Sequence[float]) -> list[datetime]:
        """`n` moments of the month with the week's rhythm, in order."""
        weekdays = [WEEK[(FIRST + timedelta(days=day)).weekday()] for day in range(DAYS)]
        found = []
        for _ in range(n):
            start = FIRST + timedelta(days=self.weighted(weekdays), hours=self.weighted(hours))
            found.append(start + timedelta(milliseconds=self.upto(3_590_000)))
        return sorted(found)


def tokens(text: str) -> int:
    return round(len(text.encode()) / BYTES_PER_TOKEN)


def prompt_tokens(*texts: str) -> int:
    return 3 + sum(4 + tokens(text) for text in texts)


def digest(name: str, size: int = 24) -> str:
    return hashlib.sha256(f"harbor and pine {name}".encode()).hexdigest()[:size]


def later(at: datetime, ms: int) -> datetime:
    return at + timedelta(milliseconds=ms)


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
