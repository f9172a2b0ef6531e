"""Cut answers: every one is counted, those that had to be asked again are the saving."""

import random
from decimal import Decimal

import pytest
from small_logs import call, record, replay, table, write_log

import llmaudit
from llmaudit import queries
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.truncated_outputs import TruncatedOutputs

CUT = {"finish_reason": "length", "max_output_tokens": 100, "duration_ms": 2_000.0, "temperature": 0.7}
WHOLE = {"finish_reason": "stop", "max_output_tokens": 400, "duration_ms": 6_000.0, "temperature": 0.7}
USD_IN, USD_OUT = Decimal("0.0000025"), Decimal("0.00001")


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def cut(number, seconds=0.0, **changed):
    return call(number, seconds, **{**CUT, "output_hash": number, **changed})


def whole(number, seconds=0.0, **changed):
    return call(number, seconds, **{**WHOLE, "output_tokens": 300, "output_hash": number, **changed})


def found(engine, rows, lever=None):
    """Id of every cut call -> whether it was asked again."""
    lever = lever or TruncatedOutputs()
    usage = replay(engine, rows).usage
    lever.prepare(engine)
    answer = table(engine, lever.hits(engine, usage))
    return {row["request_id"]: row["asked_again"] for row in answer}


def saved(engine, rows):
    [step] = replay(engine, rows).plan([TruncatedOutputs()], Decimal(1)).steps
    return step


def test_a_cut_answer_asked_again_with_more_room_was_for_nothing(engine):
    step = saved(engine, [cut(1), whole(2, 20)])
    # the cut call: 1,000 in and 100 out: 0.0025 + 0.0010. The whole answer is what one call would have cost.
    assert step.in_order_usd == Decimal("0.0035")
    assert sum(row.requests for row in step.saved) == 1


def test_a_cut_answer_that_nobody_asked_for_again_is_counted_and_saves_nothing(duck):
    step = saved(duck, [cut(1), whole(2, 20, prompt_hash=2)])
    assert (step.in_order_usd, sum(row.requests for row in step.saved)) == (0, 1)


def test_every_cut_on_the_way_to_the_whole_answer_was_for_nothing(duck):
    rows = [cut(1), cut(2, 10, max_output_tokens=200, output_tokens=200), whole(3, 30)]
    # 0.0025 + 0.0010 and 0.0025 + 0.0020
    assert saved(duck, rows).in_order_usd == Decimal("0.0080")


def test_cuts_that_never_became_a_whole_answer_save_nothing(duck):
    assert found(duck, [cut(1), cut(2, 10), cut(3, 20)]) == {"c001": False, "c002": False, "c003": False}


@pytest.mark.parametrize(
    ("later", "again"),
    [
        ({"seconds": 602}, True),  # the cut answer ended after two seconds
        ({"seconds": 602.001}, False),
        ({"seconds": 1.9}, False),  # asked before the cut answer had ended: not because of it
        ({"seconds": 20, "account_id": "org-2"}, False),
        ({"seconds": 20, "prompt_hash": 2}, False),
        ({"seconds": 20, "status": "error"}, False),
        ({"seconds": 20, "billing_mode": "subscription"}, False),
        ({"seconds": 20, "request_model": "gpt-5", "endpoint": "/other"}, True),
    ],
    ids=str,
)
def test_what_counts_as_asking_again(duck, later, again):
    assert found(duck, [cut(1), whole(2, **later)]) == {"c001": again}


def test_drawing_several_answers_is_not_asking_again(duck):
    assert found(duck, [whole(1), cut(2, 30), whole(3, 60)]) == {"c002": False}


def test_without_texts_the_same_session_asking_as_much_again_counts(duck):
    no_text = {"prompt_hash": None, "prompt_bytes": None, "session_id": "s1"}
    assert found(duck, [cut(1, **no_text), whole(2, 20, **no_text)]) == {"c001": True}
    assert found(duck, [cut(1, **no_text), whole(2, 20, **no_text, input_tokens=1_001)]) == {"c001": False}
    assert found(duck, [cut(1, prompt_hash=None), whole(2, 20, prompt_hash=None)]) == {"c001": False}


def test_empty_prompts_are_not_the_same_question(duck):
    assert found(duck, [cut(1, prompt_bytes=0), whole(2, 20, prompt_bytes=0)]) == {"c001": False}


@pytest.mark.parametrize(
    ("words", "is_cut"),
    [
        *((words, True) for words in ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "LENGTH")),
        *((words, True) for words in ("model_length", "FinishReason.MAX_TOKENS", "model_context_window_exceeded")),
        *((words, False) for words in ("stop", "end_turn", "tool_use", "content_filter", "SAFETY", "incomplete", None)),
    ],
)
def test_each_provider_has_its_own_word_for_a_cut(duck, words, is_cut):
    assert bool(found(duck, [cut(1, finish_reason=words)])) is is_cut


