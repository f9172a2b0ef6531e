"""Prompt caching: the replay of providers' rules against published traces and a brute-force oracle."""

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmaudit import queries
from llmaudit.detectors import prefixes
from llmaudit.detectors.breaks import BREAKS
from llmaudit.engine.duckdb import DuckDB
from llmaudit.pricing.caching import RULES

SHARED = Path(__file__).parents[2] / "shared"
MOONCAKE = SHARED / "traces" / "mooncake_conversation.jsonl.gz"
MOONCAKE_BLOCK_TOKENS = 512
EVER_SECONDS = 10_000_000
START = datetime.fromisoformat("2026-10-01T09:00:00")

USAGE = pa.schema(
    [
        ("request_id", pa.string()),
        ("started_at", pa.timestamp("us")),
        *((name, pa.string()) for name in ("provider", "account_id", "region", "endpoint", "model")),
        *((name, pa.float64()) for name in ("first_token_ms", "duration_ms")),
        ("billable", pa.bool_()),
        *(
            (name, pa.int64())
            for name in (
                "prompt_hash",
                "template_hash",
                "input_tokens",
                "cache_read_tokens",
                "cache_write_tokens",
                "cache_write_long_tokens",
            )
        ),
    ]
)
RULE = {
    "provider": "acme",
    "model": "acme-1",
    "min_tokens": 0,
    "increment_tokens": 1,
    "short_seconds": 300,
    "long_seconds": 3_600,
    "read_multiple": 0.1,
    "write_multiple": 1.25,
    "long_write_multiple": 2.0,
}


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=2)
    yield engine
    engine.close()


def asked(number: int, seconds: float, tokens: int, **more: Any) -> dict[str, Any]:
    """A call with a prompt of its own number."""
    return {
        "request_id": f"c{number:06}",
        "started_at": START + timedelta(seconds=seconds),
        "provider": "acme",
        "model": "acme-1",
        "billable": True,
        "prompt_hash": number,
        "input_tokens": tokens,
        **more,
    }


def touches(
    engine: DuckDB,
    calls: Iterable[dict[str, Any]],
    chains: Iterable[tuple[list[int], list[int]]],
    common_calls: int = 20,
    mends: Iterable[dict[str, Any]] = (),
    **rule: Any,
) -> list[dict[str, Any]]:
    """What cache_touches.sql finds for calls whose prompts have these chains (block ids and bytes), call by call."""
    calls, chains = list(calls), list(chains)
    put_chains(engine, [(call["prompt_hash"], *chains[call["prompt_hash"]]) for call in calls])
    engine.put("replayed", pa.Table.from_pylist(calls, USAGE))
    engine.put("cache_rules", pa.Table.from_pylist([{**RULE, **rule}], RULES))
    engine.put("prompt_breaks", pa.Table.from_pylist(list(mends), BREAKS))
    params = {"common_calls": common_calls}
    return engine.fetch(queries.run(engine, "cache_touches", params=params, usage="replayed")).to_pylist()


def put_chains(engine: DuckDB, chains: Iterable[tuple[int, list[int], list[int]]]) -> None:
    prompts, hashes, ends = zip(*chains, strict=True)
    columns = {
        "prompt_hash": pa.array(prompts, pa.int64()),
        "block_hashes": pa.array(hashes, pa.list_(pa.int64())),
        "block_bytes": pa.array(ends, pa.list_(pa.int64())),
    }
    nodes, sizes = prefixes.shared(pa.table(columns))
    engine.put("prefix_nodes", nodes)
    engine.put("prompt_sizes", sizes)


