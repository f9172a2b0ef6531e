"""Conversations that grow: what they send again, and what a summary in its place would save, against a slow replay by hand."""

import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import call, changed_ids, replay, table, write_log
from test_unused_tools import TAU, trace

import llmaudit
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers import compaction
from llmaudit.levers.context_growth import ContextGrowth
from llmaudit.tokens import count_tokens

INPUT, CACHED, OUTPUT = Decimal("0.0000025"), Decimal("0.00000125"), Decimal("0.00001")
STEP_TOKENS, HEAD_TOKENS = 2_000, 1_500


@dataclass(frozen=True)
class Turn:
    """Tokens of one call."""

    sent: int
    read: int = 0
    written: int = 0
    answer: int = 50


def compacted_by_hand(turns, bar, keep=3, share=0.1):
    """One conversation, position by position: the tokens that each call bears, and the summaries it waits for."""
    head = turns[0].sent
    summary, upto = 0, head  # logged tokens head..upto are `summary` tokens now
    calls = []
    for number, turn in enumerate(turns):

        def now(position, summary=summary, upto=upto):
            if position < upto:
                return min(position, head)
            return position - (upto - head - summary)

        sent, read, written, answer = now(turn.sent), now(turn.read), 0, turn.answer
        asked = asked_read = 0
        start = number - keep
        if start >= 1 and sent > bar and turns[start].sent > upto:
            replaced = turns[start].sent - head - (upto - head - summary)
            new = max(ceil(share * replaced), 500)
            if replaced >= 2 * new:
                asked = head + replaced
                asked_read = min(read, asked)
                summary, upto = new, turns[start].sent
                sent, read = now(turn.sent, summary, upto), min(turn.read, head)
                answer += new
        if turn.written:
            written = max(now(turn.read + turn.written, summary, upto) - read, 0)
        calls.append((sent + asked, read + asked_read, written, answer, bool(asked)))
    return calls


def cleared_by_hand(turns, results, bar, keep=3):
    """One conversation, call by call: its tokens once results older than the last steps are cleared, and whether it clears."""
    head, upto, gone, calls = turns[0].sent, turns[0].sent, 0, []
    for number, turn in enumerate(turns):
        opening, clears, start = upto - gone, False, number - keep
        if start >= 1 and turn.sent - gone > bar:
            more = results[start] - results[0] - 10 * start - gone
            if more >= bar / 4 and turns[start].sent > upto:
                clears, was_read = True, min(turn.read, head) if turn.read < upto else turn.read - gone
                gone, upto = gone + more, turns[start].sent
        read = min(was_read, opening) if clears else min(turn.read, head) if turn.read < upto else turn.read - gone
        calls.append((turn.sent - gone, read, turn.answer, clears))
    return calls


def usd(sent, read, answer):
    return (sent - read) * INPUT + read * CACHED + answer * OUTPUT


# --- the walk ---------------------------------------------------------------------------------------


