"""Every sample file gives its golden rows; every accounting trap that these sources meet has its sum worked by hand."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmaudit import sources
from llmaudit.lake.pieces import plain_text
from llmaudit.sources.base import PEEK_BYTES, TABLES, Peek
from llmaudit.sources.reader import Reading, ReadOptions, read

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "sample_logs"
FURTHER = HERE / "data" / "sources"
"""Samples that are no part of the invented company's month."""
FILES = sorted(path for top in (SAMPLES, FURTHER) for path in top.rglob("*") if path.is_file() and path.parent != top)
TRUTH = json.loads((HERE / "data" / "samples_truth.json").read_text("utf-8"))
REFERENCE = Path(__file__).parents[2] / "shared" / "reference"

TEXTS = {"system_text", "system_head", "first_user", "tools_text", "params_text"}


def read_file(path, source=None, timezone="UTC"):
    """Rows and reading of one file, once it is seen that no record was lost."""
    source = sources.by_name(source) if source else sources.identify(path)
    reading = Reading(source.name)
    options = ReadOptions(timezone=timezone, longest_line=path.stat().st_size, content_hash="hash")
    batches = list(read(source, path, reading, options))
    assert all(batch.schema.equals(TABLES[source.table]) for batch in batches)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert reading.rows_kept == len(rows)
    assert reading.rows_read == len(rows) + reading.rows_merged + sum(reading.not_calls.values()) + len(reading.refused)
    return rows, reading


def first_user(row):
    """What the first user message of a row says."""
    said = [text.removeprefix("user\x1f") for text in row["messages"] if text.startswith("user\x1f")]
    return plain_text(said[0])


@pytest.fixture
def rows_of(tmp_path):
    def rows(source, *records, timezone="UTC"):
        path = tmp_path / f"{source}.json"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return read_file(path, source, timezone)[0]

    return rows


@pytest.fixture
def reading_of(tmp_path):
    def reading(source, *records):
        path = tmp_path / f"{source}.json"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return read_file(path, source)[1]

    return reading


# --- golden rows --------------------------------------------------------------------------------


def place(path):
    """The path of a sample below its top folder: <source>/<case>."""
    return path.relative_to(SAMPLES if path.is_relative_to(SAMPLES) else FURTHER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(place(path)))
def test_a_sample_file_gives_its_golden_rows(path, golden):
    rows, reading = read_file(path)
    assert reading.source == place(path).parts[0]
    golden(
        f"sources/{place(path)}.jsonl" if path.suffix != ".jsonl" else f"sources/{place(path)}",
        as_golden(rows, reading),
    )


