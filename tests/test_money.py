"""The laws of money, on logs nobody thought of, at the real price book."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import logs, replay, table

from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.exact_duplicates import ExactDuplicates
from llmaudit.levers.failed_calls import FailedCalls
from llmaudit.levers.fine_tune import FineTune
from llmaudit.replay import MICRO

EVERY = [FailedCalls(), ExactDuplicates(ttl_seconds=86_400), FineTune(["/faq", "/route"])]
FEW = settings(max_examples=5)


@pytest.fixture(scope="module")
def duck():
    """For what has nothing to do with the engine."""
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def bill(engine, name="money"):
    return sum((row["cost_usd"] or Decimal(0) for row in table(engine, name)), Decimal(0))


@FEW
@given(rows=logs())
def test_replaying_no_levers_gives_back_the_bill_to_the_last_digit(duck, rows):
    replayed = replay(duck, rows)
    before = {row["request_id"]: row["cost_usd"] for row in table(duck, "money")}
    plan = replayed.plan([], bill(duck))
    assert plan.saving_usd == 0
    assert plan.baseline_usd == bill(duck).quantize(MICRO)
    assert {row["request_id"]: row["cost_usd"] for row in table(duck, "money")} == before


@FEW
@given(rows=logs(), levers=st.permutations(EVERY))
def test_the_steps_of_a_plan_lead_exactly_from_the_bill_to_what_is_left(duck, rows, levers):
    replayed = replay(duck, rows)
    spent = bill(duck)
    plan = replayed.plan(levers, spent)
    assert sum((step.in_order_usd for step in plan.steps), Decimal(0)) == plan.saving_usd
    assert sum((step.shapley_usd for step in plan.steps), Decimal(0)) == plan.saving_usd
    assert plan.steps[-1].after_usd == plan.baseline_usd - plan.saving_usd
    assert plan.saving_usd <= spent + MICRO
    assert plan.steps == replayed.plan(EVERY, spent).steps


@FEW
@given(rows=logs(), lever=st.sampled_from(EVERY))
def test_a_lever_alone_saves_the_same_by_every_account(duck, rows, lever):
    [step] = replay(duck, rows).plan([lever], Decimal(1)).steps
    assert step.standalone_usd == step.in_order_usd == step.shapley_usd


@FEW
@given(rows=logs(), data=st.data())
def test_the_order_of_rows_changes_nothing(duck, rows, data):
    shuffled = data.draw(st.permutations(rows))
    plan = replay(duck, rows).plan(EVERY[1:], Decimal(1))
    assert replay(duck, shuffled).plan(EVERY[1:], Decimal(1)) == plan


@FEW
@given(rows=logs())
def test_parts_of_a_saving_add_up_whichever_way_it_is_divided(duck, rows):
    replayed = replay(duck, rows)
    by_endpoint = defaultdict(Decimal)
    for row in replayed.plan(EVERY[2:], Decimal(1)).steps[0].saved:
        by_endpoint[row.endpoint] += row.saving_usd
    assert replayed.saves_by_endpoint(EVERY[2]) == dict(by_endpoint)
