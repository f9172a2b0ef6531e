"""Failures: what was billed is the saving, what was not is counted, and waiting is kept apart from both."""

import random
from decimal import Decimal

import pytest
from small_logs import call, record, replay, table, write_log

import llmaudit
from llmaudit import queries
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.failed_calls import FailedCalls

FREE = {"status": "error", "billable": False, "input_tokens": None, "output_tokens": None}


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def failures(engine, rows):
    replay(engine, rows)
    return table(engine, queries.run(engine, "failures"))


def test_billed_waste_noise_and_waiting_are_three_numbers(duck):
    rows = [
        call(1, 0, status="cancelled", duration_ms=30_000.0, prompt_hash=1),  # paid for: 0.0035
        call(2, 30, prompt_hash=1, duration_ms=40_000.0),  # asked again at once: 30 s lost
        call(3, 60, **FREE, http_status=429, duration_ms=100.0, prompt_hash=2),
        call(4, 64, prompt_hash=2),  # 4 s lost
        call(5, 90, **FREE, http_status=503, duration_ms=250.0, prompt_hash=3),  # never again: its own 250 ms
    ]
    [row] = failures(duck, rows)
    [step] = replay(duck, rows).plan([FailedCalls()], Decimal(1)).steps
    assert step.in_order_usd == Decimal("0.0035")
    assert (row["failed"], row["billed"], row["unbilled"], row["retried"]) == (3, 1, 2, 2)
    assert row["delay_ms"] == 30_000 + 4_000 + 250
    assert row["kinds"] == "cancelled 1, overload 1, rate limit 1"


def test_a_time_out_without_usage_may_have_been_billed_and_is_not_claimed(duck):
    rows = [call(1, **FREE, error_type="ReadTimeout"), call(2, **FREE, http_status=500)]
    [row] = failures(duck, rows)
    assert (row["billed"], row["maybe_billed"]) == (0, 1)
    assert replay(duck, rows).plan([FailedCalls()], Decimal(1)).saving_usd == 0


def test_a_failure_that_cost_nothing_is_not_billed_although_the_log_counts_zeros(duck):
    rows = [call(1, status="error", input_tokens=0, output_tokens=0)]
    [row] = failures(duck, rows)
    assert (row["billed"], row["unbilled"]) == (0, 1)
    assert replay(duck, rows).plan([FailedCalls()], Decimal(1)).steps[0].saved == ()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ({"http_status": 429}, "rate limit"),
        ({"error_type": "insufficient_quota"}, "rate limit"),
        ({"error_type": "ThrottlingException"}, "rate limit"),
        ({"http_status": 504}, "time-out"),
        ({"error_type": "APITimeoutError"}, "time-out"),
        ({"status": "cancelled"}, "cancelled"),
        ({"http_status": 499}, "cancelled"),
        ({"http_status": 529}, "overload"),
        ({"error_type": "overloaded_error"}, "overload"),
        ({"http_status": 500}, "server error"),
        ({"http_status": 400, "error_type": "invalid_request_error"}, "refused"),
        ({}, "other"),
    ],
    ids=str,
)
def test_failures_have_kinds(duck, failure, kind):
    [row] = failures(duck, [call(1, **{**FREE, **failure})])
    assert row["kinds"] == f"{kind} 1"


def test_a_storm_is_minutes_in_which_half_of_all_calls_fail(duck):
    storm = [call(n, n, **FREE, http_status=429) for n in range(90)]
    fine = [call(100 + n, 600 + n) for n in range(60)]
    [row] = failures(duck, storm + fine)
    assert (row["storms"], row["storm_requests"], row["worst_minute_requests"]) == (1, 90, 60)


def test_a_planted_log_saves_exactly_what_its_paid_failures_cost(duck):
    rows, wasted = planted(random.Random(3))
    [step] = replay(duck, rows).plan([FailedCalls()], Decimal(1)).steps
    assert wasted > 0
    assert step.in_order_usd == wasted


def planted(draw):
    rows, wasted = [], Decimal(0)
    for number in range(200):
        tokens = {"input_tokens": draw.randint(1, 9_000), "output_tokens": draw.randint(0, 900)}
        end = draw.choice(("ok", "ok", "cancelled", "error", "free"))
        if end in ("cancelled", "error"):
            wasted += tokens["input_tokens"] * Decimal("0.0000025") + tokens["output_tokens"] * Decimal("0.00001")
        changed = {**FREE, "http_status": 429} if end == "free" else {**tokens, "status": end}
        rows.append(call(number, number * 7, prompt_hash=number, **changed))
    return rows, wasted


def test_a_rate_limit_costs_nothing_although_the_gateway_counted_its_prompt(tmp_path):
    refused = record(1, "2026-10-01T09:00:00Z", status=429, error={"type": "rate_limit_error"})
    with llmaudit.audit(
        str(write_log(tmp_path / "calls.jsonl", [refused, record(2, "2026-10-01T09:00:05Z")]))
    ) as audit:
        assert audit.data["totals"]["cost_usd"] == Decimal("0.0035")
        [finding] = [f for f in audit.data["findings"] if f["lever"] == "failed_calls"]
    assert finding["saving_usd"]["expected"] == 0
    assert (finding["evidence"]["unbilled"], finding["evidence"]["kinds"]) == (1, "rate limit 1")