def as_golden(rows, reading):
    """The reading, what all rows share, then each row without nulls. Of texts: their lengths, and how the answer starts."""
    shown = [{name: short(name, value) for name, value in row.items() if value is not None} for row in rows]
    shared = {name: value for name, value in shown[0].items() if all(row.get(name) == value for row in shown)}
    ledger = {
        "rows_read": reading.rows_read,
        "rows_merged": reading.rows_merged,
        "not_calls": dict(sorted(reading.not_calls.items())),
        "refused": [[refused.line, refused.reason, refused.head[:40]] for refused in reading.refused],
    }
    each = [{name: value for name, value in row.items() if name not in shared} for row in shown]
    lines = (ledger, {"every row": shared}, *each)
    return "".join(json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def short(name, value):
    if name == "messages":
        return [len(text) for text in value]
    if name == "output_text":
        return f"{value[:16]} ({len(value)})"
    return len(value) if name in TEXTS else value[:8] if name == "call_key" else value


def test_every_folder_of_samples_is_named_after_a_source():
    assert {place(path).parts[0] for path in FILES} <= set(sources.registry())


def test_every_source_of_ours_has_a_sample():
    assert {place(path).parts[0] for path in FILES} == set(sources.registry())


def test_the_samples_hold_what_their_truth_says():
    kept, not_calls = Counter(), Counter()
    for path in (path for path in FILES if path.is_relative_to(SAMPLES)):
        rows, reading = read_file(path)
        kept[reading.source] += len(rows)
        kept["merged"] += reading.rows_merged
        kept["refused"] += len(reading.refused)
        not_calls.update(reading.not_calls)
    records = TRUTH["records"]
    assert kept["plain_jsonl"] == records["plain_jsonl"]["calls"]
    assert kept["refused"] == records["plain_jsonl"]["quarantined"]
    assert kept["litellm_callback"] == records["litellm_callback"]["calls"]
    said = records["claude_code"]["not_calls"]
    assert not_calls["user"] + not_calls["tool result"] == said["user"]
    assert not_calls["synthetic message"] == said["synthetic"]
    assert {name: not_calls[name] for name in ("summary", "system", "file-history-snapshot")} == {
        name: said[name] for name in ("summary", "system", "file-history-snapshot")
    }


def test_the_costs_sample_adds_up_to_the_bill_to_the_last_digit():
    rows, _ = read_file(SAMPLES / "openai_costs" / "costs_2026-10.json")
    assert sum(row["billed_cost"] for row in rows) == Decimal(TRUTH["bill"]["billed_usd"])


def test_coding_agent_calls_are_counted_once_across_resumed_sessions_and_side_chains():
    files = sorted((SAMPLES / "claude_code").rglob("*.jsonl"))
    keys = {row["call_key"] for path in files for row in read_file(path)[0]}
    assert len(keys) == TRUTH["records"]["claude_code"]["calls"]


# --- whose file is it ---------------------------------------------------------------------------


def claims(path):
    return sorted(source.name for source in sources.registry().values() if source.matches(Peek.of(path)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(place(path)))
def test_a_sample_file_is_claimed_by_one_source_only(path):
    assert claims(path) == [place(path).parts[0]]


OURS_IN_THE_REFERENCE = {
    "claude_code/old_v1_with_costUSD_verbatim_ccusage_fixture.jsonl": ["claude_code"],
    "claude_code/session_with_duplicates.jsonl": ["claude_code"],
    "litellm/slp_generated_1_success.json": ["litellm_callback"],
    "litellm/slp_generated_2_success_stream.json": ["litellm_callback"],
    "litellm/slp_generated_3_failure.json": ["litellm_callback"],
    "openai/costs_page.json": ["openai_costs"],
    "openai/usage_completions_page.json": ["openai_usage"],
    "openai/batch_output.jsonl": ["openai_batch"],
    "handwritten/openai_batch_output.jsonl": ["openai_batch"],
    "openai/cost_2025-10-05_2025-10-10.csv": ["openai_cost_csv"],
    "openai/cost_2026-09-27_2026-09-29.csv": ["openai_cost_csv"],
    "openai/completions_usage_2025-10-05_2025-10-09.csv": ["openai_usage_csv"],
    "anthropic/batch_results.jsonl": ["anthropic_batch"],
    "anthropic/cost_report.json": ["anthropic_cost_report"],
    "anthropic/console_cost_2026-09.csv": ["anthropic_cost_csv"],
    "anthropic/usage_report_messages.json": ["anthropic_usage_report"],
    "anthropic/console_usage_2025-06.csv": ["anthropic_usage_csv"],
    "anthropic/console_usage_2026.csv": ["anthropic_usage_csv"],
    "openai/chat_completion_usage.jsonl": ["openai_objects"],
    "anthropic/claude_code_usage.json": ["anthropic_claude_code_report"],
}


@pytest.mark.skipif(
    not REFERENCE.exists(), reason="the collection of other tools' formats is not part of this repository"
)
def test_no_file_of_forty_other_shapes_is_claimed_twice():
    files = [
        path for folder in REFERENCE.glob("formats_*/samples") for path in folder.rglob("*.*") if path.suffix != ".md"
    ]
    got = {f"{path.parent.name}/{path.name}": claims(path) for path in files}
    assert not {name: claimed for name, claimed in got.items() if len(claimed) > 1}
    assert {name: got[name] for name in OURS_IN_THE_REFERENCE} == OURS_IN_THE_REFERENCE


@pytest.mark.parametrize(
    ("name", "head", "claimed"),
    [
        ("costs.json", '{"object":"page","data":[{"object":"bucket","results":[]}]}', ["openai_costs"]),
        ("usage.json", '{"object":"page","data":[{"object":"bucket","results":[]}]}', ["openai_usage"]),
        ("page.json", '{"object":"page","data":[{"object":"bucket","results":[]}]}', []),
        ("x.jsonl", '{"type":"summary","summary":"a","leafUuid":"b"}', ["claude_code"]),
        (
            "x.jsonl",
            '{"request_id":"a","call_type":"acompletion","startTime":"2026-01-01","model":"m","spend":0.1}',
            ["litellm_spend_logs"],
        ),
        (
            "x.jsonl",
            '{"timestamp":"2026-01-01","request":{"messages":[{"content":"\\"sessionId\\" \\"response_cost\\""}]}}',
            ["plain_jsonl"],
        ),
        ("x.txt", "hello", []),
    ],
)
def test_a_name_and_a_first_line_tell_whose_file_it_is(name, head, claimed):
    assert sorted(s.name for s in sources.registry().values() if s.matches(Peek(name, head))) == claimed


def test_only_the_first_bytes_are_looked_at(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(" " * PEEK_BYTES + '{"timestamp": 1, "request": {}}')
    with pytest.raises(sources.Unclaimed, match="no source knows this file"):
        sources.identify(path)


# --- bodies of providers ------------------------------------------------------------------------


def openai_chat(usage=None, **body):
    choices = [{"index": 0, "message": {"role": "assistant", "content": "delivery"}, "finish_reason": "stop"}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": choices,
        "usage": usage,
        **body,
    }


def anthropic(usage, **body):
    content = [{"type": "text", "text": "delivery"}]
    return {
        "id": "msg_1",
        "type": "message",
        "model": "claude-sonnet-5-5",
        "content": content,
        "stop_reason": "end_turn",
        "usage": usage,
        **body,
    }


def plain(response=None, **record):
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is it?"}]}
    return {
        "timestamp": "2026-10-01T12:00:00Z",
        "request_id": "r1",
        "request": asked,
        "response": response,
        "status": 200,
        **record,
    }


def counts(row, *names):
    return tuple(
        row[name] for name in names or ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    )


def test_p1_openai_input_includes_the_cache(rows_of):
    usage = {"prompt_tokens": 1_000, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 768}}
    [row] = rows_of("plain_jsonl", plain(openai_chat(usage)))
    assert counts(row, "input_tokens", "cache_read_tokens", "output_tokens") == (1_000, 768, 20)


def test_p1_anthropic_input_excludes_the_cache_so_reads_and_writes_are_added(rows_of):
    usage = {
        "input_tokens": 12,
        "cache_read_input_tokens": 2_000,
        "cache_creation_input_tokens": 300,
        "output_tokens": 40,
    }
    [row] = rows_of("plain_jsonl", plain(anthropic(usage)))
    assert counts(row) == (12 + 2_000 + 300, 2_000, 300, 40)
    assert row["provider"] == "anthropic"


@pytest.mark.parametrize(
    "block",
    [
        '{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}',
        '{"cache_control":{"type":"ephemeral"},"type":"text","text":"Be brief."}',
    ],
)
def test_a_cache_mark_is_no_part_of_a_text_wherever_it_stands(rows_of, block):
    asked = {"model": "claude-sonnet-5-5", "system": [json.loads(block)], "messages": []}
    [row] = rows_of("plain_jsonl", plain(anthropic({"input_tokens": 1, "output_tokens": 1}), request=asked))
    assert row["system_text"] == '[{"type":"text","text":"Be brief."}]'


def test_p2_the_two_lifetimes_of_a_cache_write_are_its_parts(rows_of):
    split = {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100}
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 300, "cache_creation": split, "output_tokens": 1}
    [row] = rows_of("plain_jsonl", plain(anthropic(usage)))
    assert counts(row, "input_tokens", "cache_write_tokens", "cache_write_long_tokens") == (310, 300, 100)


def test_p2_openai_writes_lie_inside_the_input_and_split_by_lifetime(rows_of):
    details = {
        "cached_tokens": 500,
        "cache_write_tokens": 300,
        "cache_write_tokens_details": {"ttl_30m_tokens": 260, "ttl_12h_tokens": 40},
    }
    body = {"id": "resp_1", "object": "response", "model": "gpt-6-luna", "status": "completed", "output": []}
    [row] = rows_of(
        "plain_jsonl",
        plain({**body, "usage": {"input_tokens": 1_000, "input_tokens_details": details, "output_tokens": 5}}),
    )
    assert counts(row, "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens") == (
        1_000,
        500,
        300,
        40,
    )


def test_p3_reasoning_lies_inside_the_output(rows_of):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 90,
        "total_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 64},
    }
    [row] = rows_of("plain_jsonl", plain(openai_chat(usage)))
    assert counts(row, "output_tokens", "reasoning_tokens") == (90, 64)


def test_p3_reasoning_outside_the_output_is_seen_by_the_total_and_added(rows_of):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 26,
        "total_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 64},
    }
    [row] = rows_of("plain_jsonl", plain(openai_chat(usage, model="grok-5")))
    assert counts(row, "output_tokens", "reasoning_tokens") == (26 + 64, 64)


def test_p10_compaction_is_billed_beside_the_top_level_counts(rows_of):
    compaction = {"type": "compaction", "input_tokens": 700, "output_tokens": 50, "cache_read_input_tokens": 5}
    iterations = [{"type": "message", "input_tokens": 10, "output_tokens": 20}, compaction]
    [row] = rows_of(
        "plain_jsonl", plain(anthropic({"input_tokens": 10, "output_tokens": 20, "iterations": iterations}))
    )
    assert counts(row, "input_tokens", "output_tokens") == (10 + 700 + 5, 20 + 50)


