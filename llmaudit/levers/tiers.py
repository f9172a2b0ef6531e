"""What providers' cheaper and dearer tiers do to a call: dated facts, beside the prices that the book has of them."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine

RULES = pa.schema(
    [
        ("provider", pa.string()),
        ("model", pa.string()),
        ("tier", pa.string()),
        ("keeps_cache", pa.bool_()),
        ("max_hours", pa.int64()),
        ("min_calls", pa.int64()),
        ("source", pa.string()),
        ("as_of", pa.date32()),
    ]
)


def put_rules(engine: Engine) -> str:
    """The rule for every provider, model and tier on offer, as the table `tier_rules`."""
    offered = engine.fetch(queries.run(engine, "offered_tiers")).to_pylist()
    found = [{**place, **_rule(place["provider"], place["model"], place["tier"])} for place in offered]
    engine.put("tier_rules", pa.Table.from_pylist(found, schema=RULES))
    return "tier_rules"


def _rule(provider: str, model: str, tier: str) -> dict[str, Any]:
    return next(
        {name: rule[name] for name in RULES.names[3:]}
        for rule in rules()
        if fnmatch(provider, rule["provider"])
        and fnmatch(tier, rule["tier"])
        and any(fnmatch(model.lower(), pattern) for pattern in rule["models"])
    )


@cache
def rules() -> list[dict[str, Any]]:
    """The rules of facts/batch.toml, in their order."""
    text = files(__package__).joinpath("facts", "batch.toml").read_text("utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["rule"]
    return found
