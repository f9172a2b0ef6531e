"""Replay on small logs: what a plan says, worked out by hand, and how sure it says it is."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_logs import call, replay

from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.base import CHARGES
from llmaudit.levers.exact_duplicates import ExactDuplicates
from llmaudit.levers.failed_calls import FailedCalls
from llmaudit.levers.fine_tune import FineTune
from llmaudit.replay import MICRO, Replay, Saved, _rounded, interval

ROUTE = FineTune(["/faq"], target_provider="mistral_ai", target_model="ministral-8b-latest")
"""ministral-8b: $0.15 a million tokens, in and out."""

LOG = [
    call(1),
    call(2, 60),
    call(3, 120, status="error"),
    call(4, 180, endpoint="/other", output_hash=2),
]
"""Four calls of $0.0035. The second repeats the first, the third failed, the fourth asks elsewhere.

On the tuned model a call of 1,100 tokens costs 1,100 x 0.15 / 1,000,000 = $0.000165 and saves $0.003335.
"""

BILL = Decimal("0.0140")


@pytest.fixture(scope="module")
def duck():
    """For what has nothing to do with the engine."""
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def steps(engine, levers, rows=LOG):
    return {step.lever.name: step for step in replay(engine, rows).plan(levers, BILL).steps}


def test_levers_are_pulled_in_the_order_of_their_stages_however_they_are_named(engine):
    plan = replay(engine, LOG).plan([ROUTE, ExactDuplicates(), FailedCalls()], BILL)
    assert [step.lever.name for step in plan.steps] == ["failed_calls", "exact_duplicates", "fine_tune"]
    assert [step.after_usd for step in plan.steps] == [Decimal("0.0105"), Decimal("0.0070"), Decimal("0.003665")]
    assert plan.saving_usd == BILL - Decimal("0.003665")


def test_a_lever_saves_only_on_what_the_earlier_ones_left(duck):
    found = steps(duck, [ExactDuplicates(), ROUTE])
    # alone the tuned model takes the first and the second call, after the cache only the first
    assert found["fine_tune"].standalone_usd == Decimal("0.00667")
    assert found["fine_tune"].in_order_usd == Decimal("0.003335")
    assert [row.requests for row in found["fine_tune"].saved] == [1]


def test_shapley_gives_each_lever_its_average_over_the_coalitions(duck):
    found = steps(duck, [ExactDuplicates(), ROUTE])
    # the cache: 0.0035 alone, 0.0035 + 0.003335 - 0.00667 = 0.000165 beside the tuned model; the mean of the two
    assert found["exact_duplicates"].shapley_usd == Decimal("0.001833")  # 0.0018325, half a micro-dollar each
    assert found["fine_tune"].shapley_usd == Decimal("0.005002")
    assert sum(step.shapley_usd for step in found.values()) == Decimal("0.006835")


def test_the_order_of_levers_changes_the_total_only_where_they_meet(duck):
    apart = replay(duck, LOG).plan([FailedCalls(), ROUTE], BILL)
    assert apart.order_spread_usd == (Decimal("0.010170"), Decimal("0.010170"))
    rows = [call(1), call(2, 60, endpoint="/other")]
    meeting = replay(duck, rows).plan([ExactDuplicates(), ROUTE], BILL)
    # the cache first: 0.0035 + 0.003335. Moved first, the first call is another model's and answers nobody: 0.003335
    assert meeting.saving_usd == Decimal("0.006835")
    assert meeting.order_spread_usd == (Decimal("0.003335"), Decimal("0.006835"))


def test_a_lever_that_finds_nothing_has_its_step_all_the_same(duck):
    found = steps(duck, [FailedCalls(), ExactDuplicates()], [call(1)])
    assert [step.in_order_usd for step in found.values()] == [0, 0]
    assert [step.saved for step in found.values()] == [(), ()]


def test_no_levers_are_an_empty_plan_of_the_whole_bill(duck):
    plan = replay(duck, LOG).plan([], BILL)
    assert (plan.steps, plan.saving_usd, plan.baseline_usd) == ((), 0, BILL)


def test_an_empty_log_saves_nothing(duck):
    plan = replay(duck, []).plan([FailedCalls(), ExactDuplicates(), ROUTE], Decimal(0))
    assert plan.saving_usd == 0
    assert plan.order_spread_usd == (0, 0)


def test_a_later_question_with_other_settings_leaves_the_earlier_answer_as_it_was(duck):
    rows = [call(n, n * 1_000) for n in range(6)]
    shared = replay(duck, rows)
    hour, minute = ExactDuplicates(ttl_seconds=3_600), ExactDuplicates(ttl_seconds=60)
    shared.plan([hour], BILL)
    shared.plan([minute, ROUTE], BILL)
    later = [step.in_order_usd for step in shared.plan([hour, ROUTE], BILL).steps]
    assert later == [step.in_order_usd for step in replay(duck, rows).plan([hour, ROUTE], BILL).steps]
    # 6 calls in 5,000 s: two pay; four are saved at 0.0035, two are moved
    assert later == [Decimal("0.014"), Decimal("0.00667")]


def test_two_caches_of_different_lives_are_two_steps(duck):
    rows = [call(1), call(2, 30), call(3, 600)]
    short, long = replay(duck, rows).plan([ExactDuplicates(60), ExactDuplicates(3_600)], BILL).steps
    assert (short.in_order_usd, long.in_order_usd) == (Decimal("0.0035"), Decimal("0.0035"))


def test_calls_without_a_price_are_counted_but_save_no_money(duck):
    unknown = {"provider": "acme", "request_model": "acme-1", "response_model": "acme-1", "model": "acme-1"}
    [row] = steps(duck, [FailedCalls()], [call(1, status="error", **unknown)])["failed_calls"].saved
    assert (row.requests, row.before_usd, row.saving_usd) == (1, None, 0)


def test_savings_are_told_apart_by_endpoint_model_and_day(engine):
    rows = [
        call(1, status="error"),
        call(2, 86_400, status="error"),
        call(3, status="error", endpoint=None),
        call(4, status="error", model="gpt-4o-mini", response_model="gpt-4o-mini"),
    ]
    found = {
        (row.endpoint, row.model, row.day): row for row in steps(engine, [FailedCalls()], rows)["failed_calls"].saved
    }
    assert {place: row.saving_usd for place, row in found.items()} == {
        ("/faq", "gpt-4o-2024-08-06", date(2026, 10, 1)): Decimal("0.0035"),
        ("/faq", "gpt-4o-2024-08-06", date(2026, 10, 2)): Decimal("0.0035"),
        (None, "gpt-4o-2024-08-06", date(2026, 10, 1)): Decimal("0.0035"),
        ("/faq", "gpt-4o-mini", date(2026, 10, 1)): Decimal("0.00021"),
    }


# --- the interval ---------------------------------------------------------------------------------


def saved(amounts):
    return [
        Saved("/faq", "m", date(2026, 10, 1 + n), str(n), 1, None, None, Decimal(amount) * MICRO)
        for n, amount in enumerate(amounts)
    ]


AMOUNTS = st.lists(st.integers(-(10**9), 10**9), max_size=28)


@given(AMOUNTS, st.integers(0, 31))
def test_the_interval_contains_what_was_found_and_is_the_same_every_time(amounts, days):
    span = interval(saved(amounts), days)
    assert span.low <= span.expected <= span.high
    assert span.expected == sum(amounts) * MICRO
    assert span == interval(saved(amounts)[::-1], days)


def test_equal_days_leave_no_doubt():
    span = interval(saved([5] * 28), 28)
    assert (span.low, span.expected, span.high) == (140 * MICRO,) * 3


def test_one_day_of_thirty_may_as_well_not_have_happened():
    span = interval(saved([1_000_000]), 30)
    # a draw of 30 days misses that day with (29/30)^30 = 36 %, so the lower end is nothing
    assert (span.low, span.expected) == (0, 1)
    assert span.high >= 2


# --- rounding -------------------------------------------------------------------------------------

PARTS = st.lists(st.decimals(-1_000, 1_000, places=12), max_size=12)


@given(PARTS)
def test_rounded_parts_sum_to_the_rounded_total(parts):
    rounded = _rounded(parts)
    assert sum(rounded) == sum(parts, Decimal(0)).quantize(MICRO)
    assert all(abs(part - exact) < MICRO for part, exact in zip(rounded, parts, strict=True))
    assert all(part == part.quantize(MICRO) for part in rounded)


@given(PARTS.filter(len), st.decimals(-1_000, 1_000, places=6))
def test_rounded_parts_meet_a_total_that_rounding_does_not_explain(parts, total):
    assert sum(_rounded(parts, total)) == total


def test_the_largest_remainder_is_rounded_up_first():
    parts = [Decimal("0.0000014"), Decimal("0.0000018"), Decimal("-0.0000002")]
    # the total is 3.0 micro-dollars; the floors 1, 1 and -1 leave two, for the remainders .8 and .8
    assert _rounded(parts) == [1 * MICRO, 2 * MICRO, 0 * MICRO]


def test_no_parts_are_no_parts():
    assert _rounded([]) == []


@pytest.mark.parametrize("total", ["0.000009", "-0.000009"])
def test_an_unexplained_total_is_shared_evenly(total):
    assert _rounded([Decimal(0)] * 3, Decimal(total)) == [Decimal(total) / 3] * 3


# --- what is due ----------------------------------------------------------------------------------


def promised(floor):
    """A commitment: at least so much is due."""
    return lambda spend: max(sum(spend.values(), Decimal(0)), Decimal(floor))


def test_savings_do_not_go_below_a_commitment(duck):
    made = replay(duck, LOG)
    held = Replay(duck, made.book, made.usage, made.money, due=promised("0.009"))
    plan = held.plan([FailedCalls(), ExactDuplicates(), ROUTE], BILL)
    # 0.0140 -> 0.0105 -> 0.0090, where it stays: the cache gains 0.0015 of its 0.0035, the tuned model nothing
    assert [step.in_order_usd for step in plan.steps] == [Decimal("0.0035"), Decimal("0.0015"), 0]
    assert [step.floored_usd for step in plan.steps] == [0, Decimal("0.0020"), Decimal("0.003335")]
    assert plan.saving_usd == sum(step.shapley_usd for step in plan.steps) == Decimal("0.0050")


def test_a_commitment_that_is_not_met_anyway_leaves_nothing_to_save(duck):
    made = replay(duck, LOG)
    held = Replay(duck, made.book, made.usage, made.money, due=promised("1"))
    assert held.plan([FailedCalls(), ROUTE], BILL).saving_usd == 0


def test_what_moves_to_another_provider_does_not_meet_the_commitment_to_the_first(duck):
    made = replay(duck, LOG)

    def due(spend):
        openai = sum((usd for (_, provider, _), usd in spend.items() if provider == "openai"), Decimal(0))
        return max(openai, Decimal("0.0140")) + sum(spend.values(), Decimal(0)) - openai

    held = Replay(duck, made.book, made.usage, made.money, due=due)
    # the two calls of /faq that were answered cost 2 x 0.000165 elsewhere, and OpenAI is owed what it was
    assert held.plan([ROUTE], BILL).saving_usd == Decimal("-0.000330")


# --- declined -------------------------------------------------------------------------------------


def test_a_declined_finding_is_in_no_plan_and_still_worked_out(duck):
    made = replay(duck, LOG)
    held = Replay(duck, made.book, made.usage, made.money, declined={"failed_calls": [("/faq", "gpt-4o-2024-08-06")]})
    assert held.plan([FailedCalls()], BILL).saving_usd == 0
    [step] = held.declined_steps([FailedCalls(), ExactDuplicates()])
    assert (step.lever, step.standalone_usd) == (FailedCalls(), Decimal("0.0035"))


# --- what a lever itself costs --------------------------------------------------------------------


@dataclass(frozen=True)
class CacheInAStore(ExactDuplicates):
    """Every call asks the store, which costs a cent of a cent and, for embeddings, tokens."""

    sku: str = "openai/text-embedding-3-small/input_tokens"

    def charges(self, engine, usage, hits):
        rows = [
            {
                "endpoint": row["endpoint"],
                "model": row["model"],
                "day": row["started_at"].date(),
                "sku": self.sku,
                "quantity": Decimal(10_000),
            }
            for row in engine.fetch(usage).to_pylist()
            if row["billable"]
        ]
        engine.put("store_charges", pa.Table.from_pylist(rows, CHARGES))
        return "store_charges"


def test_savings_are_net_of_what_the_lever_costs_to_run(duck):
    [step] = replay(duck, LOG).plan([CacheInAStore()], BILL).steps
    # one repeat saved, 0.0035; four calls of 10,000 tokens at $0.02 a million are 0.0008
    assert step.in_order_usd == step.standalone_usd == step.shapley_usd == Decimal("0.0027")
    [_, later] = replay(duck, LOG).plan([FailedCalls(), CacheInAStore()], BILL).steps
    # the failed call is not made any more and asks no store
    assert later.in_order_usd == Decimal("0.0035") - Decimal("0.0006")


def test_a_lever_may_cost_more_than_it_saves(duck):
    rows = [call(1), call(2, 60, prompt_hash=2)]
    [step] = replay(duck, rows).plan([CacheInAStore()], BILL).steps
    assert step.in_order_usd == Decimal("-0.0004")


def test_a_charge_without_a_price_is_known_to_be_missing(duck):
    [step] = replay(duck, LOG).plan([CacheInAStore(sku="store-hours")], BILL).steps
    assert step.in_order_usd == Decimal("0.0035")
    assert {charge.cost_usd for charge in step.charged} == {None}
