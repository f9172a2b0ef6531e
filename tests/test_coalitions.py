"""The fast replay against the slow one: every coalition and order, to the last digit."""

from decimal import Decimal
from itertools import permutations

import pyarrow as pa
import pytest
from brute_force import (
    MEETING,
    Batches,
    CachesASession,
    DropsRepeats,
    MovesModel,
    Trims,
    coalitions,
    saving,
    shapley,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import MODEL, call, logs, replay

from llmaudit.detectors import prefixes
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.base import Lever
from llmaudit.levers.exact_duplicates import ExactDuplicates
from llmaudit.levers.fine_tune import FineTune
from llmaudit.levers.prompt_caching import PromptCaching
from llmaudit.replay import MICRO, _decimal

ACCOUNTS = ("org-1", "org-1", "org-2", None)


@pytest.fixture(scope="module")
def duck():
    """For what has nothing to do with the engine."""
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@st.composite
def accounts(draw):
    return [row | {"account_id": draw(st.sampled_from(ACCOUNTS))} for row in draw(logs())]


@settings(max_examples=6)
@given(rows=accounts(), levers=st.lists(st.sampled_from(MEETING), min_size=1, max_size=5, unique=True))
def test_the_plan_is_the_one_that_brute_force_finds(duck, rows, levers):
    replayed = replay(duck, rows)
    table = duck.fetch("metered")
    plan = replayed.plan(levers, Decimal(1_000))
    ordered = [step.lever for step in plan.steps]
    values = coalitions(duck, table, ordered)
    joint = values[frozenset(range(len(ordered)))]
    assert plan.saving_usd == joint.quantize(MICRO)
    for place, step in enumerate(plan.steps):
        before, after = frozenset(range(place)), frozenset(range(place + 1))
        assert abs(step.in_order_usd - (values[after] - values[before])) <= MICRO
        assert step.standalone_usd == values[frozenset({place})].quantize(MICRO)
    assert sum(step.in_order_usd for step in plan.steps) == plan.saving_usd
    assert plan.shares.method == "exact"
    for step, share in zip(plan.steps, shapley(values, len(ordered)), strict=True):
        assert abs(step.shapley_usd - _decimal(share)) <= MICRO
    assert sum(step.shapley_usd for step in plan.steps) == plan.saving_usd


@settings(max_examples=6)
@given(rows=accounts(), levers=st.lists(st.sampled_from(MEETING), min_size=2, max_size=3, unique=True))
def test_the_spread_over_orders_is_the_one_that_brute_force_finds(duck, rows, levers):
    plan = replay(duck, rows).plan(levers, Decimal(1_000))
    table = duck.fetch("metered")
    totals = [saving(duck, table, order) for order in permutations(levers)]
    assert plan.orders.low == min(totals).quantize(MICRO)
    assert plan.orders.high == max(totals).quantize(MICRO)


def test_the_spread_counts_calls_that_a_lever_finds_only_once_a_later_one_has_been_pulled(duck):
    # 3,007 tokens are no multiple of 3, half of them, 1,503, are
    rows = [call(1, input_tokens=3_007, cache_read_tokens=0, output_tokens=0)]
    plan = replay(duck, rows).plan([MovesModel(), Trims()], Decimal(1))
    # as planned only 1,504 tokens at $2.50 a million are trimmed; trimmed first, the other 1,503 move from 2.50 to 0.15
    assert plan.saving_usd == Decimal("0.00376")
    assert plan.order_spread_usd == (Decimal("0.003760"), Decimal("0.007292"))


def test_a_sample_gives_shares_near_the_exact_ones_and_says_so(duck, monkeypatch):
    rows = [
        call(
            number,
            number * 40,
            prompt_hash=number % 500,
            endpoint=("/faq", "/route")[number % 2],
            input_tokens=900 + number % 700,
        )
        for number in range(1_500)
    ]
    levers = [DropsRepeats(), MovesModel(), Trims(), Batches()]
    exact = replay(duck, rows).plan(levers, Decimal(100))
    monkeypatch.setattr("llmaudit.replay.MOST_STATES", 4_000)
    monkeypatch.setattr("llmaudit.replay.MOST_PLAYED", 0)
    monkeypatch.setattr("llmaudit.replay.SAMPLED_CALLS", 500)
    sampled = replay(duck, rows).plan(levers, Decimal(100))
    assert (exact.shares.method, sampled.shares.method) == ("exact", "sampled")
    assert sampled.shares.calls < exact.shares.calls
    assert sampled.saving_usd == exact.saving_usd == sum(step.shapley_usd for step in sampled.steps)
    for near, step in zip(sampled.steps, exact.steps, strict=True):
        assert near.in_order_usd == step.in_order_usd
        assert abs(near.shapley_usd - step.shapley_usd) <= exact.saving_usd / 20


REAL: tuple[Lever, ...] = (ExactDuplicates(), FineTune(endpoints=["/a", "/c"]), PromptCaching())


def several_endpoints():
    """Five endpoints of two providers; those of /a and /b share an opening, the others share nothing with them."""
    places = {
        "/a": ("openai", MODEL, 1),
        "/b": ("openai", MODEL, 2),
        "/c": ("anthropic", "claude-sonnet-4-5", 3),
        "/d": ("openai", "gpt-4o-mini", 4),
        None: ("openai", "gpt-4o-mini", 5),
    }
    rows = []
    for number in range(120):
        endpoint, (provider, model, prompt) = list(places.items())[number % 5]
        rows.append(
            call(
                number,
                number * 35 + number % 7 * 11,
                endpoint=endpoint,
                provider=provider,
                model=model,
                response_model=model,
                request_model=model,
                account_id=ACCOUNTS[number % 4],
                prompt_hash=prompt,
                output_hash=number % 3,
                input_tokens=1_500 + number,
                prompt_bytes=6_000,
            )
        )
    return rows


def made_of(duck, rows):
    """The calls with openings for each of their prompts."""
    replayed = replay(duck, rows)
    nodes = [(1, 10, 5_000), (1, 1, 6_000), (2, 10, 5_000), (2, 2, 6_000), (3, 3, 6_000), (4, 4, 6_000), (5, 5, 6_000)]
    duck.put("prefix_nodes", pa.table(list(map(list, zip(*nodes, strict=True))), schema=prefixes.NODES))
    duck.put("prompt_sizes", pa.table([list(range(1, 6)), [6_000] * 5], schema=prefixes.SIZES))
    return replayed


def test_calls_that_share_no_opening_are_played_apart_and_the_plan_is_that_of_brute_force(duck, monkeypatch):
    for limit in ("replay.PART_CALLS", "replay.MOST_STATES", "levers.prompt_caching.PART_CALLS"):
        monkeypatch.setattr(f"llmaudit.{limit}", 30)
    plan = made_of(duck, several_endpoints()).plan(REAL, Decimal(1_000))
    ordered = [step.lever for step in plan.steps]
    values = coalitions(duck, duck.fetch("metered"), ordered)
    assert plan.saving_usd == values[frozenset(range(len(ordered)))].quantize(MICRO)
    assert all(step.in_order_usd for step in plan.steps)
    for step, share in zip(plan.steps, shapley(values, len(ordered)), strict=True):
        assert abs(step.shapley_usd - _decimal(share)) <= MICRO
    assert plan.shares.method == "exact"


def test_groups_that_are_linked_by_a_long_chain_of_sessions_and_prompts_are_one(duck):
    rows = [
        call(2 * n + at, 100 * n + 10 * at, prompt_hash=n + at, session_id=f"s{n}", trace_id=f"s{n}")
        for n in range(300)
        for at in (0, 1)
    ]
    plan = replay(duck, rows).plan([DropsRepeats(), CachesASession()], Decimal(10))
    assert plan.shares.calls == len(rows)
    assert sum(step.shapley_usd for step in plan.steps) == plan.saving_usd > 0
