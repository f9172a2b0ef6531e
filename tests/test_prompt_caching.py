"""Prompt caching: the replay of providers' rules against published traces and a brute-force oracle."""

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import MODEL, call, replay

from llmaudit import queries
from llmaudit.detectors import prefixes
from llmaudit.detectors.breaks import BREAKS
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers import prompt_caching
from llmaudit.levers.cache_policies import judge
from llmaudit.levers.prompt_caching import PromptCaching
from llmaudit.pricing import caching
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
                "prompt_bytes",
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
        "prompt_bytes": 4 * tokens,
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
        **dict.fromkeys(("shared_blocks", "sharers"), pa.array([0] * len(prompts), pa.int64())),
    }
    nodes, sizes = prefixes.shared(pa.table(columns))
    engine.put("prefix_nodes", nodes)
    engine.put("prompt_sizes", sizes)


@pytest.mark.parametrize("most", [1, 3, 10, 100])
@pytest.mark.parametrize("seed", range(5))
def test_prompts_that_are_looked_at_apart_have_the_nodes_they_have_together(duck, monkeypatch, most, seed):
    numbers = np.random.default_rng(seed)
    walks = [numbers.integers(0, 2, numbers.integers(1, 9)).tolist() for _ in range(40)]
    walks += [[5, 5, 5, *walk] for walk in walks] + [[5, 5, 5], [7] * 4, [7] * 4]
    chains = [[hash((seed, *walk[: n + 1])) for n in range(len(walk))] for walk in walks]
    prompts = [hash(tuple(chain)) for chain in chains]
    ends = [[512 * (n + 1) for n in range(len(chain))] for chain in chains]
    put_chains(duck, zip(prompts, chains, ends, strict=True))
    together = nodes_and_sizes(duck)
    monkeypatch.setattr(prefixes, "ROWS_AT_ONCE", most)
    columns = {"prompt_hash": prompts, "block_hashes": chains, "block_bytes": ends}
    of_file = {name: ["f"] * len(prompts) for name in ("batch_id", "source_file")}
    duck.put("request_rows", pa.table({**columns, **of_file}))
    duck.put("batches", pa.table({"batch_id": ["f"], "path": ["f"]}))
    duck.put("calls", pa.table({"prompt_hash": prompts}))
    prefixes.load(duck)
    assert nodes_and_sizes(duck) == together


def nodes_and_sizes(engine: DuckDB) -> list[list[str]]:
    return [sorted(map(str, engine.fetch(table).to_pylist())) for table in ("prefix_nodes", "prompt_sizes")]


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


@pytest.mark.parametrize(
    ("model", "policy", "ratio"),
    [
        ("claude-sonnet-4-5", "5m", 0.947),
        ("claude-sonnet-4-5", "1h", 1.340),
        ("gpt-5.6", "30m", 0.854),
        ("gpt-5.6", "12h", 1.666),
    ],
)
def test_writing_every_prompt_of_mooncake_makes_the_published_bill(duck, mooncake, model, policy, ratio):
    verdict = judged(duck, *mooncake, model=model)
    [way] = [way for way in verdict.policies if (way.policy, way.writes) == (policy, "everything")]
    assert way.bill_tokens / verdict.totals["input_tokens"] == pytest.approx(ratio, abs=1e-3)


def test_an_hours_life_raises_mooncakes_bill_and_is_reported_as_a_loss(duck, mooncake):
    verdict = judged(duck, *mooncake, model="claude-sonnet-4-5")
    row = prompt_caching._row(verdict, None)
    [hour] = [way for way in row["policies"] if (way["policy"], way["writes"]) == ("1h", "everything")]
    assert hour["input_bill_ratio"] == pytest.approx(1.340, abs=1e-3)
    assert hour["loses_money"]
    assert row["best_policy"] == "5m"


def judged(duck, calls, chains, model):
    """The verdict on calls that the log says cached nothing, under the published rule of a model."""
    provider = "anthropic" if model.startswith("claude") else "openai"
    rule = caching.rule_for(provider, model)
    rates = {name: getattr(rule, name) for name in RULES.names[2:]}
    touches(duck, calls, chains, **rates)
    [totals] = duck.fetch(queries.run(duck, "cache_policies", touches="cache_touches")).to_pylist()
    return judge(totals, rule)


# --- the oracle: a walk in time, with a dictionary for a cache ---------------------------------------