def test_p15_times_are_read_in_every_unit_and_with_every_offset(rows_of):
    times = [1790856000, 1790856000.0, "1790856000", 1790856000000, 1790856000000000, 1790856000000000000,
             "2026-10-01T12:00:00Z", "2026-10-01T14:00:00+02:00", "2026-10-01 12:00:00,000", "2026-10-01T12:00:00.000000Z"]  # fmt: skip
    rows = rows_of("plain_jsonl", *(plain(openai_chat({"prompt_tokens": 1}), timestamp=time) for time in times))
    assert {row["started_at"].isoformat() for row in rows} == {"2026-10-01T12:00:00"}


def test_p15_a_time_without_zone_is_of_the_zone_that_the_user_named(rows_of):
    record = plain(openai_chat({"prompt_tokens": 1}), timestamp="2026-10-01T14:00:00")
    assert rows_of("plain_jsonl", record)[0]["started_at"].hour == 14
    assert rows_of("plain_jsonl", record, timezone="Europe/Brussels")[0]["started_at"].hour == 12


@pytest.mark.parametrize("time", [None, "", "yesterday", 0, -5, 1e300, "9" * 400, {"a": 1}, "infinity"])
def test_what_is_no_time_is_quarantined_and_says_so(reading_of, time):
    reading = reading_of("plain_jsonl", plain(openai_chat({"prompt_tokens": 1}), timestamp=time))
    [refused] = reading.refused
    assert refused.reason.startswith("no readable time in timestamp: ")


# --- streams ------------------------------------------------------------------------------------