def total(rows: Iterable[dict[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)


# --- a published trace ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mooncake() -> tuple[list[dict[str, Any]], list[tuple[list[int], list[int]]]]:
    """Mooncake's conversations: calls, and chains of ids over blocks of 512 tokens (a byte stands for a token here)."""
    if not MOONCAKE.exists():
        pytest.skip("the traces are not on this machine")
    with gzip.open(MOONCAKE, "rt") as lines:
        trace = [json.loads(line) for line in lines]
    calls = [asked(n, one["timestamp"] / 1_000, one["input_length"]) for n, one in enumerate(trace)]
    chains = [(one["hash_ids"], ends_of(one["input_length"], len(one["hash_ids"]))) for one in trace]
    return calls, chains


def ends_of(tokens: int, blocks: int) -> list[int]:
    return [min(MOONCAKE_BLOCK_TOKENS * (n + 1), tokens) for n in range(blocks)]


@pytest.mark.parametrize(
    ("seconds", "floor", "share"),
    [
        (EVER_SECONDS, 0, 0.37362),
        (600, 0, 0.35012),
        (300, 0, 0.29339),
        (60, 0, 0.10537),
        (300, 1_024, 0.2637),
        (3_600, 1_024, 0.3474),
    ],
)
def test_mooncakes_read_share_is_the_published_one(duck, mooncake, seconds, floor, share):
    calls, chains = mooncake
    rows = touches(duck, calls, chains, short_seconds=seconds, min_tokens=floor)
    assert total(rows, "short_tokens") / total(rows, "input_tokens") == pytest.approx(share, abs=1e-4)


# --- the oracle: a walk in time, with a dictionary for a cache ---------------------------------------


def walked(
    calls: list[dict[str, Any]], chains: list[tuple[list[int], list[int]]], ttl: int, rule: dict[str, Any]
) -> dict[str, int]:
    """Tokens each call could read: a cache in which an entry exists from when its call begins to answer."""
    touched: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    found = {}
    for call in sorted(calls, key=lambda c: (c["started_at"], c["request_id"])):
        hashes, ends = chains[call["prompt_hash"]]
        now = call["started_at"].timestamp()
        read = 0
        for block, end in zip(hashes, ends, strict=True):
            earlier = touched.get((call.get("account_id"), call.get("region"), block), [])
            if not any(ready <= now and now - start <= ttl for start, ready in earlier):
                break
            read = round_half_up(call["input_tokens"] * end / ends[-1])
        found[call["request_id"]] = read - read % rule["increment_tokens"] if read >= rule["min_tokens"] else 0
        waits = (
            next((call[name] for name in ("first_token_ms", "duration_ms") if call.get(name) is not None), 0) / 1_000
        )
        for block in hashes:
            touched.setdefault((call.get("account_id"), call.get("region"), block), []).append((now, now + waits))
    return found


def round_half_up(value: float) -> int:
    return int(value + 0.5)


@st.composite
def caching_logs(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[list[int], list[int]]]]:
    """Calls over twenty minutes whose prompts grow on a small tree, some of them asked twice."""
    texts = draw(st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=8))
    chains = []
    for text in texts:
        hashes = [hash(text[: n + 1]) for n in range(len(text))]
        chains.append((hashes, [512 * (n + 1) for n in range(len(text))]))
    calls = []
    for number in range(draw(st.integers(1, 12))):
        prompt = draw(st.integers(0, len(texts) - 1))
        more = {
            "prompt_hash": prompt,
            "account_id": draw(st.sampled_from(("org", None))),
            "first_token_ms": draw(st.sampled_from((None, 0.0, 40_000.0))),
            "duration_ms": draw(st.sampled_from((None, 90_000.0))),
        }
        calls.append(asked(number, draw(st.integers(0, 1_200)), 128 * len(texts[prompt]), **more))
    return calls, chains


@given(caching_logs(), st.sampled_from((60, 300)), st.sampled_from((0, 256)), st.sampled_from((1, 200)))
def test_reads_are_those_of_a_walk_in_time(duck, log, seconds, floor, step):
    calls, chains = log
    rule = {"short_seconds": seconds, "min_tokens": floor, "increment_tokens": step}
    rows = touches(duck, calls, chains, **rule)
    assert {row["request_id"]: row["short_tokens"] for row in rows} == walked(calls, chains, seconds, rule)