def walked(
    calls: list[dict[str, Any]], chains: list[tuple[list[int], list[int]]], ttl: int, rule: dict[str, Any]
) -> dict[str, int]:
    """Tokens each call could read: a cache in which an entry exists from when its call begins to answer."""
    touched: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    found = {}
    for one in sorted(calls, key=lambda c: (c["started_at"], c["request_id"])):
        hashes, ends = chains[one["prompt_hash"]]
        now = one["started_at"].timestamp()
        read = 0
        for block, end in zip(hashes, ends, strict=True):
            earlier = touched.get((one.get("account_id"), one.get("region"), block), [])
            if not any(ready <= now and now - start <= ttl for start, ready in earlier):
                break
            read = round_half_up(one["input_tokens"] * end / ends[-1])
        found[one["request_id"]] = read - read % rule["increment_tokens"] if read >= rule["min_tokens"] else 0
        waits = next((one[name] for name in ("first_token_ms", "duration_ms") if one.get(name) is not None), 0) / 1_000
        for block in hashes:
            touched.setdefault((one.get("account_id"), one.get("region"), block), []).append((now, now + waits))
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


# --- what is worth changing, in dollars -------------------------------------------------------------


def log(*times_and_prompts: tuple[float, int], **changed: Any) -> list[dict[str, Any]]:
    """Calls to Claude Sonnet 4.5 ($3 a million input tokens): 3,000 tokens of system prompt, 500 of question each."""
    model = changed.pop("model", "claude-sonnet-4-5-20250929")
    claude = {"provider": "anthropic", "request_model": model, "response_model": model, "model": model}
    usual = {**claude, "input_tokens": 3_500, "output_tokens": 0, "endpoint": "/ask", **changed}
    return [call(n, at, prompt_hash=prompt, **usual) for n, (at, prompt) in enumerate(times_and_prompts)]


def openings(
    count: int, system_bytes: int = 12_000, whole_bytes: int = 14_000
) -> list[tuple[int, list[int], list[int]]]:
    """Prompts 0, 1, 2, ... with one system prompt, and a question each."""
    return [(n, [1, 1_000 + n], [system_bytes, whole_bytes]) for n in range(count)]


def saved(duck, rows, lever, chains=None) -> Decimal:
    replayed = replay(duck, rows)
    put_chains(duck, chains or openings(len(rows)))
    return replayed.plan([lever], Decimal(1)).saving_usd


MINUTE = 60


def test_five_minutes_and_an_hour_cost_what_the_page_works_out(duck):
    rows = log(*((minute * MINUTE, n) for n, minute in enumerate((0, 3, 7, 30))))
    # 4 x 3,000 = 12,000 tokens without a cache; 3,750 + 300 + 300 + 3,750 = 8,100 with 5m; 6,000 + 3 x 300 = 6,900 with 1h
    assert saved(duck, rows, PromptCaching(policy="5m", writes="shared")) == Decimal("0.0117")
    assert saved(duck, rows, PromptCaching(policy="1h", writes="shared")) == Decimal("0.0153")
    assert saved(duck, rows, PromptCaching()) == Decimal("0.0153")


def test_writing_whole_prompts_for_an_hour_loses_money_and_says_so(duck):
    rows = log(*((n * 2 * 3_600, n) for n in range(4)))
    # nothing is read within the hour: 4 x 3,500 tokens written at twice the price of input, $3 a million
    assert saved(duck, rows, PromptCaching(policy="1h", writes="everything")) == Decimal("-0.042")
    assert saved(duck, rows, PromptCaching()) == 0


def test_what_is_written_and_never_read_is_worth_not_writing(duck):
    rows = log(*((n * 2 * 3_600, n) for n in range(4)), cache_write_tokens=3_000, cache_read_tokens=0)
    # 4 x 3,000 tokens written at 1.25 times $3 a million, a quarter of it for nothing: 4 x 3,000 x $0.75/M
    assert saved(duck, rows, PromptCaching()) == Decimal("0.009")


def test_parallel_first_calls_all_miss(duck):
    rows = log(*((n, n) for n in range(10)), duration_ms=20_000.0)
    assert saved(duck, rows, PromptCaching()) == 0
    rows = log(*((n, n) for n in range(10)), duration_ms=100.0)
    # one writes 3,750, nine read 300: 6,450 of 30,000 tokens at $3 a million
    assert saved(duck, rows, PromptCaching()) == Decimal("0.07065")


def test_traffic_that_is_cached_already_yields_nothing(duck):
    rows = log(*((n * MINUTE, n) for n in range(50)))
    for number in range(len(rows)):
        rows[number] |= (
            {"cache_write_tokens": 0, "cache_read_tokens": 3_000} if number else {"cache_write_tokens": 3_000}
        )
    assert saved(duck, rows, PromptCaching()) == 0


