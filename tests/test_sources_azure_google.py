"""Exports of Azure and Google: every trap that they meet has its sum worked by hand, and no record is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_sources import counts, read_file

from llmaudit import sources
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

SAMPLES = Path(__file__).parent / "data" / "sources"
OURS = (
    "vertex_request_response",
    "gemini_objects",
    "vertex_batch",
)


def sample(source):
    return next(path for path in sorted((SAMPLES / source).iterdir()))


@pytest.fixture
def reads(tmp_path):
    def read(source, *records):
        path = tmp_path / f"{source}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return read_file(path, source)

    return read


# --- the whole family -----------------------------------------------------------------------------


@pytest.mark.parametrize("source", OURS)
def test_the_intake_law_holds_in_a_lake(tmp_path, source):
    lake = Lake.temporary(tmp_path / "lake")
    files = sorted(str(path) for path in (SAMPLES / source).iterdir())
    ingest(lake, files, spool=tmp_path)
    for line in lake.ingests().iter_rows(named=True):
        told = line["rows_kept"] + line["rows_merged"] + line["rows_quarantined"]
        assert line["source"] == source
        assert line["rows_read"] == told + sum(json.loads(line["not_calls"]).values())
        assert line["rows_kept"] > 0


@pytest.mark.parametrize("source", [name for name in OURS if sources.by_name(name).shape == "lines"])
def test_a_field_that_changes_its_type_or_a_new_one_loses_no_record(tmp_path, source):
    records = [json.loads(line) for line in sample(source).read_text("utf-8").splitlines()]
    odd = [{name: [1, {"x": "y"}] if at % 2 else 7 for at, name in enumerate(record)} for record in records]
    new = [{**record, "brand_new": {"deep": [None]}} for record in records]
    few = [{name: value for name, value in record.items() if name != "usageMetadata"} for record in records]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in (*odd, *new, *few)), "utf-8")
    _, reading = read_file(path, source)
    assert reading.rows_read == 3 * len(records)


# --- Gemini's bodies ------------------------------------------------------------------------------


def gemini(usage, **body):
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "createTime": "2026-10-06T08:00:00Z",
        **body,
    }


def vertex(response, **row):
    return {
        "logging_time": "2026-10-06T08:00:10Z",
        "request_id": "1",
        "model": "publishers/google/models/gemini-2.5-flash",
        "api_method": "GenerateContent",
        "full_response": response,
        "metadata": {"request_latency": 2_500},
        **row,
    }


def test_p1_the_prompt_includes_the_cached_part_and_not_what_tools_sent_in(reads):
    usage = {"promptTokenCount": 1_000, "cachedContentTokenCount": 800, "toolUsePromptTokenCount": 50, "candidatesTokenCount": 20, "totalTokenCount": 1_070}  # fmt: skip
    [row] = reads("gemini_objects", gemini(usage))[0]
    assert counts(row) == (1_050, 800, None, 20)


def test_p1_more_cached_than_prompt_tokens_means_that_the_prompt_excludes_them(reads):
    usage = {"promptTokenCount": 100, "cachedContentTokenCount": 800, "candidatesTokenCount": 5}
    [row] = reads("gemini_objects", gemini(usage))[0]
    assert counts(row) == (900, 800, None, 5)


@pytest.mark.parametrize(
    ("prompt", "candidates", "thoughts", "total", "output"),
    [(3, 29, 901, 933, 930), (3, 930, 901, 933, 930), (3, 29, 901, None, 930), (3, None, 901, 904, 901), (3, 29, None, 32, 29)],
)  # fmt: skip
def test_p3_thoughts_are_beside_the_candidates_unless_the_total_says_otherwise(
    reads, prompt, candidates, thoughts, total, output
):
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts, "totalTokenCount": total}  # fmt: skip
    [row] = reads("gemini_objects", gemini({name: value for name, value in usage.items() if value is not None}))[0]
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (prompt, output, thoughts)


def test_modalities_are_parts_of_their_totals_and_those_of_tools_are_added(reads):
    def details(**tokens):
        return [{"modality": kind, "tokenCount": count} for kind, count in tokens.items()]

    usage = {
        "promptTokenCount": 1_000,
        "toolUsePromptTokenCount": 60,
        "cachedContentTokenCount": 300,
        "candidatesTokenCount": 90,
        "promptTokensDetails": details(TEXT=500, AUDIO=200, IMAGE=258, VIDEO=42),
        "toolUsePromptTokensDetails": details(IMAGE=60),
        "cacheTokensDetails": details(TEXT=100, AUDIO=150, VIDEO=50),
        "candidatesTokensDetails": details(TEXT=10, IMAGE=80),
    }
    [row] = reads("gemini_objects", gemini(usage))[0]
    assert (row["input_audio_tokens"], row["input_image_tokens"], row["input_video_tokens"]) == (200, 318, 42)
    assert (row["cache_audio_read_tokens"], row["cache_image_read_tokens"], row["cache_video_read_tokens"]) == (150, None, 50)  # fmt: skip
    assert (row["output_audio_tokens"], row["output_image_tokens"]) == (None, 80)


@pytest.mark.parametrize(
    ("usage", "tier", "mode"),
    [
        ({"trafficType": "ON_DEMAND"}, "standard", "metered"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority", "metered"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex", "metered"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None, "provisioned"),
        ({"serviceTier": "flex"}, "flex", "metered"),
        ({"serviceTier": "unspecified"}, None, "metered"),
        ({}, None, "metered"),
    ],
)
def test_p10_traffic_types_are_tiers_and_provisioned_throughput_is_not_metered(reads, usage, tier, mode):
    [row] = reads("gemini_objects", gemini({"promptTokenCount": 1, **usage}))[0]
    assert (row["service_tier"], row["billing_mode"]) == (tier, mode)


def test_p8_chunks_of_one_answer_are_one_call_with_the_last_count(reads):
    chunks = [gemini({"promptTokenCount": 80, "candidatesTokenCount": n}, responseId="a") for n in (2, 5, 7)]
    rows, reading = reads("gemini_objects", *chunks, gemini({"promptTokenCount": 80, "candidatesTokenCount": 4}))
    assert [counts(row) for row in rows] == [(80, None, None, 7), (80, None, None, 4)]
    assert (reading.rows_read, reading.rows_merged) == (4, 2)


def test_p8_a_logged_stream_is_a_list_of_chunks_and_its_last_count_holds(reads):
    chunks = [{"usage_metadata": {"prompt_token_count": 80, "candidates_token_count": n}} for n in (2, 5, 7)]
    [row] = reads("vertex_request_response", vertex([*chunks, {"candidates": [{"finish_reason": "STOP"}]}]))[0]
    assert (*counts(row), row["stream"], row["finish_reason"]) == (80, None, None, 7, True, "STOP")


def test_an_answer_without_usage_has_unknown_tokens_not_none(reads):
    [row] = reads("vertex_request_response", vertex({"candidates": [], "model_version": "gemini-2.5-flash"}))[0]
    assert (*counts(row), row["usage_source"]) == (None, None, None, None, None)


def test_a_blocked_prompt_is_paid_for_and_gives_no_output(reads):
    blocked = gemini({"promptTokenCount": 12, "totalTokenCount": 12}, candidates=[], promptFeedback={"blockReason": "SAFETY"})  # fmt: skip
    [row] = reads("gemini_objects", blocked)[0]
    assert (row["input_tokens"], row["output_tokens"], row["finish_reason"]) == (12, 0, "SAFETY")


# --- Vertex AI's logs -----------------------------------------------------------------------------


def test_p15_a_call_began_its_latency_before_it_was_logged_unless_the_answer_says_when(reads):
    early = vertex({"usage_metadata": {"prompt_token_count": 1}})
    said = vertex(
        {"usage_metadata": {"prompt_token_count": 1}, "create_time": "2026-10-06T08:00:07.6Z"}, request_id="2"
    )
    rows, _ = reads("vertex_request_response", early, said)
    assert [row["started_at"].isoformat() for row in rows] == ["2026-10-06T08:00:07.500000", "2026-10-06T08:00:07.600000"]  # fmt: skip


def test_p15_a_sampled_log_says_so_and_its_rate_where_a_row_knows_it(reads):
    assert "sampled_log" in sources.by_name("vertex_request_response").caveats
    rate = vertex({"usage_metadata": {"prompt_token_count": 1}}, metadata={"sampling_rate": 0.25})
    [row] = reads("vertex_request_response", rate)[0]
    assert json.loads(row["tags"]) == {"sample_rate": "0.25"}


def test_p1_claude_on_vertex_counts_the_cache_beside_the_input(reads):
    usage = {"input_tokens": 100, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 50, "output_tokens": 7}
    body = {"id": "msg_vrtx_1", "type": "message", "model": "claude-sonnet-4-20250514", "stop_reason": "end_turn", "usage": usage}  # fmt: skip
    [row] = reads("vertex_request_response", vertex(body, model="publishers/anthropic/models/claude-sonnet-4"))[0]
    assert (*counts(row), row["provider"]) == (550, 400, 50, 7, "gcp.vertex_ai")


def test_p11_every_batch_prediction_is_billed_at_the_batch_tier(reads):
    rows, reading = reads("vertex_batch", *(json.loads(line) for line in sample("vertex_batch").read_text().splitlines()))  # fmt: skip
    assert {row["service_tier"] for row in rows} == {"batch"}
    assert sum(row["input_tokens"] or 0 for row in rows) == 40 + 36
    assert sum(row["output_tokens"] or 0 for row in rows) == (5 + 20) + 4
    assert [(row["status"], row["http_status"]) for row in rows] == [("ok", None), ("ok", None), ("error", 400)]
    assert [refused.reason for refused in reading.refused] == ["no readable time in processed_time: soon"]