CHAT_CHUNKS = [
    {"id": "chatcmpl-9", "model": "gpt-4o-2024-08-06", "service_tier": "default", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"id": "chatcmpl-9", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": "deli"}}], "usage": None},
    {"id": "chatcmpl-9", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": "very"}}], "usage": None},
    {"id": "chatcmpl-9", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
    {"id": "chatcmpl-9", "model": "gpt-4o-2024-08-06", "choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32}},
]  # fmt: skip
CHAT_TOOL_CHUNKS = [
    {"id": "c", "model": "gpt-4o", "choices": [{"delta": {"tool_calls": [{"index": 0, "id": "call_a", "function": {"name": "find", "arguments": ""}}]}}]},
    {"id": "c", "model": "gpt-4o", "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":'}}]}}]},
    {"id": "c", "model": "gpt-4o", "choices": [{"delta": {"tool_calls": [{"index": 1, "id": "call_b", "function": {"name": "order", "arguments": "{}"}}]}}]},
    {"id": "c", "model": "gpt-4o", "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]},
    {"id": "c", "model": "gpt-4o", "choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 9, "completion_tokens": 8}},
]  # fmt: skip
MESSAGE_EVENTS = [
    {"type": "message_start", "message": {"id": "msg_9", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "content": [], "stop_reason": None,
     "usage": {"input_tokens": 25, "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 0, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I "}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "look."}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"q":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 12}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 25, "cache_read_input_tokens": None, "output_tokens": 31}},
    {"type": "message_stop"},
]  # fmt: skip
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {"id": "resp_9", "object": "response", "model": "gpt-6-luna", "status": "in_progress", "usage": None}},
    {"type": "response.output_text.delta", "delta": "deli"},
    {"type": "response.completed", "response": {"id": "resp_9", "object": "response", "model": "gpt-6-luna", "status": "completed", "service_tier": "flex",
     "output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "delivery"}]},
                {"type": "function_call", "name": "find", "arguments": "{}"}],
     "usage": {"input_tokens": 40, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 70, "output_tokens_details": {"reasoning_tokens": 64}}}},
]  # fmt: skip


def sse(events):
    return (
        "".join(f"event: {event.get('type', 'message')}\ndata: {json.dumps(event)}\n\n" for event in events)
        + "data: [DONE]\n\n"
    )


def every_way(events):
    """The same stream as SSE text, as a list of its events, and as a list of SSE lines."""
    return (
        pytest.param(sse(events), id="text"),
        pytest.param(events, id="events"),
        pytest.param([f"data: {json.dumps(e)}" for e in events], id="lines"),
    )


@pytest.mark.parametrize("response", every_way(CHAT_CHUNKS))
def test_p8_a_chat_stream_has_its_usage_in_the_last_chunk(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert counts(row, "input_tokens", "output_tokens") == (30, 2)
    assert (row["provider_id"], row["response_model"], row["service_tier"]) == (
        "chatcmpl-9",
        "gpt-4o-2024-08-06",
        "standard",
    )
    assert (row["output_text"], row["finish_reason"], row["stream"]) == ("delivery", "stop", True)


@pytest.mark.parametrize("response", every_way(CHAT_CHUNKS[:3]))
def test_p8_a_chat_stream_without_usage_has_no_counts_but_its_text(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert counts(row, "input_tokens", "output_tokens", "usage_source") == (None, None, None)
    assert row["output_text"] == "delivery"


@pytest.mark.parametrize("response", every_way(CHAT_TOOL_CHUNKS))
def test_two_tool_calls_of_a_chat_stream_are_put_together_apart(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert row["tools_called"] == 2
    assert row["output_text"] == '\x1f{"name":"find","arguments":"{\\"q\\":1}"} {"name":"order","arguments":"{}"}'


@pytest.mark.parametrize("response", every_way(MESSAGE_EVENTS))
def test_p8_counts_of_an_anthropic_stream_are_cumulative_so_the_last_holds(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert counts(row) == (25 + 1_000, 1_000, 0, 31)
    assert (row["provider_id"], row["provider"], row["finish_reason"], row["stream"]) == (
        "msg_9",
        "anthropic",
        "tool_use",
        True,
    )
    assert (row["output_text"], row["tools_called"]) == ('I look.\x1ffind {"q":1}', 1)


@pytest.mark.parametrize("response", every_way(MESSAGE_EVENTS[:4]))
def test_an_anthropic_stream_that_broke_off_keeps_what_it_said_by_then(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert counts(row) == (1_025, 1_000, 0, 1)
    assert row["output_text"] == "I "


@pytest.mark.parametrize("response", every_way(RESPONSE_EVENTS))
def test_a_responses_stream_ends_in_the_whole_response(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert counts(row, "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens") == (40, 8, 70, 64)
    assert (row["provider_id"], row["operation"], row["service_tier"]) == ("resp_9", "responses", "flex")
    assert (row["output_text"], row["tools_called"]) == ("delivery\x1ffunction_call find {}", 1)


@pytest.mark.parametrize("response", every_way(RESPONSE_EVENTS[:2]))
def test_a_responses_stream_that_broke_off_is_still_that_response(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert (row["provider_id"], row["finish_reason"], row["input_tokens"]) == ("resp_9", "in_progress", None)


@pytest.mark.parametrize(
    "response",
    every_way([*MESSAGE_EVENTS[:3], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}]),
)
def test_an_error_in_the_middle_of_a_stream_is_an_error_with_its_counts(rows_of, response):
    [row] = rows_of("plain_jsonl", plain(response))
    assert (row["status"], row["error_type"], row["input_tokens"]) == ("error", "overloaded_error", 1_025)


# --- texts, tools, errors -----------------------------------------------------------------------


def test_an_answer_as_text_and_as_parts_is_the_same_answer(rows_of):
    parts = [{"message": {"content": [{"type": "text", "text": "delivery"}]}}]
    rows = rows_of(
        "plain_jsonl", plain(openai_chat({"prompt_tokens": 1})), plain(openai_chat({"prompt_tokens": 1}, choices=parts))
    )
    assert [row["output_text"] for row in rows] == ["delivery", "delivery"]


def test_an_answer_logged_as_bare_text_is_an_answer_without_counts(rows_of):
    [row] = rows_of("plain_jsonl", plain("delivery"))
    assert (row["output_text"], row["usage_source"], row["stream"]) == ("delivery", None, False)


def test_a_body_logged_as_a_string_of_json_is_that_body(rows_of):
    body = openai_chat({"prompt_tokens": 7, "completion_tokens": 1})
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
    [row] = rows_of("plain_jsonl", plain(json.dumps(body), request=json.dumps(asked)))
    assert (row["input_tokens"], row["temperature"], first_user(row)) == (7, 0, "Hi")
    assert row["params_text"] == '{"model":"gpt-4o","temperature":0}'


def test_tools_are_counted_when_offered_and_when_called(rows_of):
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    asked = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function"}, {"type": "function"}],
    }
    [row] = rows_of("plain_jsonl", plain(openai_chat({"prompt_tokens": 1}, choices=[choice]), request=asked))
    assert (row["tools_offered"], row["tools_called"], row["finish_reason"]) == (2, 1, "tool_calls")
    assert row["tools_text"] == '[{"type":"function"},{"type":"function"}]'


@pytest.mark.parametrize(
    ("record", "status", "http_status", "error_type"),
    [
        (
            plain(None, status=429, error={"type": "rate_limit_error", "message": "slow"}),
            "error",
            429,
            "rate_limit_error",
        ),
        (plain(None, status="503", error="upstream"), "error", 503, "upstream"),
        (plain({"type": "error", "error": {"type": "overloaded_error"}}, status=529), "error", 529, "overloaded_error"),
        (plain({"error": {"code": "invalid_api_key", "message": "no"}}, status=401), "error", 401, "invalid_api_key"),
        (plain(None, status=499), "cancelled", 499, None),
        (plain(None, status="error"), "error", None, None),
        (plain(openai_chat({"prompt_tokens": 1}), status="200"), "ok", 200, None),
        (plain(openai_chat({"prompt_tokens": 1}), status=200.0, error=None), "ok", 200, None),
    ],
)
def test_a_failure_says_its_status_and_its_kind(rows_of, record, status, http_status, error_type):
    [row] = rows_of("plain_jsonl", record)
    assert (row["status"], row["http_status"], row["error_type"]) == (status, http_status, error_type)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["usage", "choices", "message", "messages", "content", "type", "id", "model", "delta", "error", "text", "tools",
                         "input", "output", "response", "prompt_tokens", "input_tokens", "iterations", "cache_creation", "index"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(st.tuples(JSON, JSON, JSON), min_size=1, max_size=20))
def test_no_body_however_odd_stops_the_reading_of_the_others(tmp_path_factory, bodies):
    path = tmp_path_factory.mktemp("odd") / "x.jsonl"
    plain_lines = [plain(response, request=request, status=status) for request, response, status in bodies]
    path.write_text("".join(json.dumps(line) + "\n" for line in plain_lines))
    assert read_file(path, "plain_jsonl")[1].rows_read == len(bodies)
    odd = {"call_type": "x", "startTime": 1790856000.0, "model": "m"}
    path.write_text(
        "".join(
            json.dumps(
                {
                    **odd,
                    "messages": a,
                    "response": b,
                    "metadata": c,
                    "request_tags": a,
                    "model_parameters": b,
                    "error_information": c,
                }
            )
            + "\n"
            for a, b, c in bodies
        )
    )
    assert read_file(path, "litellm_callback")[1].rows_read == len(bodies)
    path.write_text(
        "".join(json.dumps({"timestamp": a, "message": b, "type": c, "costUSD": a}) + "\n" for a, b, c in bodies)
    )
    assert read_file(path, "claude_code")[1].rows_read == len(bodies)
    for source in ("openai_costs", "openai_usage"):
        path.write_text("".join(json.dumps({"data": a, "results": b}) + "\n" for a, b, _ in bodies))
        assert read_file(path, source)[1].rows_read >= len(bodies)


# --- LiteLLM ------------------------------------------------------------------------------------


def payload(**fields):
    return {
        "id": "chatcmpl-1", "litellm_call_id": "call-1", "trace_id": "trace-1", "session_id": "", "call_type": "acompletion", "cache_hit": False,
        "stream": None, "status": "success", "custom_llm_provider": "openai", "startTime": 1790856000.5, "endTime": 1790856002.0,
        "completionStartTime": 1790856001.0, "response_time": 0.5, "model": "gpt-5-mini", "model_group": "fast", "model_id": "dep-1",
        "metadata": {"usage_object": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}},
        "response_cost": 0.25, "prompt_tokens": 100, "completion_tokens": 50, "request_tags": [], "end_user": None,
        "messages": [{"role": "user", "content": "Hi"}], "response": openai_chat({"prompt_tokens": 100, "completion_tokens": 50}, model="gpt-5-mini-2025-08-07"),
        "model_parameters": {"temperature": 0, "max_tokens": 9}, "hidden_params": {}, "error_str": None, "error_information": {"error_code": ""}, **fields,
    }  # fmt: skip


def test_a_payload_becomes_a_call(rows_of):
    [row] = rows_of("litellm_callback", payload())
    assert (row["request_model"], row["response_model"], row["deployment"]) == (
        "fast",
        "gpt-5-mini-2025-08-07",
        "dep-1",
    )
    assert (row["input_tokens"], row["output_tokens"], row["reported_cost_usd"]) == (100, 50, Decimal("0.25"))
    assert (row["messages"], row["temperature"], row["max_output_tokens"]) == (["user\x1fHi"], 0, 9)
    assert (row["provider_id"], row["own_id"], row["gateway_cache_hit"]) == ("chatcmpl-1", None, False)


def test_g5_litellm_input_includes_the_cache_for_anthropic_too(rows_of):
    details = {
        "cached_tokens": 600,
        "cache_creation_tokens": 300,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": 120},
    }
    usage = {
        "prompt_tokens": 1_000,
        "completion_tokens": 7,
        "prompt_tokens_details": details,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
    }
    [row] = rows_of("litellm_callback", payload(custom_llm_provider="anthropic", metadata={"usage_object": usage}))
    assert counts(row) == (1_000, 600, 300, 7)
    assert row["cache_write_long_tokens"] == 120


def test_g5_cache_above_input_means_that_an_old_version_left_it_out(rows_of):
    usage = {
        "prompt_tokens": 40,
        "completion_tokens": 7,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
    }
    [row] = rows_of("litellm_callback", payload(metadata={"usage_object": usage}))
    assert counts(row) == (40 + 600 + 300, 600, 300, 7)


@pytest.mark.parametrize("place", ["metadata", "hidden_params", "response"])
def test_cache_counts_are_found_in_each_of_their_three_places(rows_of, place):
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}}
    where = {
        "metadata": {"metadata": {"usage_object": usage}},
        "hidden_params": {"metadata": {"usage_object": {}}, "hidden_params": {"usage_object": usage}},
        "response": {"metadata": {"usage_object": None}, "response": openai_chat(usage)},
    }[place]
    [row] = rows_of("litellm_callback", payload(**where))
    assert counts(row, "input_tokens", "cache_read_tokens", "output_tokens") == (100, 64, 5)


def test_counts_without_any_usage_object_are_those_of_the_payload_itself(rows_of):
    [row] = rows_of("litellm_callback", payload(metadata={}, response="redacted-by-litellm"))
    assert counts(row, "input_tokens", "cache_read_tokens", "output_tokens") == (100, None, 50)


@pytest.mark.parametrize("hit", [True, "True", "true"])
def test_g9_a_hit_in_the_gateways_cache_is_a_call_of_its_own_and_was_free(rows_of, hit):
    first, again = rows_of(
        "litellm_callback", payload(), payload(cache_hit=hit, litellm_call_id="call-2", response_cost=0)
    )
    assert (first["provider_id"], again["provider_id"], again["own_id"]) == ("chatcmpl-1", None, "call-2")
    assert first["call_key"] != again["call_key"]
    assert (again["gateway_cache_hit"], again["input_tokens"], again["reported_cost_usd"]) == (True, 100, 0)


@pytest.mark.parametrize("hit", [None, False, "False", "None", ""])
def test_g9_the_other_words_for_a_cache_hit_mean_none(rows_of, hit):
    assert rows_of("litellm_callback", payload(cache_hit=hit))[0]["gateway_cache_hit"] is False


def test_g9_no_cost_on_a_success_is_a_missing_price_and_not_a_free_call(rows_of):
    [row] = rows_of("litellm_callback", payload(response_cost=0.0))
    assert row["reported_cost_usd"] is None


def test_g9_a_failure_has_no_usage_and_says_its_kind(rows_of):
    [row] = rows_of(
        "litellm_callback",
        payload(status="failure", id="call-1", response={}, metadata={"usage_object": {}}, prompt_tokens=0, completion_tokens=0, response_cost=0,
                error_str="litellm.RateLimitError", error_information={"error_code": "429", "error_class": "RateLimitError"}),
    )  # fmt: skip
    assert (row["status"], row["http_status"], row["error_type"], row["input_tokens"]) == (
        "error",
        429,
        "RateLimitError",
        None,
    )
    assert (row["response_model"], row["request_model"]) == (None, "fast")


def test_g11_durations_come_from_start_and_end_and_the_first_token_only_of_streams(rows_of):
    whole, stream = rows_of("litellm_callback", payload(), payload(stream=True, id="chatcmpl-2"))
    assert (whole["duration_ms"], whole["first_token_ms"]) == (1_500, None)
    assert (stream["duration_ms"], stream["first_token_ms"], stream["stream"]) == (1_500, 500, True)
    assert whole["started_at"].isoformat() == "2026-10-01T12:00:00.500000"


def test_g12_metadata_as_a_string_of_json_once_and_twice(rows_of):
    meta = {
        "user_api_key_team_alias": "search",
        "user_api_key_alias": "web",
        "usage_object": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    rows = rows_of(
        "litellm_callback", payload(metadata=json.dumps(meta)), payload(metadata=json.dumps(json.dumps(meta)))
    )
    assert {(row["team"], row["api_key_id"], row["input_tokens"]) for row in rows} == {("search", "web", 3)}


@pytest.mark.parametrize(
    ("litellm", "ours"),
    [("azure", "azure.ai.openai"), ("bedrock", "aws.bedrock"), ("bedrock_converse", "aws.bedrock"), ("vertex_ai", "gcp.vertex_ai"), ("gemini", "gcp.gemini"),
     ("xai", "x_ai"), ("mistral", "mistral_ai"), ("openai", "openai"), ("anthropic", "anthropic"), ("groq", "groq"), ("", None)],
)  # fmt: skip
def test_providers_bear_their_opentelemetry_names(rows_of, litellm, ours):
    assert rows_of("litellm_callback", payload(custom_llm_provider=litellm))[0]["provider"] == ours


def test_who_asked_is_read_from_labels_keys_and_tags(rows_of):
    meta = {"user_api_key_hash": "88dc", "user_api_key_team_id": "t-1", "user_api_key_user_id": "u-1", "user_api_key_project_alias": "shop",
            "requester_metadata": {"endpoint": "/faq"}, "spend_logs_metadata": {"batch_no": 7}}  # fmt: skip
    [row] = rows_of(
        "litellm_callback",
        payload(metadata=meta, request_tags=["environment:test", "endpoint:/other"], session_id="s-1"),
    )
    assert (row["endpoint"], row["environment"], row["team"], row["project"]) == ("/faq", "test", "t-1", "shop")
    assert (row["user_id"], row["api_key_id"], row["session_id"]) == ("u-1", "88dc", "s-1")
    assert json.loads(row["tags"]) == {
        "endpoint": "/faq",
        "batch_no": 7,
        "request_tags": ["environment:test", "endpoint:/other"],
    }


def test_a_session_that_litellm_made_up_from_the_trace_is_none(rows_of):
    assert rows_of("litellm_callback", payload(session_id="trace-1"))[0]["session_id"] is None


@pytest.mark.parametrize(
    "text", ["redacted-by-litellm", "REDACTED_BY_LITELM", "a ... (litellm_truncated skipped 900 chars) ... b"]
)
def test_g15_redacted_and_truncated_texts_are_no_texts(rows_of, text):
    body = openai_chat(
        {"prompt_tokens": 100, "completion_tokens": 50},
        choices=[{"message": {"content": text}, "finish_reason": "stop"}],
    )
    messages = [{"role": "user", "content": text}]
    [row] = rows_of("litellm_callback", payload(messages=messages, response=body))
    assert (row["messages"], row["first_user"], row["output_text"], row["params_text"]) == (None, None, None, None)
    assert (row["input_tokens"], row["finish_reason"]) == (100, "stop")


@pytest.mark.parametrize(
    ("call_type", "operation"),
    [("acompletion", "chat"), ("aembedding", "embeddings"), ("aresponses", "responses"), ("aimage_generation", "image"), ("atranscription", "audio"),
     ("arerank", "rerank"), ("amoderation", "moderation"), ("anthropic_messages", "chat")],
)  # fmt: skip
def test_call_types_become_operations(rows_of, call_type, operation):
    assert rows_of("litellm_callback", payload(call_type=call_type, response={}))[0]["operation"] == operation


def test_what_the_gateway_does_beside_calls_is_counted_by_kind(reading_of):
    nothing = {"metadata": {}, "prompt_tokens": 0, "completion_tokens": 0, "response": {}}
    reading = reading_of(
        "litellm_callback",
        payload(call_type="call_mcp_tool", **nothing),
        payload(call_type="acreate_batch", **nothing),
        payload(),
    )
    assert (reading.not_calls, reading.rows_kept) == ({"LiteLLM call_mcp_tool": 1, "LiteLLM acreate_batch": 1}, 1)


def test_one_payload_a_file_pretty_printed_reads_like_one_a_line(tmp_path, rows_of):
    path = tmp_path / "time-12-00-00-000000_chatcmpl-1.json"
    path.write_text(json.dumps(payload(), indent=1))
    assert read_file(path)[0] == rows_of("litellm_callback", payload())


# --- Claude Code --------------------------------------------------------------------------------


def block(message_id, content, usage, **line):
    message = {
        "model": "claude-opus-5-5",
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": [content],
        "stop_reason": None,
        "usage": usage,
    }
    return {"type": "assistant", "sessionId": "s-1", "cwd": "/home/dev/shop", "version": "2.1.63", "isSidechain": False, "requestId": "req_1",
            "gitBranch": "main", "uuid": "u", "timestamp": "2026-11-20T09:15:03.000Z", "message": message, **line}  # fmt: skip


def writes(short_lived, long_lived, **usage):
    split = {"ephemeral_5m_input_tokens": short_lived, "ephemeral_1h_input_tokens": long_lived}
    return {
        "cache_creation_input_tokens": short_lived + long_lived,
        "cache_creation": split,
        "service_tier": "standard",
        **usage,
    }


def text(words):
    return {"type": "text", "text": words}


SESSION = [
    {"type": "file-history-snapshot", "messageId": "u0"},
    {"type": "user", "sessionId": "s-1", "message": {"role": "user", "content": "fix the test"}, "timestamp": "2026-11-20T09:15:00.000Z"},
    block("msg_01A", {"type": "thinking", "thinking": "..."}, writes(8_655, 0, input_tokens=2, cache_read_input_tokens=15_030, output_tokens=1)),
    block("msg_01A", text("Let me look."), writes(8_655, 0, input_tokens=2, cache_read_input_tokens=15_030, output_tokens=1), timestamp="2026-11-20T09:15:04Z"),
    block("msg_01A", {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "npm test"}},
          writes(8_655, 0, input_tokens=2, cache_read_input_tokens=15_030, output_tokens=211), timestamp="2026-11-20T09:15:06Z"),
    {"type": "user", "sessionId": "s-1", "message": {"role": "user", "content": [{"tool_use_id": "t1", "type": "tool_result", "content": "1 failed"}]}},
    block("msg_01B", text("Fixed."), writes(0, 400, input_tokens=3, cache_read_input_tokens=23_685, output_tokens=90), requestId=None),
    block("11111111-aaaa", text("API Error: 529"), {"input_tokens": 0, "output_tokens": 0}, isApiErrorMessage=True),
]  # fmt: skip


def test_g1_the_lines_of_an_answer_are_one_call_with_its_largest_count(rows_of):
    rows = rows_of("claude_code", *SESSION)
    fresh = sum(row["input_tokens"] - row["cache_read_tokens"] - row["cache_write_tokens"] for row in rows)
    assert len(rows) == 2
    assert fresh == 5  # 2 + 3
    assert sum(row["output_tokens"] for row in rows) == 301  # 211 + 90, not 1 + 1 + 211 + 90
    assert sum(row["cache_read_tokens"] for row in rows) == 38_715  # 15,030 + 23,685, not 68,775
    assert sum(row["cache_write_tokens"] - row["cache_write_long_tokens"] for row in rows) == 8_655
    assert sum(row["cache_write_long_tokens"] for row in rows) == 400


def test_g1_the_other_lines_are_merged_or_counted_by_kind(reading_of):
    reading = reading_of("claude_code", *SESSION)
    assert (reading.rows_read, reading.rows_kept, reading.rows_merged) == (8, 2, 2)
    assert reading.not_calls == {"file-history-snapshot": 1, "user": 1, "tool result": 1, "synthetic message": 1}


def test_g1_an_answer_is_dated_by_its_first_line_and_says_how_many_tools_it_called(rows_of):
    first = rows_of("claude_code", *SESSION)[0]
    assert first["started_at"].isoformat() == "2026-11-20T09:15:03"
    assert (first["tools_called"], first["messages"], first["output_text"]) == (1, None, None)


def test_g1_a_tool_call_that_a_copied_line_repeats_counts_once(rows_of):
    calls = [{"type": "tool_use", "id": name, "name": "Bash", "input": {}} for name in ("t1", "t2")]
    lines = [block("msg_1", call, {"input_tokens": 5}) for call in (*calls, calls[0])]
    both = block("msg_2", text("a"), {"input_tokens": 5})
    both["message"]["content"] += calls
    assert [row["tools_called"] for row in rows_of("claude_code", *lines, both)] == [2, 2]


def test_counts_of_a_transcript_that_are_no_numbers_are_unknown_and_the_others_stand(rows_of):
    usage = {"input_tokens": "12", "output_tokens": {"a": 1}, "cache_read_input_tokens": 30.0, "cache_creation": 5}
    [row] = rows_of("claude_code", block("msg_1", text("a"), usage))
    assert counts(row) == (12 + 30, 30, None, 0)


def test_p10_compaction_and_thinking_of_a_transcript_are_counted_as_in_other_anthropic_bodies(rows_of):
    compaction = {"type": "compaction", "input_tokens": 700, "output_tokens": 50, "cache_read_input_tokens": 5}
    usage = writes(40, 60, input_tokens=10, output_tokens=20, cache_read_input_tokens=7) | {
        "iterations": [{"type": "message", "input_tokens": 10, "output_tokens": 20}, compaction],
        "output_tokens_details": {"thinking_tokens": 11},
        "server_tool_use": {"web_search_requests": 2},
        "speed": "fast",
    }
    names = (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_long_tokens",
        "output_tokens",
        "reasoning_tokens",
        "web_searches",
    )
    [row], [other] = (
        rows_of("claude_code", block("msg_1", text("a"), usage)),
        rows_of("plain_jsonl", plain(anthropic(usage))),
    )
    assert counts(row, *names) == counts(other, *names)
    assert counts(row) == (10 + 7 + 100 + 700 + 5, 7 + 5, 100, 20 + 50)


def test_g1_the_order_of_the_lines_does_not_matter(rows_of):
    assert {row["call_key"]: row["output_tokens"] for row in rows_of("claude_code", *SESSION[::-1])} == {
        row["call_key"]: row["output_tokens"] for row in rows_of("claude_code", *SESSION)
    }


def test_g2_a_side_chain_that_replays_a_message_under_a_new_request_is_the_same_call(rows_of):
    usage = {"input_tokens": 5, "output_tokens": 7}
    replay = block("msg_1", text("a"), usage, isSidechain=True, requestId="req_2", sessionId="s-2")
    [row] = rows_of("claude_code", replay, block("msg_1", text("a"), usage))
    assert (row["merged"], row["session_id"]) == (1, "s-1")
    assert json.loads(row["tags"]) == {"version": "2.1.63", "isSidechain": False}


def test_g2_a_side_chain_of_its_own_is_a_real_call(rows_of):
    rows = rows_of(
        "claude_code",
        block("msg_1", text("a"), {"input_tokens": 5}),
        block("msg_2", text("b"), {"input_tokens": 5}, isSidechain=True),
    )
    assert [json.loads(row["tags"])["isSidechain"] for row in rows] == [False, True]


def test_g2_a_message_has_the_same_key_in_every_file_and_a_line_without_id_is_known_by_its_uuid(rows_of):
    usage = {"input_tokens": 5, "output_tokens": 7}
    copied = rows_of(
        "claude_code", block("msg_1", text("a"), usage, sessionId="resumed"), block(None, text("b"), usage, uuid="u-7")
    )
    original = rows_of(
        "claude_code",
        block("msg_1", text("a"), usage),
        block(None, text("b"), usage, uuid="u-7"),
        block(None, text("b"), usage, uuid="u-8"),
    )
    assert [row["call_key"] for row in copied] == [row["call_key"] for row in original[:2]]
    assert len({row["call_key"] for row in original}) == 3


def test_the_folder_of_a_project_is_kept_and_the_way_to_it_is_not(rows_of):
    rows = rows_of(
        "claude_code",
        block("msg_1", text("a"), {"input_tokens": 1}),
        block("msg_2", text("a"), {"input_tokens": 1}, cwd="C:\\Users\\Ines\\shop\\"),
    )
    assert [row["project"] for row in rows] == ["shop", "shop"]
    assert not any(
        "home" in str(value) or "Ines" in str(value) or value == "main" for row in rows for value in row.values()
    )


@pytest.mark.parametrize(
    ("message_id", "provider"),
    [("msg_01", "anthropic"), ("msg_bdrk_01", "aws.bedrock"), ("msg_vrtx_01", "gcp.vertex_ai")],
)
def test_the_id_of_a_message_says_who_served_it(rows_of, message_id, provider):
    assert rows_of("claude_code", block(message_id, text("a"), {"input_tokens": 1}))[0]["provider"] == provider


def test_fast_mode_is_a_tier_and_old_logs_say_their_cost(rows_of):
    usage = {
        "input_tokens": 200,
        "output_tokens": 75,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 20,
        "speed": "fast",
    }
    old = {
        "timestamp": "2026-01-09T12:30:00.000Z",
        "sessionId": "a",
        "message": {"id": "msg-2", "model": "claude-opus-4", "usage": usage},
        "costUSD": 0.34,
    }
    [row] = rows_of("claude_code", old)
    assert (row["service_tier"], row["reported_cost_usd"], row["endpoint"]) == ("fast", Decimal("0.34"), "claude-code")
    assert counts(row) == (200 + 50 + 20, 20, 50, 75)


def test_lines_of_kinds_nobody_knows_are_counted_by_their_kind(reading_of):
    nested = {"type": "progress", "data": {"message": {"message": {"id": "m", "usage": {"input_tokens": 9}}}}}
    reading = reading_of(
        "claude_code", nested, nested, {"type": "queue-operation"}, {"type": "assistant", "message": {"id": "x"}}
    )
    assert reading.not_calls == {"progress": 2, "queue-operation": 1, "assistant without usage": 1}


# --- OpenAI costs and usage ---------------------------------------------------------------------


def page(*buckets):
    return {"object": "page", "data": list(buckets), "has_more": False}


def bucket(*results, start=1781395200, days=1):
    return {"object": "bucket", "start_time": start, "end_time": start + days * 86_400, "results": list(results)}


def cost(value, line_item=None, **fields):
    amount = {"value": value, "currency": "usd"}
    return {
        "object": "organization.costs.result",
        "amount": amount,
        "line_item": line_item,
        "project_id": "proj_x",
        "organization_id": "org-x",
        **fields,
    }


@pytest.mark.parametrize(
    ("value", "usd"),
    [("0.000004500000000000000000000000000000000", "0.0000045"), ("0E-6176", "0"), (0.25, "0.25"), (3, "3"), (4.5e-06, "0.0000045"), ("1E-3", "0.001"),
     ("123456789.000000000001", "123456789.000000000001"), (-2, "-2")],
)  # fmt: skip
def test_p4_amounts_are_dollars_as_numbers_or_as_long_texts(rows_of, value, usd):
    [row] = rows_of("openai_costs", page(bucket(cost(value))))
    assert (row["billed_cost"], row["billing_currency"], row["list_cost"]) == (Decimal(usd), "USD", None)


@pytest.mark.parametrize(
    ("line_item", "model", "token_class"),
    [
        ("gpt-4o-mini-2024-07-18, input", "gpt-4o-mini-2024-07-18", "input"),
        ("gpt-4o-mini-2024-07-18, cached input", "gpt-4o-mini-2024-07-18", "cache_read"),
        ("gpt-6-luna, cache writes", "gpt-6-luna", "cache_write"),
        ("gpt-4o-mini-2024-07-18, output", "gpt-4o-mini-2024-07-18", "output"),
        ("gpt-4o text, input", "gpt-4o", "input"),
        ("gpt-image-1 image, output", "gpt-image-1", "output_image"),
        ("gpt-4o-audio audio, input", "gpt-4o-audio", "input_audio"),
        ("gpt-realtime-2.1-mini-2026-08-28, audio input", "gpt-realtime-2.1-mini-2026-08-28", "input_audio"),
        ("gpt-realtime-2.1, cached audio input", "gpt-realtime-2.1", "cache_audio_read"),
        ("ft-gpt-4o-2024-08-06, input", "ft-gpt-4o-2024-08-06", "input"),
        ("evals | gpt-4o-mini-2024-07-18, input", "gpt-4o-mini-2024-07-18", "input"),
        ("gpt-6-astra, input_tokens", "gpt-6-astra", "input"),
        ("gpt-6-astra, cached_input_tokens", "gpt-6-astra", "cache_read"),
        ("ft:gpt-4o:harbor, pine:x, output", "ft:gpt-4o:harbor, pine:x", "output"),
        ("assistants api | file search", None, "file_search"),
        ("web search tool calls", None, "web_search_tool_calls"),
        ("code interpreter sessions", None, "code_interpreter_sessions"),
        (None, None, None),
    ],
)
def test_a_line_item_is_split_at_its_last_comma(rows_of, line_item, model, token_class):
    [row] = rows_of("openai_costs", page(bucket(cost("1", line_item))))
    assert (row["model"], row["token_class"], row["charge_description"]) == (model, token_class, line_item)


@pytest.mark.parametrize(
    ("quantity", "unit", "base", "base_unit"),
    [(30.0, None, "30", "tokens"), (30, "tokens", "30", "tokens"), (2.5, "1000_tokens", "2500", "tokens"), (2, "duration_minutes", "120", "seconds"),
     (1, "duration_hours", "3600", "seconds"), (5, "images", "5", "images"), (None, None, None, None)],
)  # fmt: skip
def test_quantities_are_in_base_units(rows_of, quantity, unit, base, base_unit):
    [row] = rows_of("openai_costs", page(bucket(cost("1", "gpt-4o, input", quantity=quantity, quantity_unit=unit))))
    assert row["quantity"] == (Decimal(base) if base else None)
    assert row["quantity_unit"] == base_unit


def test_p9_an_empty_bucket_is_no_charge(reading_of):
    reading = reading_of("openai_costs", page(bucket(cost("1")), bucket(), bucket()), page())
    assert (reading.rows_kept, reading.not_calls) == (1, {"empty bucket": 2, "empty page": 1})


def test_p12_two_lines_that_differ_in_a_key_nobody_asked_for_are_two(rows_of):
    rows = rows_of("openai_costs", page(bucket(cost("1", "gpt-4o, input"), cost("1", "gpt-4o, input"))))
    assert len({row["charge_id"] for row in rows}) == 2


def test_p13_the_same_line_delivered_again_has_the_same_id_and_a_grown_one_too(rows_of):
    first = rows_of("openai_costs", page(bucket(cost("1", "gpt-4o, input"))))
    again = rows_of("openai_costs", page(bucket(cost("9", "gpt-4o, output"), cost("1.5", "gpt-4o, input"))))
    assert first[0]["charge_id"] == again[1]["charge_id"] != again[0]["charge_id"]


def test_charge_lines_of_other_days_projects_and_keys_have_other_ids(rows_of):
    others = [
        cost("1", "gpt-4o, input", project_id="proj_y"),
        cost("1", "gpt-4o, input", api_key_id="k"),
        cost("1", "gpt-4o, input", user_id="k"),
    ]
    rows = rows_of(
        "openai_costs",
        page(bucket(cost("1", "gpt-4o, input"), *others), bucket(cost("1", "gpt-4o, input"), start=1781481600)),
    )
    assert len({row["charge_id"] for row in rows}) == 5


def test_p15_a_bucket_is_a_day_of_utc_without_its_end(rows_of):
    [row] = rows_of("openai_costs", page(bucket(cost("1"))))
    assert (row["charge_period_start"].isoformat(), row["charge_period_end"].isoformat()) == (
        "2026-06-14T00:00:00",
        "2026-06-15T00:00:00",
    )
    assert (row["account_id"], row["sub_account_id"], row["charge_category"]) == ("org-x", "proj_x", "Usage")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("as_list", [False, True])
def test_pages_one_a_file_one_a_line_and_in_a_list_read_alike(tmp_path, indent, as_list):
    pages = [page(bucket(cost("1", "gpt-4o, input"))), page(bucket(cost("2", "gpt-4o, input"), start=1781481600))]
    path = tmp_path / "costs.json"
    path.write_text(
        json.dumps(pages, indent=indent) if as_list else "\n".join(json.dumps(each, indent=indent) for each in pages)
    )
    assert [(row["record"], row["billed_cost"]) for row in read_file(path)[0]] == [(1, 1), (2, 2)]


def test_a_result_nobody_can_read_is_quarantined_with_the_line_of_its_page(reading_of):
    reading = reading_of("openai_costs", page(bucket(cost("1"))), page(bucket(cost("about 3"), cost("2"))), {"data": 5})
    assert [(refused.line, refused.reason) for refused in reading.refused] == [
        (2, "no readable amount: about 3"),
        (3, "nothing of it is a page of results"),
    ]
    assert reading.refused[0].head.startswith('{"object": "page"')


def used(family="completions", **fields):
    return {"object": f"organization.usage.{family}.result", "project_id": "proj_x", "num_model_requests": 3, **fields}


def test_p1_p2_usage_input_is_uncached_and_cached_and_written(rows_of):
    [row] = rows_of("openai_usage", page(bucket(used(input_tokens=10_000, input_uncached_tokens=3_000, input_cached_tokens=6_000,
        input_cache_write_tokens=1_000, input_cache_write_12h_tokens=200, output_tokens=2_000, model="gpt-6-luna", service_tier="default"))))  # fmt: skip
    assert counts(row) == (10_000, 6_000, 1_000, 2_000)
    assert (row["cache_write_long_tokens"], row["requests"], row["service_tier"], row["operation"]) == (
        200,
        3,
        "standard",
        "chat",
    )


def test_p15_the_split_of_new_files_excludes_the_cached_audio_and_that_of_old_ones_does_not(rows_of):
    new = used(
        input_tokens=100,
        input_uncached_tokens=60,
        input_cached_tokens=40,
        input_text_tokens=50,
        input_audio_tokens=10,
        input_cached_audio_tokens=25,
    )
    old = used(
        input_tokens=100,
        input_cached_tokens=40,
        input_text_tokens=65,
        input_audio_tokens=35,
        input_cached_audio_tokens=25,
    )
    rows = rows_of("openai_usage", page(bucket(new, old)))
    assert [row["input_audio_tokens"] for row in rows] == [35, 35]
    assert [row["cache_audio_read_tokens"] for row in rows] == [25, 25]


def test_p11_a_batch_is_a_tier(rows_of):
    assert (
        rows_of("openai_usage", page(bucket(used(input_tokens=1, batch=True, service_tier="default"))))[0][
            "service_tier"
        ]
        == "batch"
    )


@pytest.mark.parametrize(
    ("family", "operation"),
    [("embeddings", "embeddings"), ("moderations", "moderation"), ("images", "image"), ("audio_speeches", "audio")],
)
def test_other_families_of_usage_are_other_operations(rows_of, family, operation):
    [row] = rows_of("openai_usage", page(bucket(used(family, input_tokens=5, images=2))))
    assert (row["operation"], row["input_tokens"], row["output_tokens"], row["images"]) == (operation, 5, None, 2)


def test_p9_p12_what_counts_no_calls_is_told_apart(reading_of):
    reading = reading_of(
        "openai_usage",
        page(bucket(), bucket(used("vector_stores", usage_bytes=5)), bucket({"object": "organization.costs.result"})),
    )
    assert reading.not_calls == {"empty bucket": 1, "OpenAI vector_stores": 1, "organization.costs.result": 1}


def test_more_cached_than_input_tokens_is_quarantined(reading_of):
    reading = reading_of("openai_usage", page(bucket(used(input_tokens=5, input_cached_tokens=9))))
    assert [refused.reason for refused in reading.refused] == ["more cached and written tokens than input tokens"]


def test_usage_buckets_have_the_same_id_when_delivered_again_and_another_by_model_and_tier(rows_of):
    first = rows_of(
        "openai_usage",
        page(
            bucket(
                used(input_tokens=5, model="a"),
                used(input_tokens=5, model="b"),
                used(input_tokens=5, model="a", batch=True),
            )
        ),
    )
    again = rows_of("openai_usage", page(bucket(used(input_tokens=6, model="a"))))
    assert len({row["usage_id"] for row in first}) == 3
    assert again[0]["usage_id"] == first[0]["usage_id"]