def test_a_cache_that_misses_now_and_then_is_not_mended_by_marking_it_again(duck):
    rows = log(*((n * MINUTE, n) for n in range(50)))
    miss, hit = {"cache_write_tokens": 3_000}, {"cache_read_tokens": 3_000, "cache_write_tokens": 0}
    rows = [row | (hit if number % 5 else miss) for number, row in enumerate(rows)]
    assert saved(duck, rows, PromptCaching()) == 0


def test_an_automatic_cache_that_works_is_not_claimed_and_one_that_gives_nothing_is(duck):
    gpt = {"provider": "openai", "model": MODEL}
    rows = [{**row, "provider": "openai"} for row in log(*((n * MINUTE, n) for n in range(11)), **gpt)]
    # 3,000 tokens of 3,500 rounded down to 2,944, ten times, at $1.25 a million less
    assert saved(duck, rows, PromptCaching()) == Decimal("0.0368")
    for number, row in enumerate(rows):
        row["cache_read_tokens"] = 2_944 if number % 2 else 0
    assert saved(duck, rows, PromptCaching()) == 0


def test_a_model_without_a_rule_is_not_claimed(duck):
    rows = [{**row, "provider": "mistral_ai"} for row in log(*((n, n) for n in range(10)), model="mistral-large-2512")]
    assert saved(duck, rows, PromptCaching()) == 0


@settings(max_examples=10)
@given(st.lists(st.integers(0, 7_200), min_size=2, max_size=25), st.sampled_from(("5m", "1h")))
def test_the_saving_is_that_of_a_walk_in_time(duck, seconds, policy):
    rows = log(*((at, n) for n, at in enumerate(sorted(seconds))))
    life = 300 if policy == "5m" else 3_600
    bill, last = Decimal(0), None
    for at in sorted(seconds):
        is_read = last is not None and at - last <= life
        bill += 300 if is_read else 3_000 * (Decimal("1.25") if policy == "5m" else 2)
        last = at
    expected = (3_000 * len(rows) - bill) * 3 / 1_000_000
    assert saved(duck, rows, PromptCaching(policy=policy, writes="shared")) == expected


def test_a_second_pull_saves_nothing(duck):
    rows = log(*((minute * MINUTE, n) for n, minute in enumerate((0, 3, 7, 30))))
    replayed = replay(duck, rows)
    put_chains(duck, openings(len(rows)))
    twice = replayed.plan([PromptCaching(), PromptCaching(endpoints=("/ask",))], Decimal(1)).steps
    assert [step.in_order_usd for step in twice] == [Decimal("0.0153"), 0]


@pytest.mark.parametrize("asked_for", [{"policy": "2h"}, {"writes": "nothing"}, {"common_calls": 0}])
def test_settings_that_mean_nothing_are_refused(asked_for):
    with pytest.raises(AuditError):
        PromptCaching(**asked_for)


# --- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "floor", "lives"),
    [
        ("anthropic", "claude-opus-5", 512, (300, 3_600)),
        ("anthropic", "claude-sonnet-4-5-20250929", 1_024, (300, 3_600)),
        ("anthropic", "claude-opus-4-20250514", 1_024, (300, 3_600)),
        ("anthropic", "claude-opus-4-7", 2_048, (300, 3_600)),
        ("anthropic", "claude-haiku-4-5", 4_096, (300, 3_600)),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", 1_024, (300, None)),
        ("openai", "gpt-4o-2024-08-06", 1_024, (300, None)),
        ("openai", "gpt-4-1106-preview", None, None),
        ("openai", "gpt-4.1-mini", 1_024, (300, 86_400)),
        ("openai", "gpt-5-2025-08-07", 1_024, (600, None)),
        ("openai", "gpt-5.1", 1_024, (600, 86_400)),
        ("azure", "gpt-5.6-sol", 1_024, (1_800, 43_200)),
        ("anthropic", "claude-2.1", None, None),
        (None, "gpt-4o", None, None),
    ],
)
def test_a_model_has_the_rule_of_its_family(provider, model, floor, lives):
    rule = caching.rule_for(provider, model)
    assert (rule and rule.min_tokens) == floor
    assert (rule and (rule.short_seconds, rule.long_seconds)) == lives


def test_every_rule_says_where_it_comes_from_and_when():
    assert all(rule.source and rule.as_of and rule.confidence in ("high", "medium", "low") for rule in caching.rules())


def test_a_provider_that_publishes_no_life_is_not_replayed():
    assert caching.table([("gcp.gemini", "gemini-2.5-flash"), ("deepseek", "deepseek-chat")]).num_rows == 0