def test_pulling_it_twice_saves_nothing_more(duck):
    lever = TruncatedOutputs()
    first, second = replay(duck, [cut(1), whole(2, 20)]).plan([lever, lever], Decimal(1)).steps
    assert (first.in_order_usd, second.in_order_usd) == (Decimal("0.0035"), 0)


def test_a_window_of_no_length_is_refused():
    with pytest.raises(AuditError, match=r"levers\.truncated_outputs\.reask_seconds = 0 should be more than 0"):
        TruncatedOutputs(reask_seconds=0)


def test_a_planted_log_saves_what_a_walk_through_it_finds(duck):
    rows = planted(random.Random(5))
    step = saved(duck, rows)
    expected = sum((usd(row) for row in walked(rows)), Decimal(0))
    assert expected > 0
    assert abs(step.in_order_usd - expected) <= expected * Decimal("0.02")
    assert sum(row.requests for row in step.saved) == sum(row["finish_reason"] == "length" for row in rows)


def planted(draw):
    """Forty questions on two endpoints: whole at once, cut and left, cut and asked again once or twice, now or too late."""
    rows = []
    for question in range(40):
        at, cuts = question * 5_000, draw.choice((0, 0, 1, 1, 2))
        same = {"prompt_hash": 100 + question, "input_tokens": draw.randint(200, 4_000), "endpoint": f"/{question % 2}"}
        for _ in range(cuts):
            rows.append(cut(len(rows), at, output_tokens=100, **same))
            at += draw.choice((5, 60, 300, 900))
        if not cuts or draw.random() < 0.7:
            rows.append(whole(len(rows), at, **same))
    return rows


def walked(rows):
    """The cut calls after whose end a whole answer to the same question was begun within ten minutes."""
    for row in rows:
        later = [r for r in rows if r["prompt_hash"] == row["prompt_hash"] and r["started_at"] > row["started_at"]]
        waits = [
            (r["started_at"] - row["started_at"]).total_seconds() - 2 for r in later if r["finish_reason"] == "stop"
        ]
        if row["finish_reason"] == "length" and any(0 <= wait <= 600 for wait in waits):
            yield row


def usd(row):
    return row["input_tokens"] * USD_IN + row["output_tokens"] * USD_OUT


# --- evidence -------------------------------------------------------------------------------------


def cut_answers(engine, rows):
    replay(engine, rows)
    return table(engine, queries.run(engine, "cut_answers"))


def test_the_evidence_names_the_caps_and_what_the_cut_calls_cost(duck):
    rows = [
        cut(1, cost_usd="0.0035"),
        cut(2, 9, cost_usd="0.0035", max_output_tokens=64),
        whole(3, 20, cost_usd="0.0055"),
    ]
    [row] = cut_answers(duck, rows)
    assert (row["cut_requests"], row["cut_usd"], row["caps"]) == (2, Decimal("0.0070"), "64, 100")
    assert (row["at_cap_requests"], row["likely_cap_tokens"]) == (0, None)


def test_a_wall_of_equal_lengths_looks_like_a_cap_where_no_reason_is_logged(duck):
    spread = [whole(n, n, output_tokens=100 + 7 * n, finish_reason=None, max_output_tokens=None) for n in range(50)]
    wall = [whole(50 + n, n, output_tokens=1_000, finish_reason=None, max_output_tokens=None) for n in range(6)]
    [row] = cut_answers(duck, spread + wall)
    assert (row["likely_cap_tokens"], row["likely_cut_requests"], row["cut_requests"]) == (1_000, 6, 0)
    assert cut_answers(duck, spread) == []


def test_short_answers_from_a_small_set_are_no_wall(duck):
    assert cut_answers(duck, [whole(n, n, output_tokens=60 + n % 3, finish_reason=None) for n in range(60)]) == []


# --- in a report ----------------------------------------------------------------------------------


def test_the_finding_counts_exactly_the_cut_calls(tmp_path):
    lines = [
        record(1, "2026-10-01T09:00:00Z", text="Tell me all.", response=body(1, "length", 100), latency_ms=2_000),
        record(2, "2026-10-01T09:00:20Z", text="Tell me all.", response=body(2, "stop", 300), latency_ms=6_000),
        record(3, "2026-10-01T09:01:00Z", text="And this?", response=body(3, "length", 100), latency_ms=2_000),
    ]
    with llmaudit.audit(str(write_log(tmp_path / "calls.jsonl", lines))) as audit:
        [finding] = [f for f in audit.data["findings"] if f["lever"] == "truncated_outputs"]
    assert finding["requests"] == 2
    assert finding["saving_usd"]["expected"] == Decimal("0.0035")
    assert (finding["stage"], finding["grade"], finding["evidence"]["cut_usd"]) == ("shrink", "B", Decimal("0.0070"))


def body(number, reason, tokens):
    return {
        "id": f"chatcmpl-{number}",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"message": {"role": "assistant", "content": "The blue"}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": tokens},
    }
