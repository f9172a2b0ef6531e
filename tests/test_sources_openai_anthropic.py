"""Exports of OpenAI and Anthropic beyond the invented company's month: each trap with its sum worked by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from test_sources import read_file

from llmaudit import sources
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest
from llmaudit.sources.base import Peek

SAMPLES = Path(__file__).parent / "data" / "sources"
OURS = [
    "openai_batch",
    "openai_cost_csv",
    "openai_usage_csv",
    "anthropic_batch",
    "anthropic_cost_report",
    "anthropic_cost_csv",
    "anthropic_usage_report",
    "anthropic_usage_csv",
    "openai_objects",
    "anthropic_claude_code_report",
]


@pytest.mark.parametrize("name", OURS)
def test_the_lake_accounts_for_every_record_of_a_sample(name, tmp_path):
    lake = Lake.temporary(tmp_path / "lake")
    ingest(lake, [str(SAMPLES / name)], spool=tmp_path)
    for file in lake.ingests().iter_rows(named=True):
        not_calls = sum(json.loads(file["not_calls"]).values())
        assert file["source"] == name
        assert file["rows_read"] == file["rows_kept"] + file["rows_merged"] + file["rows_quarantined"] + not_calls > 0
    assert lake.frame(sources.by_name(name).table)["source"].unique().to_list() == [name]


@pytest.fixture
def read_of(tmp_path):
    """Rows and reading of a file of JSON lines, or of a table that is written as text."""

    def read(source, *records, name=None):
        path = tmp_path / (name or f"{source}.jsonl")
        lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        return read_file(path, source)

    return read


# --- OpenAI: batch files ------------------------------------------------------------------------


def chat_body(number=1, **fields):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1790912400 + number,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "oak"}, "finish_reason": "stop"}],
        "usage": usage,
        **fields,
    }


def batch_line(body, number=1, status=200, **fields):
    response = {"status_code": status, "request_id": f"r{number}", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": f"row-{number}", "response": response, "error": None, **fields}


NEVER_RAN = {
    "id": "batch_req_9",
    "custom_id": "row-9",
    "response": None,
    "error": {"code": "batch_expired", "message": "too late"},
}
REFUSED = {"error": {"message": "bad", "type": "invalid_request_error", "code": None}}


def test_p11_a_line_of_a_batch_is_of_the_batch_tier_though_nothing_in_it_says_so(read_of):
    rows, _ = read_of("openai_batch", batch_line(chat_body(service_tier="default")), batch_line(chat_body(2), 2))
    assert [row["service_tier"] for row in rows] == ["batch", "batch"]
    assert [row["input_tokens"] + row["output_tokens"] for row in rows] == [120, 120]
    assert [(row["provider_id"], row["own_id"]) for row in rows] == [("chatcmpl-1", "row-1"), ("chatcmpl-2", "row-2")]


def test_p11_the_batch_object_repeats_its_lines_and_is_no_call(read_of):
    batch = {"id": "batch_1", "object": "batch", "created_at": 1790900000, "usage": {"input_tokens": 100}}
    rows, reading = read_of("openai_batch", batch, batch_line(chat_body()))
    assert sum(row["input_tokens"] for row in rows) == 100
    assert reading.not_calls == {"batch object": 1}


def test_p1_cached_input_of_a_batch_answer_is_inside_its_input(read_of):
    usage = {"prompt_tokens": 1_800, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 1_024}}
    [row], _ = read_of("openai_batch", batch_line(chat_body(usage=usage)))
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (1_800, 1_024, 12)


def test_a_refused_batch_request_has_the_time_of_its_file_and_no_tokens(read_of):
    rows, _ = read_of("openai_batch", batch_line(REFUSED, 1, 400), batch_line(chat_body(5), 5))
    assert [(row["status"], row["http_status"], row["input_tokens"]) for row in rows] == [
        ("error", 400, None),
        ("ok", 200, 100),
    ]
    assert [str(row["started_at"]) for row in rows] == ["2026-10-02 03:40:05"] * 2
    assert rows[0]["error_type"] == "invalid_request_error"


def test_a_file_of_errors_alone_counts_them_without_inventing_a_time(read_of):
    rows, reading = read_of("openai_batch", batch_line(REFUSED, 1, 400), NEVER_RAN)
    assert rows == []
    assert reading.not_calls == {"refused batch request without a time": 1, "batch request that never ran": 1}


def test_embeddings_of_a_batch_need_the_batch_object_for_their_time(read_of):
    body = {"object": "list", "data": [{"embedding": [0.1]}], "model": "text-embedding-3-small"}
    answer = batch_line({**body, "usage": {"prompt_tokens": 8, "total_tokens": 8}})
    rows, reading = read_of("openai_batch", answer)
    assert not rows
    assert "Put the batch object" in reading.refused[0].reason
    [row], _ = read_of("openai_batch", {"object": "batch", "created_at": 1790910000}, answer)
    assert (row["operation"], row["input_tokens"], row["output_tokens"]) == ("embeddings", 8, 0)
    assert str(row["started_at"]) == "2026-10-02 03:00:00"


def test_the_input_file_of_a_batch_is_known_and_counted_as_no_calls(read_of):
    asked = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "gpt-5", "input": "x"}}
    rows, reading = read_of("openai_batch", asked, asked)
    assert (rows, reading.not_calls) == ([], {"batch request": 2})


def test_azure_marks_its_batch_answers_by_their_content_filter(read_of):
    [row], _ = read_of("openai_batch", batch_line(chat_body(prompt_filter_results=[{"prompt_index": 0}])))
    assert row["provider"] == "azure.ai.openai"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "chatcmpl-1", "object": "chat.completion", "created": 1790912400, "model": "gpt-4o"},
        chat_body(usage="lost"),
        chat_body(created="soon"),
        [chat_body()],
        None,
    ],
)
def test_a_batch_answer_without_its_parts_is_kept_or_refused_but_never_lost(read_of, body):
    rows, reading = read_of("openai_batch", batch_line(body), batch_line(chat_body(2), 2), {"custom_id": 7, "new": {}})
    assert reading.rows_read == 3
    assert "chatcmpl-2" in [row["provider_id"] for row in rows]


# --- OpenAI: tables of the dashboard ------------------------------------------------------------

COST_HEADINGS = "start_time,end_time,amount_value,amount_currency,line_item,quantity,quantity_unit,project_id"
DAY = "1790812800,1790899200"


def test_p4_dollars_of_the_cost_table_come_as_long_decimals_and_add_up():
    rows, _ = read_file(SAMPLES / "openai_cost_csv" / "cost_2026-10-01_2026-10-03.csv")
    assert sum(row["billed_cost"] for row in rows) == Decimal("0.0045") + Decimal("0.000375") + 0 + Decimal("0.02")
    assert {row["billing_currency"] for row in rows} == {"USD"}


def test_p5_quantities_of_the_cost_table_are_in_base_units():
    rows, _ = read_file(SAMPLES / "openai_cost_csv" / "cost_2026-10-01_2026-10-03.csv")
    assert [(row["token_class"], row["quantity"], row["quantity_unit"]) for row in rows] == [
        ("input", 30_000, "tokens"),
        ("cache_read", 5_000, "tokens"),
        ("output", 900, "tokens"),
        ("web_search_tool_calls", 2, None),
    ]


def test_p9_a_row_of_times_alone_is_no_charge(read_of):
    rows, reading = read_of("openai_cost_csv", COST_HEADINGS, f"{DAY},,,,,,", f"{DAY},0.5,usd,,,,")
    assert ([row["billed_cost"] for row in rows], reading.not_calls) == ([Decimal("0.5")], {"empty bucket": 1})


def test_p12_equal_lines_of_a_day_differ_in_something_the_table_hides(read_of):
    line = f'{DAY},0.5,usd,"gpt-5, input",,,proj_a'
    rows, _ = read_of("openai_cost_csv", COST_HEADINGS, line, line)
    assert len({row["charge_id"] for row in rows}) == 2


def test_p13_the_table_and_the_page_of_one_bill_give_one_charge_id(read_of):
    [row], _ = read_of("openai_cost_csv", COST_HEADINGS, f'{DAY},0.5,usd,"gpt-5, input",,,proj_a')
    result = {"object": "organization.costs.result", "amount": {"value": 0.5, "currency": "usd"}}
    result |= {"line_item": "gpt-5, input", "project_id": "proj_a"}
    bucket = {"object": "bucket", "start_time": 1790812800, "end_time": 1790899200, "results": [result]}
    [other], _ = read_of("openai_costs", {"object": "page", "data": [bucket]})
    assert row["charge_id"] == other["charge_id"]
    assert row["charge_period_start"] == other["charge_period_start"]


@pytest.mark.parametrize(
    "line_item",
    ["gpt-5, input", "gpt-image-1 text, cached input", "gpt-realtime-2.1, cached audio input", "x | gpt-5, output",
     "gpt-6-astra, input_tokens", "web search tool calls", "assistants api | file search", "gpt-6, cache writes 12h"],
)  # fmt: skip
def test_the_table_and_the_page_split_a_line_item_alike(read_of, line_item):
    [row], _ = read_of("openai_cost_csv", COST_HEADINGS, f'{DAY},0.5,usd,"{line_item}",3,,')
    result = {"object": "organization.costs.result", "amount": {"value": 0.5}, "line_item": line_item, "quantity": 3}
    [other], _ = read_of("openai_costs", {"data": [{"start_time": 1790812800, "results": [result]}]})
    for name in ("model", "token_class", "quantity_unit", "charge_description"):
        assert row[name] == other[name]


@pytest.mark.parametrize("row", [f"{DAY},much,usd,,,,", "when,,0.5,usd,,,,", f"{DAY},,usd,gpt-5,,,"])
def test_a_cost_row_nobody_can_read_is_refused_and_the_next_one_is_kept(read_of, row):
    rows, reading = read_of("openai_cost_csv", COST_HEADINGS + ",new_heading", row, f"{DAY},0.5,usd,,,,,new")
    assert (len(rows), len(reading.refused)) == (1, 1)


USAGE_HEADINGS = (
    "start_time,end_time,start_time_iso,num_model_requests,model,batch,service_tier,"
    "input_tokens,input_cached_tokens,input_cache_write_tokens,output_tokens"
)


def test_p1_p7_the_usage_table_counts_cached_input_inside_and_adds_up():
    rows, reading = read_file(SAMPLES / "openai_usage_csv" / "completions_usage_2026-10-01_2026-10-03.csv")
    assert sum(row["input_tokens"] for row in rows) == 50_000 + 90_000 + 800
    assert [row["cache_read_tokens"] for row in rows] == [12_000, 0, 0]
    assert [row["service_tier"] for row in rows] == ["standard", "batch", "standard"]
    assert sum(row["requests"] for row in rows) == 14 + 300 + 1
    assert reading.not_calls == {"empty bucket": 1}
    assert len({row["usage_id"] for row in rows}) == 3


def test_p13_the_table_and_the_page_of_one_bucket_give_one_usage_id(read_of):
    [row], _ = read_of(
        "openai_usage_csv", USAGE_HEADINGS, f"{DAY},2026-10-01,3.0,gpt-5,False,default,900.0,100.0,,50.0"
    )
    result = {"object": "organization.usage.completions.result", "num_model_requests": 3, "model": "gpt-5"}
    result |= {"batch": False, "service_tier": "default", "input_tokens": 900, "output_tokens": 50}
    bucket = {"object": "bucket", "start_time": 1790812800, "end_time": 1790899200, "results": [result]}
    [other], _ = read_of("openai_usage", {"object": "page", "data": [bucket]})
    assert row["usage_id"] == other["usage_id"]


def test_a_usage_table_of_times_alone_is_known_by_its_name():
    head = "start_time,end_time,start_time_iso,end_time_iso\n1790812800,1790899200,,\n"
    named = {
        name: [source.name for source in sources.registry().values() if source.matches(Peek(name, head))]
        for name in ("completions_usage_2026-10-01.csv", "table.csv")
    }
    assert named == {"completions_usage_2026-10-01.csv": ["openai_usage_csv"], "table.csv": []}


def test_a_usage_row_that_counts_more_cache_than_input_is_refused(read_of):
    bad = f"{DAY},,1,gpt-5,False,default,10,6,5,1"
    rows, reading = read_of("openai_usage_csv", USAGE_HEADINGS, bad, f"{DAY},,lots,gpt-5,,,10,6,4,1", "soon,,,1,gpt-5")
    assert [(row["input_tokens"], row["cache_read_tokens"], row["cache_write_tokens"]) for row in rows] == [(10, 6, 4)]
    assert [refused.reason for refused in reading.refused] == [
        "more cached and written tokens than input tokens",
        "no readable start_time: soon",
    ]


def test_tables_of_embeddings_and_images_are_other_operations(read_of):
    headings = "start_time,end_time,start_time_iso,num_model_requests,model,images,input_tokens"
    rows, _ = read_of("openai_usage_csv", headings, f"{DAY},,2,text-embedding-3-small,,70", f"{DAY},,1,gpt-image-1,4,")
    assert [(row["operation"], row["images"], row["input_tokens"]) for row in rows] == [
        ("embeddings", None, 70),
        ("image", 4, None),
    ]


# --- Anthropic: message batches -----------------------------------------------------------------

BATCH = {"id": "msgbatch_1", "type": "message_batch", "created_at": "2026-10-02T21:04:00Z", "ended_at": None}


def message(number=1, **usage):
    return {
        "id": f"msg_{number}",
        "type": "message",
        "model": "claude-sonnet-4-20250514",
        "content": [{"type": "text", "text": "calm"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5, **usage},
    }


def succeeded(number=1, **usage):
    return {"custom_id": f"row-{number}", "result": {"type": "succeeded", "message": message(number, **usage)}}


def test_p1_p2_input_of_a_message_batch_is_the_rest_and_what_was_read_and_written():
    rows, reading = read_file(SAMPLES / "anthropic_batch" / "results_with_batch_object.jsonl")
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (120 + 3_000, 0, 3_000, 1_000, 60),
        (80 + 3_000, 3_000, 0, None, 45),
        (None, None, None, None, None),
    ]
    assert [row["status"] for row in rows] == ["ok", "ok", "error"]
    assert reading.not_calls == {"batch object": 1, "batch request that never ran": 2}


def test_p11_what_succeeded_in_a_message_batch_is_of_the_batch_tier(read_of):
    rows, _ = read_of("anthropic_batch", BATCH, succeeded(1, service_tier="batch"), succeeded(2))
    assert [row["service_tier"] for row in rows] == ["batch", "batch"]


def test_p15_results_take_the_time_of_the_batch_above_them_wherever_it_stands(read_of):
    later = {**BATCH, "id": "msgbatch_2", "created_at": "2026-10-03T06:00:00Z"}
    rows, _ = read_of("anthropic_batch", succeeded(1), BATCH, succeeded(2), later, succeeded(3))
    assert [(row["session_id"], str(row["started_at"])) for row in rows] == [
        ("msgbatch_1", "2026-10-02 21:04:00"),
        ("msgbatch_1", "2026-10-02 21:04:00"),
        ("msgbatch_2", "2026-10-03 06:00:00"),
    ]


def test_results_without_any_time_are_kept_back_with_the_next_move(read_of):
    rows, reading = read_of("anthropic_batch", succeeded(1), {**succeeded(2), "timestamp": "2026-10-02T21:00:00Z"})
    assert [row["own_id"] for row in rows] == ["row-2"]
    assert [(refused.line, "GET /v1/messages/batches/ID" in refused.reason) for refused in reading.refused] == [
        (1, True)
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"custom_id": "a", "result": None},
        {"custom_id": "a", "result": {"type": "succeeded"}},
        {"custom_id": "a", "result": {"type": "paused"}},
        {"custom_id": "a", "result": "gone"},
        {"custom_id": 5, "result": {"type": "succeeded", "message": {"usage": [], "content": "x"}}},
    ],
)
def test_a_result_without_its_parts_is_refused_and_the_next_one_is_kept(read_of, record):
    rows, reading = read_of("anthropic_batch", BATCH, record, {**succeeded(2), "new": {"field": 1}})
    assert (len(rows), len(reading.refused)) == (1, 1)


def test_small_batch_files_read_together_keep_their_own_times(tmp_path):
    folder = tmp_path / "batches"
    folder.mkdir()
    for day in (1, 2, 3):
        records = [{**BATCH, "created_at": f"2026-10-0{day}T00:00:00Z"}, succeeded(day)]
        (folder / f"{day}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    bare = batch_line(REFUSED, 4, 400), batch_line(chat_body(5), 5)
    (folder / "openai_a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in bare))
    (folder / "openai_b.jsonl").write_text(json.dumps(batch_line(chat_body(7), 7)) + "\n")
    lake = Lake.temporary(tmp_path / "lake")
    ingest(lake, [str(folder)], spool=tmp_path)
    times = {row["request_id"]: str(row["started_at"]) for row in lake.frame("requests").iter_rows(named=True)}
    assert times == {f"row-{day}": f"2026-10-0{day} 00:00:00" for day in (1, 2, 3)} | {
        "row-4": "2026-10-02 03:40:05",
        "row-5": "2026-10-02 03:40:05",
        "row-7": "2026-10-02 03:40:07",
    }


# --- Anthropic: bills ---------------------------------------------------------------------------


def report(*results, start="2026-10-01T00:00:00Z", end="2026-10-02T00:00:00Z"):
    return {"data": [{"starting_at": start, "ending_at": end, "results": list(results)}], "has_more": False}


def test_p4_the_cost_report_is_in_cents_and_the_console_in_dollars():
    report_rows, _ = read_file(SAMPLES / "anthropic_cost_report" / "cost_report_2026-10.json")
    assert [row["billed_cost"] for row in report_rows] == [
        Decimal("2.145006"),
        Decimal("0.0375"),
        Decimal("0.06"),
        Decimal("0.20"),
    ]
    console_rows, _ = read_file(SAMPLES / "anthropic_cost_csv" / "cost_2026-09.csv")
    assert sum(row["billed_cost"] for row in console_rows) == Decimal("0.42") + Decimal("0.07") + Decimal("1.10")
    assert sum(row["list_cost"] for row in console_rows) == Decimal("0.50") + Decimal("0.07") + Decimal("1.10")


def test_p6_kinds_of_tokens_are_told_apart_in_both_wordings():
    rows = read_file(SAMPLES / "anthropic_cost_report" / "cost_report_2026-10.json")[0]
    rows += read_file(SAMPLES / "anthropic_cost_csv" / "cost_2026-09.csv")[0]
    assert [row["token_class"] for row in rows] == [
        *("input", "cache_write", "cache_write_long", "web_searches"),
        *("input", "cache_write_long", "output", "cache_read"),
    ]


def test_p4_no_digit_of_a_cent_is_lost(read_of):
    amounts = ["0.00000001", "12345678901.123", 7, "1E-3"]
    rows, _ = read_of("anthropic_cost_report", report(*({"amount": amount} for amount in amounts)))
    assert [row["billed_cost"] for row in rows] == [Decimal(str(amount)) / 100 for amount in amounts]


def test_p9_empty_days_and_pages_of_the_cost_report_are_no_charges(read_of):
    rows, reading = read_of("anthropic_cost_report", report(), {"data": [], "has_more": False}, report({"amount": "1"}))
    assert (len(rows), reading.not_calls) == (1, {"empty bucket": 1, "empty page": 1})


def test_p12_rows_of_overlapping_groups_are_not_billed_again(read_of):
    rows, reading = read_of("anthropic_cost_report", report({"amount": "5"}, {"amount": "5", "rbac_group_id": "g"}))
    assert (len(rows), reading.not_calls) == (1, {"cost of a group": 1})


def test_p13_a_line_of_the_cost_report_that_grew_keeps_its_id_and_other_lines_have_others(read_of):
    line = {"amount": "100", "model": "claude-opus-5", "token_type": "output_tokens"}
    others = [{**line, "workspace_id": "w"}, {**line, "service_tier": "batch"}, line]
    rows, _ = read_of("anthropic_cost_report", report(line, *others))
    [again], _ = read_of("anthropic_cost_report", report({**line, "amount": "130"}))
    assert len({row["charge_id"] for row in rows}) == 4
    assert again["charge_id"] in {row["charge_id"] for row in rows}


def test_fast_mode_is_a_tier_and_an_unknown_region_is_none():
    rows, _ = read_file(SAMPLES / "anthropic_cost_csv" / "cost_2026-09.csv")
    assert [(row["service_tier"], row["region"]) for row in rows][1:3] == [(None, "global"), ("fast", "us")]
    rows, _ = read_file(SAMPLES / "anthropic_cost_report" / "cost_report_2026-10.json")
    assert [(row["service_tier"], row["region"]) for row in rows][:2] == [("standard", "global"), ("batch", None)]


@pytest.mark.parametrize("bad", [{"amount": "a few"}, {}, 7, {"amount": None, "new": []}])
def test_a_cost_result_nobody_can_read_is_refused_and_the_next_one_is_kept(read_of, bad):
    rows, reading = read_of("anthropic_cost_report", report(bad, {"amount": "2", "new": {"field": 1}}))
    assert ([row["billed_cost"] for row in rows], len(reading.refused)) == ([Decimal("0.02")], 1)


@pytest.mark.parametrize("bad", ["yesterday,output,1.00,a", "2026-09-14,output,free,a", ",,,a"])
def test_a_console_cost_row_nobody_can_read_is_refused_and_the_next_one_is_kept(read_of, bad):
    rows, reading = read_of(
        "anthropic_cost_csv", "usage_date_utc,token_type,cost_usd,new", bad, "2026-09-14,output,1.00,"
    )
    assert (len(rows), len(reading.refused)) == (1, 1)
    assert str(rows[0]["charge_period_end"]) == "2026-09-15 00:00:00"


def test_p15_a_day_of_the_console_is_a_day_of_utc_whatever_the_zone_of_the_audit():
    path = SAMPLES / "anthropic_cost_csv" / "cost_2025-12.csv"
    [row], _ = read_file(path, timezone="America/Los_Angeles")
    assert str(row["charge_period_start"]) == "2025-12-03 00:00:00"


# --- Anthropic: counts --------------------------------------------------------------------------

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")


def test_p1_p2_the_four_kinds_of_input_of_the_usage_report_add_up():
    rows, reading = read_file(SAMPLES / "anthropic_usage_report" / "usage_2026-10.json")
    assert [tuple(row[name] for name in COUNTS) for row in rows] == [
        (2_600 + 900 + 400 + 7_100, 7_100, 900 + 400, 400, 820),
        (64_000, 0, 0, 0, 9_000),
    ]
    assert [(row["service_tier"], row["web_searches"], row["requests"]) for row in rows] == [
        ("standard", 3, None),
        ("batch", 0, None),
    ]
    assert reading.not_calls == {"empty bucket": 1}


def test_p1_p2_the_console_has_one_column_of_writes_in_old_files_and_two_in_new_ones():
    [old] = read_file(SAMPLES / "anthropic_usage_csv" / "usage_2025-05.csv")[0]
    assert tuple(old[name] for name in COUNTS) == (1_200 + 300 + 4_000, 4_000, 300, None, 250)
    new = read_file(SAMPLES / "anthropic_usage_csv" / "usage_2026-08.csv")[0]
    assert tuple(new[0][name] for name in COUNTS) == (40_000 + 12_000 + 500 + 90_000, 90_000, 12_500, 500, 15_000)
    assert [row["service_tier"] for row in new] == ["standard", "batch"]


def test_p12_usage_of_overlapping_groups_is_not_counted_again(read_of):
    used = {"uncached_input_tokens": 5, "output_tokens": 1}
    rows, reading = read_of("anthropic_usage_report", report(used, {**used, "rbac_group_id": "g"}))
    assert (len(rows), reading.not_calls) == (1, {"usage of a group": 1})


def test_p13_a_bucket_that_grew_keeps_its_id_and_other_buckets_have_others(read_of):
    used = {"uncached_input_tokens": 5, "output_tokens": 1, "model": "claude-opus-5"}
    others = [{**used, "speed": "fast"}, {**used, "context_window": "200k-1M"}, {**used, "account_id": "u"}]
    rows, _ = read_of("anthropic_usage_report", report(used, *others))
    [again], _ = read_of("anthropic_usage_report", report({**used, "output_tokens": 9}))
    assert len({row["usage_id"] for row in rows}) == 4
    assert again["usage_id"] == rows[0]["usage_id"]
    assert rows[1]["service_tier"] == "fast"


@pytest.mark.parametrize("bad", [{}, {"uncached_input_tokens": "lots"}, "x", {"cache_creation": 3}])
def test_a_usage_result_nobody_can_read_is_refused_and_the_next_one_is_kept(read_of, bad):
    good = {"uncached_input_tokens": 5, "output_tokens": 1, "cache_creation": None, "new": []}
    rows, reading = read_of("anthropic_usage_report", report(bad, good))
    assert ([row["input_tokens"] for row in rows], len(reading.refused)) == ([5], 1)


def test_a_console_usage_row_nobody_can_read_is_refused_and_the_next_one_is_kept(read_of):
    headings = "usage_date_utc,usage_input_tokens_no_cache,usage_output_tokens,new"
    rows, reading = read_of("anthropic_usage_csv", headings, "2026-08-05,,,x", "soon,1,1,x", "2026-08-05,7.0,1.0,x")
    assert ([row["input_tokens"] for row in rows], len(reading.refused)) == ([7], 2)


@pytest.mark.parametrize("name", ["usage_report.json", "cost_report.json", "report.json"])
def test_an_empty_page_of_anthropic_is_known_by_its_name_alone(name):
    head = json.dumps(report())
    claimed = [source.name for source in sources.registry().values() if source.matches(Peek(name, head))]
    assert claimed == [f"anthropic_{name[:-5]}"][: name != "report.json"]


# --- OpenAI: bare answers -----------------------------------------------------------------------


def test_p1_p2_p3_bare_answers_hold_cache_and_reasoning_inside_their_counts():
    rows, reading = read_file(SAMPLES / "openai_objects" / "answers.jsonl")
    names = (*COUNTS, "reasoning_tokens")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1_500, 1_280, None, None, 30, 0),
        (4_000, 2_500, 1_000, 200, 700, 512),
    ]
    assert [row["service_tier"] for row in rows] == ["standard", "flex"]
    assert [(row["endpoint"], row["team"], row["duration_ms"]) for row in rows] == [
        ("/pickup", "quay", None),
        (None, None, 12_500),
    ]
    assert reading.not_calls == {"unfinished answer": 1, "error without a time": 1}


def test_a_page_of_stored_completions_is_as_many_calls_as_it_lists():
    rows, reading = read_file(SAMPLES / "openai_objects" / "stored_completions_page.json")
    assert [(row["provider_id"], row["input_tokens"], row["endpoint"]) for row in rows] == [
        ("chatcmpl-quay8", 40, "/opening-hours"),
        ("chatcmpl-quay9", 42, "/opening-hours"),
    ]
    assert reading.rows_read == 2


def test_answers_of_a_page_that_have_no_ids_are_different_calls(read_of):
    bare = {name: value for name, value in chat_body().items() if name != "id"}
    page = {"object": "list", "data": [bare, bare, bare]}
    rows, reading = read_of("openai_objects", page, page, bare, {"object": "list", "data": []})
    assert len({row["call_key"] for row in rows}) == len(rows) == 7
    assert reading.not_calls == {"empty page": 1}


def test_p13_an_answer_that_was_polled_until_it_was_done_is_one_call(tmp_path):
    done = {"id": "resp_1", "object": "response", "created_at": 1790931660, "model": "gpt-5", "status": "completed"}
    done |= {"usage": {"input_tokens": 9, "output_tokens": 3}}
    waiting = {**done, "status": "in_progress", "usage": None}
    path = tmp_path / "polled.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in (waiting, waiting, done, done)), "utf-8")
    rows, reading = read_file(path)
    assert (reading.source, reading.not_calls) == ("openai_objects", {"unfinished answer": 2})
    assert len({row["call_key"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("model", "marks", "provider"),
    [
        ("gpt-5-2025-08-07", {}, "openai"),
        ("ft:gpt-4o-mini-2024-07-18:quay::x", {}, "openai"),
        ("o3", {}, "openai"),
        ("gpt-4o", {"prompt_filter_results": []}, "azure.ai.openai"),
        ("deepseek-chat", {}, None),
        ("gpt-oss-120b", {}, None),
        ("olmo-2", {}, None),
    ],
)
def test_who_answered_is_said_only_where_the_answer_shows_it(read_of, model, marks, provider):
    [row], _ = read_of("openai_objects", chat_body(model=model, **marks))
    assert (row["provider"], row["response_model"]) == (provider, model)


@pytest.mark.parametrize(
    "bad", [{"created": None}, {"created": "noon"}, {"model": None}, {"usage": None, "choices": None}]
)
def test_a_bare_answer_that_cannot_be_placed_is_refused_and_the_next_one_is_kept(read_of, bad):
    rows, reading = read_of("openai_objects", chat_body(**bad), chat_body(2, usage="lost", metadata=[], new={}))
    assert ([row["provider_id"] for row in rows], len(reading.refused)) == (["chatcmpl-2"], 1)


@pytest.mark.parametrize(
    "record",
    [
        {**chat_body(), "timestamp": "2026-10-01"},
        {**chat_body(), "provider": "OpenRouter"},
        {"timestamp": "2026-10-01", "response": chat_body()},
        batch_line(chat_body()),
        {"object": "page", "data": [{"object": "bucket", "results": []}]},
        {"object": "list", "data": [{"object": "batch"}]},
        {**chat_body(), "object": "chat.completion.chunk"},
    ],
)
def test_a_bare_answer_inside_anything_else_is_not_taken_for_one(record):
    assert not sources.by_name("openai_objects").matches(Peek("x.jsonl", json.dumps(record)))


# --- Anthropic: Claude Code report --------------------------------------------------------------


def day(model_breakdown, **fields):
    actor = {"type": "user_actor", "email_address": "a@quay.example"}
    return {"date": "2026-10-01T00:00:00Z", "actor": actor, "model_breakdown": model_breakdown, **fields}


def used(model="claude-opus-5", **tokens):
    return {"model": model, "tokens": {"input": 5, "output": 1, **tokens}}


def test_p1_input_of_the_claude_code_report_is_the_rest_and_what_was_read_and_written():
    path = SAMPLES / "anthropic_claude_code_report" / "claude_code_2026-10-01.json"
    rows, reading = read_file(path)
    assert [tuple(row[name] for name in COUNTS) for row in rows] == [
        (5_000 + 800 + 64_000, 64_000, 800, None, 2_100),
        (900, 0, 0, None, 50),
        (300, 0, 0, None, 20),
    ]
    assert [(row["user_id"], row["api_key_id"]) for row in rows] == [
        ("mara@quayside.example", None),
        ("mara@quayside.example", None),
        (None, "quay-ci"),
    ]
    assert reading.not_calls == {"day without model calls": 1}


def test_p13_a_day_of_the_claude_code_report_has_one_id_a_person_terminal_and_model(read_of):
    name = "anthropic_claude_code_report"
    page = {"data": [day([used(), used("claude-sonnet-5-5")]), day([used()], terminal_type="vscode")]}
    rows, reading = read_of(name, page, {"data": []})
    [again], _ = read_of(name, day([used(output=7)]))
    assert len({row["usage_id"] for row in rows}) == 3
    assert again["usage_id"] == rows[0]["usage_id"]
    assert reading.not_calls == {"empty page": 1}


@pytest.mark.parametrize("bad", [day(None), day("x"), day([used()], date="soon"), day([{"model": "m"}]), day([7]), 5])
def test_a_day_of_the_claude_code_report_nobody_can_read_is_refused_and_the_next_is_kept(read_of, bad):
    page = {"data": [bad, day([used()], actor="someone", new=1)]}
    rows, reading = read_of("anthropic_claude_code_report", page)
    assert ([row["input_tokens"] for row in rows], len(reading.refused)) == ([5], 1)
