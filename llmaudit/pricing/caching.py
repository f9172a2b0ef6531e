"""The rules of providers' prompt caches, as dated data: floor, step, life, and what a read or a write costs beside fresh input."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pyarrow as pa

from llmaudit.pricing.providers import canonical


@dataclass(frozen=True)
class CacheRule:
    """How one provider caches the prompts of some models. None is what it does not publish.

    `automatic` caches need nothing and cost nothing to write; `explicit` ones are marked by the caller. Multiples are
    of the price of fresh input. `look_back_blocks` is how far before a mark an older entry is still found.
    """

    providers: tuple[str, ...]
    models: str
    """Regular expression found in the model's name, lower case."""
    mode: str
    min_tokens: int | None
    increment_tokens: int | None
    short_policy: str | None
    short_seconds: int | None
    long_policy: str | None
    long_seconds: int | None
    refreshed_by_reads: bool
    read_multiple: float | None
    write_multiple: float
    long_write_multiple: float | None
    breakpoints: int
    look_back_blocks: int | None
    scope: str
    as_of: str
    confidence: str
    source: str
    note: str

    @property
    def is_replayable(self) -> bool:
        """Whether enough is published to say what would have been read."""
        return None not in (self.min_tokens, self.increment_tokens, self.short_seconds, self.read_multiple)

    @property
    def free_writes(self) -> bool:
        return self.write_multiple <= 1


RULES = pa.schema(
    [
        ("provider", pa.string()),
        ("model", pa.string()),
        ("min_tokens", pa.int64()),
        ("increment_tokens", pa.int64()),
        ("short_seconds", pa.int64()),
        ("long_seconds", pa.int64()),
        ("read_multiple", pa.float64()),
        ("write_multiple", pa.float64()),
        ("long_write_multiple", pa.float64()),
    ]
)
"""Rules as the replay joins them: one row per provider and model of the log."""


@cache
def rules() -> tuple[CacheRule, ...]:
    """Every rule, the more particular before the more general."""
    text = files(__package__).joinpath("data/cache_rules.csv").read_text("utf-8")
    return tuple(_rule(row) for row in csv.DictReader(text.splitlines()))


@cache
def rule_for(provider: str | None, model: str | None) -> CacheRule | None:
    """The rule of a model, or None where nothing is known.

    >>> rule_for("openai", "gpt-4o-2024-08-06").short_seconds, rule_for("acme", "acme-1")
    (300, None)
    """
    name, spoken = canonical(provider), (model or "").lower()
    found = (rule for rule in rules() if name in rule.providers and re.search(rule.models, spoken))
    return next(found, None)


def table(pairs: Iterable[tuple[str | None, str | None]]) -> pa.Table:
    """The rules of these providers and models that can be replayed, as RULES."""
    known = ((provider, model, rule_for(provider, model)) for provider, model in pairs)
    rows = [
        {"provider": provider, "model": model, **{name: getattr(rule, name) for name in RULES.names[2:]}}
        for provider, model, rule in known
        if rule is not None and rule.is_replayable
    ]
    return pa.Table.from_pylist(rows, schema=RULES)


def _rule(row: Mapping[str, str]) -> CacheRule:
    return CacheRule(
        providers=tuple(row["providers"].split()),
        models=row["models"],
        mode=row["mode"],
        min_tokens=_whole(row["min_tokens"]),
        increment_tokens=_whole(row["increment_tokens"]),
        short_policy=row["short_policy"] or None,
        short_seconds=_whole(row["short_seconds"]),
        long_policy=row["long_policy"] or None,
        long_seconds=_whole(row["long_seconds"]),
        refreshed_by_reads=row["refreshed_by_reads"] == "yes",
        read_multiple=_number(row["read_multiple"]),
        write_multiple=float(row["write_multiple"]),
        long_write_multiple=_number(row["long_write_multiple"]),
        breakpoints=int(row["breakpoints"]),
        look_back_blocks=_whole(row["look_back_blocks"]),
        **{name: row[name] for name in ("scope", "as_of", "confidence", "source", "note")},
    )


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _number(text: str) -> float | None:
    return float(text) if text else None