@st.composite
def conversations(draw):
    turns, sent = [], draw(st.integers(1, 3_000))
    for _ in range(draw(st.integers(1, 30))):
        read = draw(st.sampled_from((0, sent // 2, sent)))
        written = draw(st.sampled_from((0, (sent - read) // 2, sent - read)))
        turns.append(Turn(sent, read, written, draw(st.integers(0, 300))))
        sent += draw(st.integers(0, 6_000))
    return turns


@settings(max_examples=25)
@given(st.lists(conversations(), min_size=1, max_size=4), st.sampled_from((2_000, 8_000, 30_000)), st.integers(1, 4))
def test_all_conversations_at_once_come_to_what_each_does_by_hand(logged, bar, keep):
    turns = [turn for conversation in logged for turn in conversation]
    keys = np.repeat(np.arange(len(logged)), [len(conversation) for conversation in logged])
    names = dict(zip(compaction.COUNTS, ("sent", "read", "written", "none", "answer"), strict=True))
    counts = {name: np.array([getattr(turn, own, 0) for turn in turns]) for name, own in names.items()}
    free = dict.fromkeys(("read", "write", "output"), np.zeros(len(logged)))
    bars = np.full(len(logged), bar)
    results = np.zeros(len(turns), np.int64)
    done = compaction.shorten(compaction.of(keys, counts, results), bars, compaction.Policy(keep, 0.1), free)
    expected = [row for conversation in logged for row in compacted_by_hand(conversation, bar, keep)]
    found = zip(
        *(done.counts[name].tolist() for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens")),
        done.counts["output_tokens"].tolist(),
        done.shortens.tolist(),
        strict=True,
    )
    assert list(found) == expected
    for name in ("cache_read_tokens", "cache_write_tokens"):
        assert (done.counts[name] >= 0).all()
    assert (done.counts["cache_read_tokens"] + done.counts["cache_write_tokens"] <= done.counts["input_tokens"]).all()


def test_a_long_life_in_the_cache_keeps_its_part_of_what_is_written():
    turns = [Turn(1_000 + 3_000 * n, 0, 1_000 + 3_000 * n) for n in range(8)]
    counts = dict(
        zip(
            compaction.COUNTS,
            (np.array(c) for c in zip(*((t.sent, 0, t.written, t.written // 2, 50) for t in turns), strict=True)),
            strict=True,
        )
    )
    free = dict.fromkeys(("read", "write", "output"), np.zeros(1))
    none = np.zeros(8, np.int64)
    done = compaction.shorten(compaction.of(none, counts, none), np.array([8_000]), compaction.Policy(3, 0.1), free)
    assert done.shortens.any()
    assert abs(2 * done.counts["cache_write_long_tokens"] - done.counts["cache_write_tokens"]).max() <= 1


# --- the lever on priced calls ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def loop(session, turns, first=0, **more):
    """A conversation: every prompt begins with the one before."""
    return [
        call(
            first + n,
            60 * n,
            session_id=session,
            endpoint="/agent",
            input_tokens=turn.sent,
            cache_read_tokens=turn.read,
            output_tokens=turn.answer,
            prompt_hash=first + n,
            prefix_hashes=[1, *(1_000 * (first + 1) + m for m in range(n + 1))],
            **more,
        )
        for n, turn in enumerate(turns)
    ]


def steps(count, *, cached=False):
    sizes = [HEAD_TOKENS + STEP_TOKENS * n for n in range(count)]
    return [Turn(size, sizes[n - 1] if cached and n else 0) for n, size in enumerate(sizes)]


def found_by(engine, rows, lever):
    replayed = replay(engine, rows)
    lever.prepare(engine)
    return table(engine, lever.hits(engine, replayed.usage))


@pytest.mark.parametrize("cached", [False, True])
def test_a_summary_saves_what_a_slow_replay_says(engine, cached):
    turns = steps(40, cached=cached)
    [step] = replay(engine, loop("s", turns)).plan([ContextGrowth(compact_after_tokens=16_000)], Decimal(1)).steps
    after = compacted_by_hand(turns, 16_000)
    before = sum(usd(turn.sent, turn.read, turn.answer) for turn in turns)
    expected = before - sum(usd(sent, read, answer) for sent, read, _, answer, _ in after)
    assert sum(row[4] for row in after) > 3
    assert step.in_order_usd == expected.quantize(Decimal("0.000001"))
    assert expected > before / 4


@settings(max_examples=50)
@given(conversations(), st.data(), st.sampled_from((2_000, 8_000, 30_000)), st.integers(1, 4))
def test_clearing_all_at_once_comes_to_what_each_call_does_by_hand(turns, data, bar, keep):
    shares = [data.draw(st.floats(0, 1)) for _ in turns]
    grown = [0, *(after.sent - before.sent for before, after in pairwise(turns))]
    results = np.cumsum([int(share * more) for share, more in zip(shares, grown, strict=True)])
    names = dict(zip(compaction.COUNTS, ("sent", "read", "none", "none", "answer"), strict=True))
    counts = {name: np.array([getattr(turn, own, 0) for turn in turns]) for name, own in names.items()}
    free = dict.fromkeys(("read", "write", "output"), np.zeros(1))
    logged = compaction.of(np.zeros(len(turns), np.int64), counts, results)
    done = compaction.shorten(logged, np.array([bar]), compaction.Policy(keep, 0.1, clears=True), free)
    found = zip(
        *(done.counts[name].tolist() for name in ("input_tokens", "cache_read_tokens", "output_tokens")),
        done.shortens.tolist(),
        strict=True,
    )
    assert list(found) == cleared_by_hand(turns, results.tolist(), bar, keep)
    assert (done.counts["cache_read_tokens"] <= done.counts["input_tokens"]).all()
    assert done.gone_tokens.sum() == turns[-1].sent - done.counts["input_tokens"][-1]


@pytest.mark.parametrize("cached", [False, True])
def test_cleared_results_save_what_a_slow_replay_says(engine, cached):
    """Every step brings 2,000 tokens, nine tenths of them a result."""
    turns = steps(40, cached=cached)
    rows = [
        row | {"tool_result_bytes": 9 * 200 * n, "prefix_bytes": [HEAD_TOKENS + STEP_TOKENS * n]}
        for n, row in enumerate(loop("s", turns))
    ]
    results = [1_800 * n for n in range(40)]
    [step] = replay(engine, rows).plan([ContextGrowth(clear_after_tokens=16_000)], Decimal(1)).steps
    after = cleared_by_hand(turns, results, 16_000)
    before = sum(usd(turn.sent, turn.read, turn.answer) for turn in turns)
    expected = before - sum(usd(sent, read, answer) for sent, read, answer, _ in after)
    assert sum(row[3] for row in after) > 3
    assert step.in_order_usd == expected.quantize(Decimal("0.000001"))
    assert expected > before / 4
    assert found_by(engine, rows, ContextGrowth(clear_after_tokens=10**9)) == []


def test_where_results_are_most_of_it_they_are_cleared_and_no_summary_is_paid(duck):
    def answers(share):
        sizes = [HEAD_TOKENS + 20_000 * n for n in range(15)]
        sent = [
            row | {"tool_result_bytes": int(share * (size - HEAD_TOKENS)), "prefix_bytes": [size]}
            for size, row in zip(sizes, loop("s", [Turn(size) for size in sizes]), strict=True)
        ]
        return {hit["new_output_tokens"] for hit in found_by(duck, sent, ContextGrowth())}

    assert answers(0.95) == {50}
    assert max(answers(0.3)) > 500


@pytest.mark.parametrize("way", [{}, {"clear_after_tokens": 8_000}])
def test_pulled_twice_it_saves_nothing_more(duck, way):
    rows = [*loop("s", steps(40)), *loop("t", steps(30, cached=True), first=100)]
    rows = [
        row | {"tool_result_bytes": 9 * row["input_tokens"] - 13_500, "prefix_bytes": [10 * row["input_tokens"]]}
        for row in rows
    ]
    first, second = replay(duck, rows).plan([ContextGrowth(**way), ContextGrowth(**way)], Decimal(1)).steps
    assert first.in_order_usd > 0
    assert second.in_order_usd == 0


def test_history_that_the_cache_gives_cheaper_than_a_summary_is_left(duck):
    # ten steps of 300 tokens: what is sent again is read at half price, and a summary costs 500 tokens of answer
    rows = [row for n in range(4) for row in loop(f"s{n}", [Turn(1_000 + 300 * m) for m in range(10)], first=20 * n)]
    assert found_by(duck, rows, ContextGrowth()) == []
    assert found_by(duck, rows, ContextGrowth(compact_after_tokens=2_000)) != []


@pytest.mark.parametrize(
    "apart",
    [{"session_id": None}, {"prefix_hashes": None}, {"billing_mode": "subscription"}, {"input_tokens": None}],
    ids=str,
)
def test_calls_that_no_session_or_text_joins_are_no_conversation(duck, apart):
    rows = [row | apart for row in loop("s", steps(40))]
    assert found_by(duck, rows, ContextGrowth(compact_after_tokens=4_000)) == []


def test_two_agents_in_one_session_are_two_conversations(duck):
    one, other = loop("s", steps(12)), loop("s", steps(12), first=50)
    together = [row for pair in zip(one, other, strict=True) for row in pair]
    other_tools = [row | {"prefix_hashes": [2, *row["prefix_hashes"]]} for row in other]
    apart = [row for pair in zip(one, other_tools, strict=True) for row in pair]
    lever = ContextGrowth(compact_after_tokens=8_000)
    assert found_by(duck, together, lever) == []  # each call starts anew: the one before it was another's
    assert len(found_by(duck, apart, ContextGrowth(compact_after_tokens=8_001))) == 2 * len(
        found_by(duck, one, ContextGrowth(compact_after_tokens=8_002))
    )


def test_calls_that_are_not_made_take_no_part(duck):
    rows = loop("s", steps(14))
    rows[5] |= {"status": "error", "billable": False}
    hits = changed_ids_of(found_by(duck, rows, ContextGrowth(compact_after_tokens=8_000)))
    assert hits
    assert "c005" not in hits


def changed_ids_of(hits):
    return [hit["request_id"] for hit in hits]


def test_what_is_unknown_stays_unknown(duck):
    rows = loop("s", steps(14))
    rows[-1] |= {"output_tokens": None, "cache_read_tokens": None}
    replayed = replay(duck, rows)
    lever = ContextGrowth(compact_after_tokens=8_000)
    lever.prepare(duck)
    assert "c013" in changed_ids(duck, lever.hits(duck, replayed.usage))
    hits = duck.fetch(lever.hits(duck, replayed.usage))
    [batch] = duck.fetch(replayed.usage).join(hits, "request_id", join_type="inner").combine_chunks().to_batches()
    changed = {row["request_id"]: row for row in pa.Table.from_batches([lever.change(batch)]).to_pylist()}
    assert changed["c013"]["output_tokens"] is None
    assert changed["c013"]["cache_read_tokens"] is None


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"compact_after_tokens": 0}, "levers.context_growth.compact_after_tokens = 0 should be more than 0."),
        ({"clear_after_tokens": 0}, "levers.context_growth.clear_after_tokens = 0 should be more than 0."),
        (
            {"clear_after_tokens": 1, "compact_after_tokens": 1},
            "levers.context_growth has compact_after_tokens and clear_after_tokens: a conversation is shortened in one way. Leave one out.",
        ),
        ({"keep_calls": 0}, "levers.context_growth.keep_calls = 0 should be more than 0."),
        ({"summary_share": 1.0}, "levers.context_growth.summary_share = 1.0 should be between 0 and 1."),
    ],
)
def test_a_setting_that_cannot_be_is_named(said, error):
    with pytest.raises(AuditError) as raised:
        ContextGrowth(**said)
    assert str(raised.value) == error


# --- whole audits -------------------------------------------------------------------------------------


def agent(sessions, length, *, result_words=400):
    """An agent's loop: every call sends what was said before, results of tools included."""
    for number in range(sessions):
        messages = [{"role": "system", "content": "You mend code. Use the tools."}]
        messages.append({"role": "user", "content": f"Mend case {number}."})
        for step in range(length):
            asked = {"id": f"t{step}", "type": "function", "function": {"name": "read", "arguments": f'"{step}"'}}
            answer = {"role": "assistant", "content": None, "tool_calls": [asked]}
            sent = sum(len(json.dumps(message)) for message in messages) // 4
            yield {
                "timestamp": f"2026-10-{1 + number % 14:02}T{9 + step // 60:02}:{step % 60:02}:00Z",
                "request_id": f"r{number}-{step}",
                "endpoint": "/mend",
                "session_id": f"s{number}",
                "provider": "openai",
                "status": 200,
                "request": {"model": "gpt-4o-2024-08-06", "messages": list(messages)},
                "response": {
                    "model": "gpt-4o-2024-08-06",
                    "choices": [{"message": answer, "finish_reason": "tool_calls"}],
                    "usage": {"prompt_tokens": sent, "completion_tokens": 25},
                },
            }
            told = f"line {number}-{step} " * result_words
            messages += [answer, {"role": "tool", "tool_call_id": f"t{step}", "content": told}]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    log = write_log(tmp_path_factory.mktemp("agent") / "agent.jsonl", agent(10, 20))
    with llmaudit.audit(log, levers=["context_growth", "prompt_caching"]) as audit:
        yield audit


def evidence(audit):
    return next((f["evidence"] for f in audit.data["findings"] if f["lever"] == "context_growth"), None)


def test_the_finding_names_the_bar_and_what_is_sent_again(audited):
    found = evidence(audited)
    assert (found["conversations"], found["conversation_calls"]) == (10, 200)
    assert found["resent_ratio"] == pytest.approx(10, abs=0.5)  # twenty prompts of half the longest on average
    assert found["resent_share"] > 0.85
    assert found["tool_results_share"] > 0.9
    assert found["fixed_examples_share"] == 0.0
    assert found["policy"] == "compact"
    assert found["compact_after_tokens"] in (8_000, 16_000)
    assert found["compactions"] >= 10
    assert (found["clear_after_tokens"], found["clearings"], found["cleared_tokens"]) == (None, 0, 0)


def test_long_prompts_of_results_are_cleared(tmp_path):
    log = write_log(tmp_path / "agent.jsonl", agent(3, 15, result_words=8_000))
    with llmaudit.audit(log, levers=["context_growth"]) as audit:
        found = evidence(audit)
        [action] = audit.findings()["action"]
    assert action.startswith("Clear results of tools")
    assert found["policy"] == "clear"
    assert found["clear_after_tokens"] in (32_000, 64_000)
    assert found["clearings"] >= 3
    assert found["cleared_tokens"] >= 8_000 * found["clearings"]
    assert (found["compact_after_tokens"], found["compactions"], found["summary_tokens"]) == (None, 0, 0)


def test_both_levers_together_save_more_than_the_cache_alone(audited):
    plan = audited.data["plan"]
    assert plan["with_evaluation"]["saving_usd"] > plan["headline_saving_usd"] > 0


def test_the_call_that_compacts_reads_no_old_prompt_from_the_cache(audited):
    replayed = audited.what_if([llmaudit.ContextGrowth(), llmaudit.PromptCaching()])
    assert replayed["in_order_usd"].sum() < replayed["standalone_usd"].sum()


def test_without_texts_only_the_examples_are_unknown(tmp_path, audited):
    log = write_log(tmp_path / "agent.jsonl", agent(10, 20))
    with llmaudit.audit(log, levers=["context_growth"], text="none") as audit:
        found = evidence(audit)
    assert found["fixed_examples_share"] is None
    for name in ("tool_results_share", "compactions", "summary_tokens"):
        assert found[name] == evidence(audited)[name]


ASKED = "What is left of the lamp?"
CALLED = {"id": "t", "type": "function", "function": {"name": "stock", "arguments": "{}"}}
RESULTS = {
    "chat": ("openai", "messages", {"role": "tool", "tool_call_id": "t", "content": "seven"}),
    "responses": ("openai", "input", {"type": "function_call_output", "call_id": "t", "output": "seven"}),
    "messages": (
        "anthropic",
        "messages",
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seven"}]},
    ),
    "converse": (
        "aws.bedrock",
        "messages",
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "seven"}]}}]},
    ),
    "gemini": (
        "gcp.gemini",
        "contents",
        {"role": "user", "parts": [{"functionResponse": {"name": "stock", "response": {"left": "seven"}}}]},
    ),
}
"""Where each provider's request says what a tool answered."""


@pytest.mark.parametrize("form", RESULTS)
def test_results_of_tools_are_known_in_every_providers_words(tmp_path, form):
    provider, where, result = RESULTS[form]
    text = [{"text": ASKED}]
    asked = {
        "role": "user",
        **({"parts": text} if where == "contents" else {"content": text if form == "converse" else ASKED}),
    }

    def row(name, *messages):
        return {
            "timestamp": "2026-10-01T09:00:00Z",
            "request_id": name,
            "provider": provider,
            "request": {"model": "m", where: list(messages)},
            "response": {"model": "m", "usage": {"input_tokens": 10, "output_tokens": 1}},
        }

    log = write_log(tmp_path / "log.jsonl", [row("asked", asked), row("told", asked, result)])
    with llmaudit.audit(log, levers=["context_growth"]) as audit:
        told = audit.sql("select request_id, prompt_bytes, tool_result_bytes from requests order by request_id").rows()
    (_, asked_bytes, none), (_, all_bytes, result_bytes) = told
    assert none == 0
    assert result_bytes == all_bytes - asked_bytes >= len("seven")


def test_single_questions_are_no_growth(tmp_path):
    rows = [row for row in agent(60, 2) if row["request_id"].endswith("-0")]
    with llmaudit.audit(write_log(tmp_path / "asked.jsonl", rows), levers=["context_growth"]) as audit:
        assert evidence(audit) is None


def counted(path):
    """The public trace, its tokens those of what is said and called."""
    rows = list(trace(path))
    said = {json.dumps(message): None for row in rows for message in row["request"]["messages"]}
    texts = [_said(json.loads(message)) for message in said]
    tokens = dict(zip(said, count_tokens(pa.array(texts), "o200k_base").to_pylist(), strict=True))
    for row in rows:
        sent = sum(tokens[json.dumps(message)] for message in row["request"]["messages"])
        row["response"]["usage"]["prompt_tokens"] = sent
    return rows


def _said(message):
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return (message.get("content") or "") + "".join(made["name"] + made["arguments"] for made in calls)


@pytest.mark.slow
@pytest.mark.skipif(not Path(TAU).exists(), reason="the public trace is not part of the repository")
def test_agents_of_a_public_trace_send_their_context_ten_times(tmp_path):
    with llmaudit.audit(write_log(tmp_path / "tau.jsonl", counted(TAU)), levers=["context_growth"]) as audit:
        found = evidence(audit)
    assert found["conversation_calls"] == 2_454
    assert found["resent_ratio"] == pytest.approx(9.65, rel=0.005)  # published: 9.65


# --- examples that most prompts begin with ----------------------------------------------------------------


def asked(number, *, shots, cached=0):
    """One question behind `shots` examples of 100 + 100 bytes; 1,000 tokens, of which so many are read from the cache."""
    examples = [
        {"role": role, "content": f"{role} {shot} ".ljust(100, "x")}
        for shot in range(shots)
        for role in ("user", "assistant")
    ]
    question = {"role": "user", "content": f"question {number} ".ljust(100, "y")}
    usage = {"prompt_tokens": 1_000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": cached}}
    return {
        "timestamp": f"2026-10-{1 + number % 14:02}T09:{number % 60:02}:00Z",
        "request_id": f"q{number}",
        "endpoint": "/sort",
        "provider": "openai",
        "status": 200,
        "request": {"model": "gpt-4o-2024-08-06", "messages": [*examples, question]},
        "response": {
            "model": "gpt-4o-2024-08-06",
            "choices": [{"message": {"role": "assistant", "content": f"class {number}"}, "finish_reason": "stop"}],
            "usage": usage,
        },
    }


def finding_of(tmp_path, rows):
    with llmaudit.audit(write_log(tmp_path / "asked.jsonl", rows), levers=["context_growth"]) as audit:
        plan = audit.data["plan"]["with_evaluation"]["saving_usd"]
        [finding] = [f for f in audit.data["findings"] if f["lever"] == "context_growth"] or [None]
    return finding, plan


@pytest.mark.parametrize(("cached", "rate"), [(0, INPUT), (1_000, CACHED)])
def test_examples_are_priced_at_what_they_cost_and_in_no_plan(tmp_path, cached, rate):
    """40 of 50 prompts begin with four examples: (4 + 1 + 100) + (9 + 1 + 100) bytes each, role first. A question has 105."""
    rows = [asked(n, shots=4, cached=cached) for n in range(40)] + [asked(n, shots=0) for n in range(40, 50)]
    finding, plan = finding_of(tmp_path, rows)
    assert finding["evidence"]["fixed_examples_share"] == 40 * 860 / (40 * 965 + 10 * 105)
    assert finding["evidence"]["policy"] == "none"
    assert finding["action"].startswith("Leave the examples")
    tokens = 1_000 * 860 // 965
    assert (finding["saving_usd"]["low"], finding["saving_usd"]["expected"]) == (0, 0)
    assert finding["saving_usd"]["high"] == 40 * tokens * rate
    assert plan == 0


def test_prompts_without_examples_or_too_few_show_none(tmp_path):
    assert finding_of(tmp_path, [asked(n, shots=0) for n in range(40)]) == (None, 0)
    assert finding_of(tmp_path, [asked(n, shots=4) for n in range(9)]) == (None, 0)


def test_one_prompt_sent_again_and_again_shows_no_examples(tmp_path):
    rows = [asked(n, shots=4) | {"request": asked(0, shots=4)["request"]} for n in range(40)]
    assert finding_of(tmp_path, rows) == (None, 0)
