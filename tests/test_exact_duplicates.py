"""Repeats: what a cache would have answered rightly, against a cache with a clock and against public traces."""

import gzip
import json
import random
import tarfile
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from small_logs import call, replay, table, write_log

import llmaudit
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.exact_duplicates import ExactDuplicates

SHARED = Path(__file__).parents[2] / "shared"
TRACES = SHARED / "traces" / "lmcache_agent_traces.tar.gz"
DEVLOG = SHARED / "devdata" / "devlog.jsonl.gz"


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@pytest.mark.parametrize("ttl_seconds", [30, 300, 3_600])
def test_a_planted_log_saves_what_a_cache_with_a_clock_saves(duck, ttl_seconds):
    rows = planted(random.Random(ttl_seconds))
    [step] = replay(duck, rows).plan([ExactDuplicates(ttl_seconds=ttl_seconds)], Decimal(1)).steps
    expected = sum((usd(row) for row in answered(rows, ttl_seconds)), Decimal(0))
    assert expected > 0
    assert abs(step.in_order_usd - expected) <= Decimal("0.000001")


def planted(draw):
    """Thirty questions by two accounts with two settings; one in five answers differs, one in five is sampled."""
    return [
        call(
            number,
            draw.randint(0, 7_200),
            prompt_hash=draw.randint(1, 30),
            account_id=draw.choice(("a", "b")),
            params_hash=draw.choice((1, 1, 1, 2)),
            output_hash=draw.choice((1, 1, 1, 1, 2)),
            temperature=draw.choice((0.0, 0.0, 0.0, 0.0, 0.7)),
            duration_ms=float(draw.randint(100, 60_000)),
            input_tokens=draw.randint(10, 2_000),
        )
        for number in range(600)
    ]


def answered(rows, ttl_seconds):
    cache = {}
    for row in sorted(rows, key=lambda row: (row["started_at"], row["request_id"])):
        key = tuple(row[name] for name in ("account_id", "prompt_hash", "params_hash", "output_hash"))
        now = row["started_at"].timestamp()
        stores = [at for at in cache.get(key, []) if at <= now]
        if row["temperature"] != 0:
            continue
        if stores and now - max(stores) <= ttl_seconds:
            yield row
        else:
            cache.setdefault(key, []).append(now + row["duration_ms"] / 1000)


def usd(row):
    return row["input_tokens"] * Decimal("0.0000025") + row["output_tokens"] * Decimal("0.00001")


def test_the_evidence_shows_the_repeats_that_a_cache_must_not_answer(duck):
    rows = [call(1), call(2, 60), call(3, 90, output_hash=2), call(4, 95, prompt_hash=2), call(5, 99, prompt_bytes=0)]
    usage = replay(duck, rows).usage
    [row] = table(duck, ExactDuplicates().evidence(duck, usage))
    assert (row["cacheable"], row["different_answer"], row["empty_prompts"]) == (1, 1, 1)


# --- public data ----------------------------------------------------------------------------------


@pytest.mark.skipif(not DEVLOG.exists(), reason="needs the development set")
@pytest.mark.slow
def test_the_development_log_has_as_many_of_each_class_as_its_truth_says(tmp_path):
    log = tmp_path / "devlog.jsonl"
    log.write_bytes(gzip.decompress(DEVLOG.read_bytes()))
    with llmaudit.audit(str(log), levers=("exact_duplicates",)) as audit:
        found = audit.data["duplicates"]
    assert {part["class"]: part["requests"] for part in found["classes"]} == {
        "cacheable": 245,
        "different_answer": 35,
        "retry": 40,
        "empty_prompt": 25,
    }


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.exists(), reason="needs the public agent traces")
@pytest.mark.parametrize(("temperature", "most"), [(None, 0.0), (0, 0.1)])
def test_most_of_what_looks_repeated_in_an_agents_trace_is_not_cacheable(tmp_path, temperature, most):
    calls = list(trace("magagent"))
    naive = 1 - len({c["input"] for c in calls}) / len(calls)
    assert round(naive, 3) == 0.777
    log = write_log(tmp_path / "trace.jsonl", (plain(c, temperature) for c in calls))
    with llmaudit.audit(str(log), levers=("exact_duplicates",)) as audit:
        found, total = audit.data["duplicates"], audit.data["totals"]["requests"]
    classes = Counter({part["class"]: part["requests"] for part in found["classes"]})
    assert total == len(calls) == 746
    assert classes["empty_prompt"] == 53
    assert found["cacheable_requests"] / total <= most
    assert classes["different_answer"] > 400


def trace(agent):
    with tarfile.open(TRACES) as tar:
        for member in tar.getmembers():
            if f"/{agent}/" in member.name and member.name.endswith(".jsonl"):
                yield from map(json.loads, tar.extractfile(member))


def plain(logged, temperature):
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": logged["input"]}]}
    return {
        "timestamp": datetime.fromtimestamp(logged["timestamp"] / 1e6, UTC).isoformat(),
        "endpoint": "/agent",
        "session_id": logged["session_id"],
        "provider": "openai",
        "request": asked if temperature is None else {**asked, "temperature": temperature},
        "response": {
            "choices": [{"message": {"role": "assistant", "content": logged["output"]}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1 + len(logged["input"]) // 4, "completion_tokens": len(logged["output"]) // 4},
        },
        "status": 200,
    }
