"""Gateways, traces and agents: their samples, their traps, and the sums of both worked by hand."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from test_sources import read_file

from llmaudit import asking, sources
from llmaudit.config import AuditConfig
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest
from llmaudit.sources.reader import Reading, ReadOptions, read_together

SAMPLES = Path(__file__).parent / "data" / "sources"
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "formats_gateway" / "samples"
OURS = (
    "codex",
    "litellm_spend_logs",
    "litellm_spend_logs_csv",
    "langfuse",
    "langfuse_csv",
    "langfuse_parquet",
    "otel_genai",
    "helicone",
    "helicone_csv",
    "openrouter_generations",
    "openrouter_activity",
)
FILES = sorted(path for name in OURS for path in (SAMPLES / name).iterdir())

with_reference = pytest.mark.skipif(
    not REFERENCE.exists(), reason="the collection of other tools' formats is not part of this repository"
)


@pytest.fixture
def reading_of(tmp_path):
    """Rows and reading of records, or of a text as it is."""

    def reading(source, *records, name="x.jsonl"):
        path = tmp_path / name
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return read_file(path, source)

    return reading


@pytest.fixture
def rows_of(reading_of):
    return lambda source, *records, **options: reading_of(source, *records, **options)[0]


@cache
def sample(path):
    """A sample file is read once for all that is asked of it."""
    return read_file(path)


def total(rows, name):
    return sum(row[name] or 0 for row in rows)


def changed(record, **fields):
    return {**record, **fields}


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_in_the_lake_every_record_is_a_row_or_counted_as_something_else(tmp_path, path):
    lake = Lake.temporary(tmp_path / "lake")
    taken = ingest(lake, [str(path)], spool=tmp_path)
    [row] = lake.ingests().to_dicts()
    assert taken.files == [str(path)]
    assert row["rows_kept"] > 0
    assert row["rows_read"] == row["rows_kept"] + row["rows_merged"] + row["rows_quarantined"] + sum(
        json.loads(row["not_calls"]).values()
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_parts_of_a_token_count_are_never_more_than_the_whole(path):
    for row in sample(path)[0]:
        if "call_key" not in row:
            continue
        assert (row["cache_read_tokens"] or 0) + (row["cache_write_tokens"] or 0) <= (row["input_tokens"] or 0)
        assert (row["reasoning_tokens"] or 0) <= (row["output_tokens"] or 0)


# --- Codex ----------------------------------------------------------------------------------------

PARENT, FORK = sorted((SAMPLES / "codex").iterdir())


def event(kind, time="2026-10-05T08:00:00Z", **payload):
    return {"timestamp": time, "type": kind, "payload": payload}


def vector(given, cached=0, made=0, reasoning=0):
    return {
        "input_tokens": given,
        "cached_input_tokens": cached,
        "output_tokens": made,
        "reasoning_output_tokens": reasoning,
        "total_tokens": given + made,
    }


def token_count(whole, last=None, time="2026-10-05T08:00:01Z"):
    info = {"total_token_usage": whole} | ({"last_token_usage": last} if last else {})
    return event("event_msg", time, type="token_count", info=info)


TURN = event("turn_context", model="gpt-5.2-codex", cwd="/home/x/shop")


def test_g3_a_session_is_as_large_as_its_last_total_and_not_as_the_sum_of_its_events():
    rows, reading = sample(PARENT)
    # 9,000 + 11,400 + 12,600; two of the five events with counts are written again
    assert total(rows, "input_tokens") == 33_000
    assert total(rows, "cache_read_tokens") == 0 + 8_960 + 11_040
    assert total(rows, "output_tokens") == 210 + 120 + 570
    assert total(rows, "reasoning_tokens") == 128 + 32 + 340
    assert (len(rows), reading.rows_merged, reading.not_calls["token_count without usage"]) == (3, 2, 1)


def test_g4_a_fork_shares_the_calls_it_copied_and_adds_its_own():
    parent, fork = sample(PARENT)[0], sample(FORK)[0]
    assert [row["call_key"] for row in fork[:2]] == [row["call_key"] for row in parent[:2]]
    assert len({row["call_key"] for row in parent + fork}) == 3 + 2


def test_g4_two_files_of_one_history_make_five_calls_in_the_lake(tmp_path):
    place = tmp_path / "lake"
    ingest(Lake.open(place, create=True), [str(PARENT), str(FORK)], spool=tmp_path)
    sql = "select count(*) as calls, sum(input_tokens) as tokens from requests"
    assert asking.ask(AuditConfig(lake=place, engine_options={"threads": "2"}), sql).to_dicts()[0] == {
        "calls": 5,
        "tokens": 33_000 + 13_500 + 4_000,
    }


def test_g4_a_total_that_an_overflow_wrote_over_is_no_call_and_the_next_one_counts_by_itself():
    rows, reading = sample(FORK)
    assert reading.not_calls["token_count of no call"] == 1
    assert (rows[-1]["input_tokens"], rows[-1]["output_tokens"]) == (4_000, 80)


def test_g4_without_the_last_counts_a_call_is_the_growth_of_the_total_and_a_fall_is_a_new_start(rows_of):
    totals = [vector(100, 10, 5), vector(300, 110, 9), vector(40, 0, 4)]
    rows = rows_of("codex", TURN, *map(token_count, totals))
    assert [(row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) for row in rows] == [
        (100, 10, 5),
        (200, 100, 4),
        (40, 0, 4),
    ]


def test_sessions_that_begin_alike_are_not_one(rows_of):
    first = token_count(vector(100, 10, 5), vector(100, 10, 5))
    keys = [rows_of("codex", event("session_meta", id=name), TURN, first)[0]["call_key"] for name in ("a", "b", "a")]
    assert keys[0] == keys[2] != keys[1]


def test_a_subagent_belongs_to_the_thread_that_spawned_it(rows_of):
    spawned = {"subagent": {"thread_spawn": {"parent_thread_id": "019a-1", "depth": 1}}}
    first = token_count(vector(100, 10, 5), vector(100, 10, 5))
    parent = rows_of("codex", event("session_meta", id="019a-1", source="cli"), TURN, first)
    child = rows_of("codex", event("session_meta", id="019a-2", source=spawned), TURN, first)
    assert parent[0]["call_key"] == child[0]["call_key"]


def test_a_call_before_any_model_is_named_keeps_its_tokens_and_no_guess(rows_of):
    [row] = rows_of("codex", token_count(vector(100, 10, 5)))
    assert (row["input_tokens"], row["response_model"], row["request_model"]) == (100, None, None)


def test_events_of_another_shape_are_counted_and_the_calls_beside_them_kept(reading_of):
    rows, reading = reading_of(
        "codex",
        TURN,
        {"timestamp": "2026-10-05T08:00:00Z", "type": "event_msg", "payload": "text"},
        event("event_msg", type="token_count", info=[1]),
        event("brand_new", novelty={"a": 1}),
        token_count(vector(7, 0, 1)),
        "not json",
    )
    assert [row["input_tokens"] for row in rows] == [7]
    assert len(reading.refused) == 1
    assert reading.rows_read == 6


@with_reference
def test_a_rollout_of_the_reference_adds_up_to_what_is_expected_of_it():
    [path] = (REFERENCE / "codex").glob("rollout*")
    expected = json.loads((REFERENCE / "codex" / "expected.json").read_text("utf-8"))
    rows, _ = sample(path)
    assert len(rows) == expected["calls"]
    assert total(rows, "input_tokens") == expected["input_tokens_inclusive"]
    assert total(rows, "cache_read_tokens") == expected["cached"]
    assert total(rows, "output_tokens") == expected["output_inclusive"]
    assert total(rows, "reasoning_tokens") == expected["reasoning"]
    assert {row["response_model"] for row in rows} == {expected["model"]}


# --- LiteLLM's spend logs -------------------------------------------------------------------------

SPEND, DUMP = SAMPLES / "litellm_spend_logs" / "rows.jsonl", SAMPLES / "litellm_spend_logs_csv" / "dump.csv"


def spend_row(**fields):
    return {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "spend": 0.01,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "startTime": "2026-10-06T07:00:00Z",
        "model": "gpt-4o-mini",
    } | fields


GEMINI_ASKED = {"contents": [{"role": "user", "parts": [{"text": "Greet me"}]}], "generationConfig": {"temperature": 0}}
GEMINI = {
    "candidates": [{"content": {"parts": [{"text": "Hallo"}]}, "finishReason": "STOP"}],
    "usageMetadata": {
        "promptTokenCount": 1_000,
        "cachedContentTokenCount": 400,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 30,
    },
}
BEDROCK_ASKED = {"messages": [{"role": "user", "content": [{"text": "Greet me"}]}], "inferenceConfig": {"maxTokens": 9}}
BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Bonjour"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 200, "outputTokens": 20, "cacheReadInputTokens": 100},
}


def assert_foreign_bodies_are_read(rows):
    """Gemini: 1,000 with 400 cached, 50 and 30 thoughts; Bedrock: 200 beside 100 cached, 20."""
    counts = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "output_text")
    assert [tuple(row[name] for name in counts) for row in rows] == [
        (1_000, 400, 80, 30, "Hallo"),
        (300, 100, 20, None, "Bonjour"),
    ]
    assert [len(row["messages"]) for row in rows] == [1, 1]
    assert [row["usage_source"] for row in rows] == ["reported", "reported"]


def passed_through(wrap, **fields):
    unread = {"call_type": "pass_through_endpoint", "prompt_tokens": 0, "completion_tokens": 0, "spend": 0} | fields
    gemini = {"proxy_server_request": wrap(GEMINI_ASKED), "response": wrap(GEMINI), "custom_llm_provider": "gemini"}
    bedrock = {"proxy_server_request": wrap(BEDROCK_ASKED), "response": wrap(BEDROCK), "model": "amazon.nova-lite-v1:0"}
    return [spend_row(**unread, **gemini), spend_row(**unread, **bedrock, request_id="b")]


NO_COUNTS = {"usage_object": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}


@pytest.mark.parametrize("wrap", [dict, json.dumps], ids=["objects", "texts"])
@pytest.mark.parametrize("fields", [{}, {"metadata": NO_COUNTS}, {"metadata": json.dumps(NO_COUNTS)}])
def test_g5_what_passed_through_unread_is_counted_by_the_providers_own_answer(rows_of, wrap, fields):
    assert_foreign_bodies_are_read(rows_of("litellm_spend_logs", *passed_through(wrap, **fields)))


@pytest.mark.parametrize("wrap", [dict, json.dumps], ids=["objects", "texts"])
def test_g5_what_passed_through_unread_is_counted_on_pages_too(rows_of, wrap):
    empty = {"data": [], "total": 0, "total_pages": 0}
    rows = rows_of("litellm_spend_logs", empty, {"data": passed_through(wrap), "total": 2, "total_pages": 1})
    assert_foreign_bodies_are_read(rows)


def test_pages_of_several_files_that_are_read_at_once_keep_their_rows_and_their_files(tmp_path):
    rows = passed_through(dict)
    for name, record in (
        ("a", rows[0]),
        ("b", {"data": rows, "total_pages": 1}),
        ("c", {"data": [], "total_pages": 0}),
    ):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
    paths = sorted(tmp_path.iterdir())
    source = sources.registry()["litellm_spend_logs"]
    readings = [Reading(source.name) for _ in paths]
    given = [(path, reading, ReadOptions()) for path, reading in zip(paths, readings, strict=True)]
    batches = [
        (file, row)
        for files, batch in read_together(source, given)
        for file, row in zip(files, batch.to_pylist(), strict=True)
    ]
    assert [(file, row["record"], row["input_tokens"]) for file, row in batches] == [
        (0, 1, 1_000),
        (1, 1, 1_000),
        (1, 2, 300),
    ]
    assert [reading.not_calls for reading in readings] == [{}, {}, {"empty page": 1}]


def test_g5_payloads_of_what_passed_through_are_counted_by_the_providers_own_answer(rows_of):
    said = {
        "call_type": "pass_through_endpoint",
        "startTime": 1791270000.0,
        "response_cost": 0,
        "prompt_tokens": 0,
        "model": "m",
    }
    rows = rows_of(
        "litellm_callback",
        said | {"id": "a", "messages": GEMINI_ASKED, "response": GEMINI},
        said | {"id": "b", "messages": BEDROCK_ASKED, "response": BEDROCK},
    )
    assert_foreign_bodies_are_read(rows)


@pytest.mark.parametrize("path", [SPEND, DUMP], ids=["json", "csv"])
def test_g5_spend_logs_count_the_cache_inside_the_input_for_every_provider(path):
    rows, reading = sample(path)
    # 1,500 twice (the second a hit), 52,000 and 700
    assert total(rows, "input_tokens") == 2 * 1_500 + 52_000 + 700
    assert total(rows, "cache_read_tokens") == 1_280 + 40_000 + 256
    assert total(rows, "cache_write_tokens") == 10_000
    assert total(rows, "output_tokens") == 2 * 200 + 900 + 60
    assert sum(row["reported_cost_usd"] or 0 for row in rows) == Decimal("0.000249") + Decimal("0.0486")
    assert reading.not_calls == {"LiteLLM call_mcp_tool": 1}


@pytest.mark.parametrize("path", [SPEND, DUMP], ids=["json", "csv"])
def test_g9_a_cost_of_nothing_is_kept_for_a_hit_and_a_failure_and_unknown_for_a_success(path):
    rows, _ = sample(path)
    assert [(row["gateway_cache_hit"], row["status"], row["reported_cost_usd"]) for row in rows[1:]] == [
        (True, "ok", 0),
        (False, "ok", Decimal("0.0486")),
        (False, "error", 0),
        (False, "ok", None),
    ]


def test_g10_times_of_a_dump_are_utc_though_they_name_no_zone():
    rows, _ = read_file(DUMP, timezone="Europe/Berlin")
    assert rows[0]["started_at"].isoformat() == "2026-10-06T07:00:00"
    assert (rows[0]["duration_ms"], rows[0]["first_token_ms"]) == (1_500, 400)


def test_rows_pages_and_dumps_of_one_table_are_the_same_calls():
    rows = sample(SPEND)[0]
    page = sample(SAMPLES / "litellm_spend_logs" / "page_v2.json")[0]
    dump = sample(DUMP)[0]
    assert [row["call_key"] for row in dump] == [row["call_key"] for row in rows]
    assert [row["call_key"] for row in page] == [row["call_key"] for row in rows[:3]]


def test_a_call_that_the_callback_logged_too_is_the_same_call(rows_of):
    said = {
        "id": "chatcmpl-hp0001",
        "call_type": "acompletion",
        "startTime": 1791270000.0,
        "response_cost": 0.1,
        "model": "m",
    }
    assert rows_of("litellm_callback", said)[0]["call_key"] == sample(SPEND)[0][0]["call_key"]


def test_g12_metadata_may_be_json_in_a_string_in_a_string(rows_of):
    inside = {
        "user_api_key_team_alias": "Shop",
        "usage_object": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}},
    }
    [row] = rows_of("litellm_spend_logs", spend_row(metadata=json.dumps(json.dumps(inside))))
    assert (row["team"], row["input_tokens"], row["cache_read_tokens"]) == ("Shop", 9, 4)


def test_g13_a_summary_of_a_day_is_no_call(reading_of):
    day = {"startTime": "2026-10-06", "spend": 0.36, "users": {"u": 0.36}, "models": {"gpt-4o": 0.36}, "5f0c": 0.36}
    rows, reading = reading_of("litellm_spend_logs", day, changed(day, startTime="2026-10-07"))
    assert (rows, reading.not_calls) == ([], {"LiteLLM daily summary": 2})


def test_g15_texts_that_were_cut_or_redacted_are_not_kept_as_texts():
    assert sample(SPEND)[0][4]["messages"] is None
    assert sample(SPEND)[0][4]["output_text"] is None


def test_several_pages_and_an_empty_one_lose_no_row_and_number_each(reading_of):
    pages = [{"data": [spend_row(request_id=f"{page}-{row}") for row in range(3)], "total_pages": 2} for page in "ab"]
    rows, reading = reading_of("litellm_spend_logs", *pages, {"data": [], "total_pages": 0})
    assert len({row["record"] for row in rows}) == len(rows) == 6
    assert reading.not_calls == {"empty page": 1}


def test_spend_rows_with_fields_missing_or_of_another_type_are_kept(reading_of):
    odd = spend_row(metadata=5, request_tags="x", response=[], cache_hit=None, brand_new={"a": [1]}, prompt_tokens="7")
    bare = {"request_id": "r", "startTime": "2026-10-06 07:00:00", "model": "m", "spend": "1e-05", "call_type": ""}
    rows, reading = reading_of("litellm_spend_logs", odd, bare, spend_row(startTime="yesterday"))
    assert [row["input_tokens"] for row in rows] == [7, None]
    assert rows[1]["reported_cost_usd"] == Decimal("0.00001")
    assert [refused.reason for refused in reading.refused] == ["no readable time in startTime: yesterday"]


# --- Langfuse -------------------------------------------------------------------------------------

OBSERVATIONS, TABLE = SAMPLES / "langfuse" / "observations.jsonl", SAMPLES / "langfuse_csv" / "observations.csv"
COLUMNS = SAMPLES / "langfuse_parquet" / "observations.parquet"
COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def observation(usage=None, **fields):
    return {
        "id": "ob",
        "traceId": "t",
        "type": "GENERATION",
        "startTime": "2026-10-07T10:00:00.000Z",
        "model": "m",
        "usageDetails": usage,
    } | fields


@pytest.mark.parametrize("path", [OBSERVATIONS, TABLE], ids=["json", "csv"])
def test_g5_g6_buckets_of_langfuse_are_disjoint_and_add_up(path):
    rows, reading = sample(path)
    # 300 + 1,024 cached; 50 + 4,000 read + 900 written (600 and 300 of it are its parts); a failure; 800
    assert [row["input_tokens"] for row in rows] == [1_324, 4_950, None, 800]
    assert [row["cache_read_tokens"] for row in rows] == [1_024, 4_000, None, None]
    assert [(row["cache_write_tokens"], row["cache_write_long_tokens"]) for row in rows][1] == (900, 300)
    # 90 + 30 of reasoning; 200
    assert [(row["output_tokens"], row["reasoning_tokens"]) for row in rows] == [
        (120, 30),
        (200, None),
        (None, None),
        (None, None),
    ]
    assert sum(row["reported_cost_usd"] or 0 for row in rows) == Decimal("0.00019") + Decimal("0.0081") + Decimal(
        "0.000016"
    )
    assert reading.not_calls == {"Langfuse span": 1, "Langfuse tool": 1}


SPELLINGS = [
    # usage, then input, read, written, output, reasoning
    ({"input": 10, "output": 5, "total": 15}, (10, None, None, 5, None)),
    ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (10, None, None, 5, None)),
    (
        {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3, "output_tokens": 5},
        (24, 20, 3, 5, None),
    ),
    (
        {"input": 1, "input_cache_read": 20, "input_cache_creation_5m": 3, "input_cache_creation_1h": 4, "output": 5},
        (28, 20, 7, 5, None),
    ),
    ({"input": 1, "input_audio_tokens": 6, "output": 5, "output_audio_tokens": 2}, (7, None, None, 7, None)),
    ({"input": 10, "output": 50, "output_reasoning_tokens": 40, "total": 60}, (10, None, None, 50, 40)),
    ({"input": 10, "output": 50, "output_reasoning_tokens": 40, "total": 100}, (10, None, None, 90, 40)),
    ({}, (None, None, None, None, None)),
]


def test_g5_g6_every_spelling_of_a_bucket_is_counted_once(rows_of):
    rows = rows_of("langfuse", *(observation(usage, id=str(number)) for number, (usage, _) in enumerate(SPELLINGS)))
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    assert [tuple(row[name] for name in names) for row in rows] == [counts for _, counts in SPELLINGS]


def test_observations_in_parquet_say_what_the_lines_say():
    same = (
        "call_key",
        "started_at",
        "duration_ms",
        "first_token_ms",
        "request_model",
        "status",
        "reported_cost_usd",
        *COUNTS,
        "messages",
        "output_text",
        "team",
    )
    assert [[row[name] for name in same] for row in sample(COLUMNS)[0]] == [[row[name] for name in same] for row in sample(OBSERVATIONS)[0]]  # fmt: skip


def test_an_observation_delivered_before_its_usage_was_known_is_one_call(tmp_path):
    """Both hold the prompt: of the first, nothing is counted but what its text is estimated at."""
    early = observation(input=[{"role": "user", "content": "Which rope floats?"}], output="Polypropylene.")
    late = early | {"usageDetails": {"input": 100, "output": 50, "total": 150}}
    logged = tmp_path / "x.jsonl"
    logged.write_text("".join(json.dumps(row) + "\n" for row in (early, late)))
    place = tmp_path / "lake"
    ingest(Lake.open(place, create=True), [str(logged)], spool=tmp_path)
    sql = "select input_tokens, output_tokens, usage_source from requests"
    assert asking.ask(AuditConfig(lake=place, engine_options={"threads": "2"}), sql).rows() == [(100, 50, "reported")]


def test_g10_times_of_langfuse_are_utc_with_and_without_a_zone():
    for path in (OBSERVATIONS, TABLE, COLUMNS):
        row = read_file(path, timezone="America/New_York")[0][0]
        assert row["started_at"].isoformat() == "2026-10-07T10:00:00"
        assert (row["duration_ms"], row["first_token_ms"]) == (2_500, 600)


def test_an_observation_is_the_same_call_from_the_bucket_the_api_and_the_table():
    bucket, table = sample(OBSERVATIONS)[0], sample(TABLE)[0]
    api = sample(SAMPLES / "langfuse" / "api_v2.json")[0]
    assert [row["call_key"] for row in table] == [row["call_key"] for row in bucket]
    assert [row["call_key"] for row in api] == [row["call_key"] for row in bucket[:2]]
    assert (api[0]["user_id"], api[0]["session_id"], api[0]["endpoint"], api[0]["team"]) == (
        "u-4",
        "visit-9",
        "gift-finder",
        "shop",
    )


def test_texts_of_langfuse_are_read_from_json_in_strings():
    row = sample(OBSERVATIONS)[0][0]
    assert row["messages"] == ["system\x1fRank gifts.", "user\x1frope, lamp, chart"]
    assert (row["output_text"], row["temperature"]) == ("lamp, chart, rope", 0)


def test_observations_of_another_shape_are_kept_and_an_unreadable_time_is_refused(reading_of):
    rows, reading = reading_of(
        "langfuse",
        observation("text", input={"a": 1}, metadata="x", tags=5, brand_new=[1]),
        observation({"input": {"nested": 1}, "output": "7"}),
        observation({"input": 1}, startTime=None),
        {"data": [], "meta": {}},
    )
    assert [(row["input_tokens"], row["output_tokens"]) for row in rows] == [(None, None), (None, 7)]
    assert [refused.reason for refused in reading.refused] == ["no readable start time: missing"]
    assert reading.not_calls == {"empty page": 1}


# --- OpenTelemetry --------------------------------------------------------------------------------

TRACES, LOGS = SAMPLES / "otel_genai" / "traces.jsonl", SAMPLES / "otel_genai" / "logs.jsonl"


def span(number="1", parent="", **attributes):
    said = [{"key": key.replace("__", "."), "value": value} for key, value in attributes.items()]
    return {
        "traceId": "t",
        "spanId": number,
        "parentSpanId": parent,
        "startTimeUnixNano": "1791446400000000000",
        "endTimeUnixNano": 1791446400250000000,
        "attributes": said,
    }


def spans(*given, scope="scopeSpans"):
    return {"resourceSpans": [{scope: [{"spans": list(given)}]}]}


def words(text):
    return {"stringValue": text}


def number(value):
    return {"intValue": value}


CHAT = {"gen_ai__operation__name": words("chat"), "gen_ai__request__model": words("m")}


def test_g5_input_of_a_span_includes_its_cache_and_output_its_reasoning():
    rows, _ = sample(TRACES)
    # two of the conventions, OpenLLMetry, OpenInference, a failure, an embedding
    assert [row["input_tokens"] for row in rows] == [3_100, 3_300, 1_500, 900, None, 64]
    assert [row["cache_read_tokens"] for row in rows] == [2_048, None, 1_024, 256, None, None]
    assert [row["output_tokens"] for row in rows] == [70, 20, 40, 130, None, None]
    assert (rows[0]["cache_write_tokens"], rows[3]["reasoning_tokens"]) == (600, 100)
    assert rows[3]["reported_cost_usd"] == Decimal("0.000595")


def test_g7_agents_chains_tools_and_spans_above_a_call_are_counted_but_are_no_calls():
    rows, reading = sample(TRACES)
    assert reading.not_calls == {
        "span invoke_agent": 1,
        "span execute_tool": 1,
        "span chain": 1,
        "span above a call": 1,
        "span of something else": 1,
        "OTLP empty batch": 1,
    }
    assert [row["record"] for row in rows] == [1, 2, 6, 8, 10, 11]


def test_g7_a_call_two_floors_above_another_is_no_call_either(reading_of):
    rows, reading = reading_of(
        "otel_genai", spans(span("3", "2", **CHAT)), spans(span("1", **CHAT), span("2", "1", name=words("task")))
    )
    assert [row["span_id"] for row in rows] == ["3"]
    assert reading.not_calls == {"span above a call": 1, "span of something else": 1}


def test_g7_a_log_record_and_its_span_are_one_call(reading_of):
    assert sample(LOGS)[0][0]["call_key"] == sample(TRACES)[0][0]["call_key"]
    log = span(**CHAT) | {
        "eventName": "gen_ai.client.inference.operation.details",
        "timeUnixNano": "1791446400000000000",
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    rows, reading = reading_of("otel_genai", logs, spans(span(**CHAT)))
    assert (len(rows), reading.not_calls) == (1, {"OTLP log of a span": 1})


def test_g11_times_and_counts_are_texts_or_numbers(rows_of):
    told = CHAT | {"gen_ai__usage__input_tokens": number("7"), "gen_ai__usage__output_tokens": number(3)}
    [row] = rows_of("otel_genai", spans(span(**told), scope="instrumentationLibrarySpans"))
    assert (row["started_at"].isoformat(), row["duration_ms"]) == ("2026-10-08T08:00:00", 250)
    assert (row["input_tokens"], row["output_tokens"]) == (7, 3)


def test_texts_are_read_from_all_three_spellings():
    rows, _ = sample(TRACES)
    assert (rows[0]["messages"], rows[0]["output_text"]) == (["user\x1fWhich rope floats?"], "Polypropylene.")
    assert (rows[2]["messages"], rows[2]["output_text"]) == (["system\x1fRank.", "user\x1frope, lamp"], "lamp")
    assert (rows[3]["messages"], rows[3]["output_text"]) == (["user\x1frope?"], "yes")


def test_a_span_is_told_by_its_trace_where_the_response_has_no_id(rows_of):
    first, again, other = rows_of("otel_genai", spans(span("1", **CHAT), span("1", **CHAT), span("2", **CHAT)))
    assert first["call_key"] == again["call_key"] != other["call_key"]


def test_spans_whose_names_have_underscores_are_the_same_calls(rows_of):
    told = span("1", **CHAT, gen_ai__usage__input_tokens=number(120), gen_ai__response__id=words("span_id"))
    snake = json.dumps(spans(told))
    for name in (
        "resourceSpans",
        "scopeSpans",
        "traceId",
        "spanId",
        "parentSpanId",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "stringValue",
        "intValue",
    ):
        snake = snake.replace(f'"{name}"', '"' + "".join(f"_{c.lower()}" if c.isupper() else c for c in name) + '"')
    assert '"string_value": "span_id"' in snake
    [ours] = rows_of("otel_genai", snake)
    [theirs] = rows_of("otel_genai", spans(told))
    assert (ours, ours["input_tokens"], ours["provider_id"]) == (theirs, 120, "span_id")


def test_batches_of_another_shape_lose_no_record(reading_of):
    twice = span("2", **CHAT)
    twice["attributes"] = [*twice["attributes"], *twice["attributes"], {"key": None}, 5]
    untimed = {name: value for name, value in span("3", **CHAT).items() if "Time" not in name}
    rows, reading = reading_of(
        "otel_genai",
        spans(changed(span("1", **CHAT), attributes="none")),
        spans(twice),
        spans(untimed),
        {"resourceSpans": "none"},
        {"resourceMetrics": [{"scopeMetrics": []}]},
    )
    assert [row["span_id"] for row in rows] == ["2"]
    assert reading.not_calls == {"span of something else": 1, "OTLP empty batch": 1, "OTLP metrics": 1}
    assert [refused.reason for refused in reading.refused] == ["no readable time: missing"]


# --- Helicone -------------------------------------------------------------------------------------

HELICONE = SAMPLES / "helicone" / "export.jsonl"


def helicone_row(**fields):
    return {
        "request_id": "r",
        "request_created_at": "2026-10-09 11:00:00.000",
        "response_status": 200,
        "request_model": "gpt-4o-mini",
    } | fields


def test_g5_g6_helicone_counts_by_its_bodies_and_else_by_what_can_be_told_of_its_columns():
    rows, _ = sample(HELICONE)
    # the body's 1,400, twice (a hit); Anthropic's 5,000 + 3,000 + 700; a failure; 900 with the cache inside; 100 + 640
    assert [row["input_tokens"] for row in rows] == [1_400, 1_400, 8_700, None, 900, 740, None]
    assert [row["cache_read_tokens"] for row in rows][:3] == [1_152, 1_152, 3_000]
    assert rows[2]["cache_write_tokens"] == 700
    # 80 of reasoning cannot lie inside 20
    assert [row["output_tokens"] for row in rows] == [60, 60, 300, None, 40, 100, None]


@pytest.mark.parametrize("fold", [list, lambda rows: [{"data": rows, "error": None}]], ids=["rows", "page"])
def test_g5_g6_helicone_keeps_bodies_of_gemini_and_bedrock_and_they_decide(rows_of, fold):
    """Its columns leave out the thoughts of the one and the cache of the other."""
    columns = {"prompt_tokens": 7, "completion_tokens": 5}
    rows = [
        helicone_row(**columns, provider="GOOGLE", request_body=GEMINI_ASKED, response_body=GEMINI),
        helicone_row(**columns, provider="AWS", request_body=BEDROCK_ASKED, response_body=BEDROCK, request_id="b"),
    ]
    assert_foreign_bodies_are_read(rows_of("helicone", *fold(rows)))


def test_g9_a_hit_and_a_failure_of_helicone_cost_nothing_and_a_success_without_a_cost_is_unknown(rows_of):
    rows, _ = sample(HELICONE)
    assert [(row["status"], row["gateway_cache_hit"], row["reported_cost_usd"]) for row in rows[:4]] == [
        ("ok", False, Decimal("0.00015")),
        ("ok", True, 0),
        ("ok", False, Decimal("0.0231")),
        ("error", False, 0),
    ]
    assert [row["status"] for row in rows[4:]] == ["ok", "ok", "cancelled"]
    assert rows_of("helicone", helicone_row(cost=0, prompt_tokens=5))[0]["reported_cost_usd"] is None


def test_g8_billionths_of_a_dollar_are_told_by_being_whole(rows_of):
    rows = rows_of("helicone", helicone_row(cost=46_800), helicone_row(cost=0.0000468), helicone_row(cost=2))
    assert [row["reported_cost_usd"] for row in rows] == [Decimal("0.0000468"), Decimal("0.0000468"), 2]


def test_g10_times_of_helicone_are_utc_though_they_name_no_zone():
    rows, _ = read_file(HELICONE, timezone="Asia/Tokyo")
    assert rows[0]["started_at"].isoformat() == "2026-10-09T11:00:00"


def test_g12_json_that_was_escaped_twice_is_read_all_the_same():
    rows, _ = sample(SAMPLES / "helicone_csv" / "output.csv")
    assert [(row["request_model"], row["team"], row["endpoint"]) for row in rows] == [
        ("gpt-4o-mini", "shop", "/knots")
    ] * 2
    assert rows[0]["messages"] == ["system\x1fAnswer sailors.", "user\x1fWhich knot holds?"]
    assert (rows[0]["duration_ms"], rows[0]["input_tokens"], rows[1]["http_status"]) == (2_000, 248, 429)


def test_the_answers_id_merges_a_call_of_helicone_with_other_logs_and_never_with_its_own_hit():
    rows, _ = sample(HELICONE)
    assert rows[0]["provider_id"] == "chatcmpl-hpk1"
    assert rows[1]["provider_id"] is None


def test_pages_of_helicone_and_rows_of_another_shape_lose_no_record(reading_of):
    page = {"data": [helicone_row(request_id="a", prompt_tokens=3), helicone_row(request_id="b")], "error": None}
    odd = helicone_row(
        request_id="c", request_body="text", response_body=[1], properties=5, prompt_tokens="4", brand_new={}
    )
    rows, reading = reading_of("helicone", page, {"data": []}, odd, helicone_row(request_created_at=None))
    assert [(row["own_id"], row["input_tokens"]) for row in rows] == [("a", 3), ("b", None), ("c", 4)]
    assert reading.not_calls == {"empty page": 1}
    assert [refused.reason for refused in reading.refused] == ["no readable time in request_created_at: missing"]


# --- OpenRouter -----------------------------------------------------------------------------------


def test_g5_generations_of_openrouter_include_the_cached_and_the_reasoning():
    rows, _ = sample(SAMPLES / "openrouter_generations" / "activity.csv")
    assert [row["input_tokens"] for row in rows] == [22_000, 900, 700]
    assert (rows[0]["cache_read_tokens"], rows[0]["output_tokens"], rows[0]["reasoning_tokens"]) == (20_000, 400, 150)
    assert sum(row["reported_cost_usd"] for row in rows) == Decimal("0.0015")
    assert [(row["status"], row["billing_mode"]) for row in rows] == [
        ("ok", "metered"),
        ("ok", "metered"),
        ("cancelled", "free"),
    ]


def test_g10_times_of_openrouter_are_utc_though_they_name_no_zone():
    rows, _ = read_file(SAMPLES / "openrouter_generations" / "activity.csv", timezone="America/New_York")
    assert rows[0]["started_at"].isoformat() == "2026-10-08T09:00:00.120000"


def test_days_of_openrouter_are_usage_and_cached_replays_lie_inside_the_input():
    rows, _ = read_file(SAMPLES / "openrouter_activity" / "activity.json", timezone="America/New_York")
    assert [(row["requests"], row["input_tokens"], row["cache_read_tokens"]) for row in rows] == [
        (40, 90_000, 60_000),
        (44, 95_000, 60_000),
        (3, 700, 700),
    ]
    assert (rows[0]["period_start"].isoformat(), rows[0]["period_end"].isoformat()) == (
        "2026-10-07T00:00:00",
        "2026-10-08T00:00:00",
    )
    assert len({row["usage_id"] for row in rows}) == 3


def test_days_of_openrouter_that_cannot_be_read_are_set_aside_and_the_rest_is_kept(reading_of):
    pages = [
        {"data": [{"date": "2026-10-07 00:00:00", "model": "m"}, {"date": "soon"}]},
        {"data": []},
        {"data": "none"},
    ]
    rows, reading = reading_of("openrouter_activity", *pages)
    assert [row["model"] for row in rows] == ["m"]
    assert [refused.reason for refused in reading.refused] == [
        "no readable date: soon",
        "nothing of it is a page of activity",
    ]
    assert reading.not_calls == {"empty page": 1}


def test_p1_a_generation_of_openrouter_counts_in_the_tokens_that_are_billed():
    rows, _ = read_file(SAMPLES / "openrouter_generation_records" / "generations.jsonl")
    first, _, cancelled, *_ = rows
    # (1,200 - 1,024) x 0.15 + 1,024 x 0.075 + 100 x 0.60 = 26.4 + 76.8 + 60 = 163.2 millionths, as total_cost says
    assert first["reported_cost_usd"] == Decimal("0.0001632")
    assert [first[n] for n in ("input_tokens", "cache_read_tokens", "output_tokens")] == [1_200, 1_024, 100]
    # no native counts: the other tokenizer's stand in, and say so
    assert (cancelled["status"], cancelled["usage_source"], cancelled["input_tokens"]) == ("cancelled", "estimated", 40)
    assert [row["gateway_cache_hit"] for row in rows] == [False, False, False, False, True, False]
