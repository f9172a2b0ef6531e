"""Logs of a shape of their own: read by what llmaudit.toml says of them, and what is said wrongly is named."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from test_sources import counts, first_user

from llmaudit import config, pipeline, sources
from llmaudit.errors import AuditError
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest
from llmaudit.sources.reader import Reading, ReadOptions, read

NEEDED = {"started_at": "ts", "request_model": "model"}


@pytest.fixture
def rows_of(tmp_path):
    """Rows and reading of records (or the text of a table), through one mapping."""

    def rows(mapping, *records, named=False):
        source = sources.described({"own": {**NEEDED, **mapping}})["own"]
        path = tmp_path / "log.txt"
        text = records[0] if isinstance(records[0], str) else "".join(json.dumps(record) + "\n" for record in records)
        path.write_text(text, "utf-8")
        reading = Reading("own")
        options = ReadOptions(content_hash="h", named=named)
        got = [row for batch in read(source, path, reading, options) for row in batch.to_pylist()]
        assert reading.rows_read == len(got) + len(reading.refused)
        return got, reading

    return rows


CALL = {"ts": "2026-10-07T12:00:00Z", "model": "gpt-4o"}


def test_paths_lead_into_objects_lists_texts_of_json_and_keys_with_dots(rows_of):
    mapping = {"input_tokens": "usage.in", "output_tokens": "out[1].n", "team": "labels.team", "user_id": "gen.user", "endpoint": "app"}  # fmt: skip
    record = {**CALL, "usage": {"in": 120}, "out": [{"n": 1}, {"n": 48}], "labels": '{"team": "search"}', "gen.user": "mira", "app": "/ask"}  # fmt: skip
    [row] = rows_of(mapping, record)[0]
    assert counts(row) == (120, None, None, 48)
    assert (row["team"], row["user_id"], row["endpoint"], row["request_model"]) == ("search", "mira", "/ask", "gpt-4o")


def test_g5_g6_the_mapping_says_whether_the_cache_and_the_reasoning_lie_inside(rows_of):
    mapping = {"input_tokens": "i", "cache_read_tokens": "r", "cache_write_tokens": "w", "output_tokens": "o", "reasoning_tokens": "t"}  # fmt: skip
    record = {**CALL, "i": 1_000, "r": 400, "w": 100, "o": 50, "t": 30}
    [inside] = rows_of(mapping, record)[0]
    beside = {"input_includes_cache": False, "output_includes_reasoning": False}
    [apart] = rows_of(mapping | beside, record)[0]
    assert (*counts(inside), inside["reasoning_tokens"]) == (1_000, 400, 100, 50, 30)
    assert (*counts(apart), apart["reasoning_tokens"]) == (1_000 + 400 + 100, 400, 100, 50 + 30, 30)


def test_a_table_is_read_with_its_units_its_dates_and_its_texts(rows_of):
    mapping = {"format": "csv", "started_at": {"path": "When", "format": "%d/%m/%Y %H:%M"}, "request_model": "Model", "input_tokens": "Tokens in", "output_tokens": "Tokens out",
               "reported_cost_usd": {"path": "Cents", "times": 0.01}, "duration_ms": {"path": "Seconds", "times": 1000}, "provider": {"value": "openai"},
               "prompt_text": "Prompt", "output_text": "Answer"}  # fmt: skip
    table = 'When;Model;Tokens in;Tokens out;Cents;Seconds;Prompt;Answer\n20/11/2026 10:16;gpt-4o;"1,200";48;2.5;1.1;"a ""b"" c";Yes\n'
    [row] = rows_of(mapping, table)[0]
    assert (str(row["started_at"]), *counts(row)) == ("2026-11-20 10:16:00", 1_200, None, None, 48)
    assert (row["reported_cost_usd"], row["duration_ms"], row["provider"]) == (Decimal("0.025"), 1_100, "openai")
    assert (first_user(row), row["output_text"]) == ('a "b" c', "Yes")


def test_bodies_inside_a_wrapper_are_read_as_any_providers(rows_of):
    claude = {"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "hello"}],
              "usage": {"input_tokens": 40, "cache_creation_input_tokens": 512, "cache_read_input_tokens": 2_048, "output_tokens": 60}}  # fmt: skip
    stream = 'data: {"id":"c-1","choices":[{"delta":{"content":"hel"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":120,"completion_tokens":2}}\n\ndata: [DONE]\n'
    gemini = {"candidates": [{"content": {"parts": [{"text": "Yo"}]}}], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 4}}  # fmt: skip
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    records = [{**CALL, "req": asked, "resp": body} for body in (json.dumps(claude), stream, gemini)]
    rows, _ = rows_of({"request": "req", "response": "resp"}, *records)
    assert [counts(row) for row in rows] == [
        (40 + 512 + 2_048, 2_048, 512, 60),
        (120, None, None, 2),
        (9, None, None, 1 + 4),
    ]
    assert [(first_user(row), row["output_text"]) for row in rows] == [("hi", "hello"), ("hi", "hel"), ("hi", "Yo")]


def test_failures_are_known_by_their_status_or_their_error(rows_of):
    mapping = {"http_status": "code", "error_type": "err", "input_tokens": "n"}
    rows, _ = rows_of(mapping, {**CALL, "code": 429}, {**CALL, "err": "timeout"}, {**CALL, "code": 200, "n": 5})
    assert [row["status"] for row in rows] == ["error", "error", "ok"]
    assert rows[1]["error_type"] == "timeout"


def test_records_without_what_is_needed_are_quarantined_one_by_one(rows_of):
    rows, reading = rows_of(
        {"input_tokens": "n"}, {**CALL, "n": 5}, {"ts": "soon", "model": "m", "n": 5}, {"ts": CALL["ts"], "n": 5}
    )
    assert len(rows) == 1
    assert [refused.reason for refused in reading.refused] == ["no readable time in timestamp: soon", "no model in request, response or model"]  # fmt: skip


def test_a_path_that_is_nowhere_is_said_with_the_number_of_records(rows_of):
    _, reading = rows_of({"input_tokens": "usage.inn"}, {**CALL, "usage": {"in": 5}}, CALL)
    assert ("path_not_found", "[sources.own]: input_tokens = 'usage.inn' is in none of 2 records.") in reading.warnings


def test_a_named_file_in_which_no_time_is_where_it_should_be_is_an_error(rows_of):
    with pytest.raises(AuditError, match=r"\[sources.own\]: none of the 1 records has a time at 'when'"):
        rows_of({"started_at": "when"}, CALL, named=True)
    assert len(rows_of({"started_at": "when"}, CALL)[1].refused) == 1


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"own": {**NEEDED, "tokens_in": "x"}}, "No field in [sources.own] called 'tokens_in'. Known: account_id"),
        ({"own": {"request_model": "m"}}, '[sources.own] does not say where the time of a call stands. Add started_at = "path.to.it".'),
        ({"own": {"started_at": "t"}}, "[sources.own] does not say where the model stands. Add request_model"),
        ({"own": {**NEEDED, "team": 5}}, "[sources.own]: team = 5 should be a path"),
        ({"own": {**NEEDED, "team": {"path": "a", "value": "b"}}}, "[sources.own]: team needs either a path or a value."),
        ({"own": {**NEEDED, "team": {"way": "a"}}}, "No setting of team in [sources.own] called 'way'."),
        ({"own": {**NEEDED, "duration_ms": {"path": "a", "times": "k"}}}, "times = 'k' should be a number"),
        ({"own": {**NEEDED, "format": "xml"}}, "No format in [sources.own] called 'xml'. Known: csv, json, jsonl."),
        ({"own": {**NEEDED, "match": 3}}, "match = 3 should be a name with wildcards"),
        ({"own": {**NEEDED, "input_includes_cache": "no"}}, "input_includes_cache = 'no' should be true or false."),
        ({"own": "x"}, "sources.own = 'x' should be a table of fields: [sources.own]."),
        ({"codex": NEEDED}, "llmaudit has a source called codex already."),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_work_names_the_table_the_field_and_the_next_move(tables, said):
    with pytest.raises(AuditError) as raised:
        sources.described(tables)
    assert said in str(raised.value)


def test_a_file_is_known_by_its_name_before_anything_else_and_two_mappings_of_it_are_an_error(tmp_path):
    path = tmp_path / "checkout-1.jsonl"
    path.write_text('{"timestamp": "2026-10-07T12:00:00Z", "request": {"model": "m"}, "ts": 1}\n')
    own = sources.described({"checkout": {**NEEDED, "match": "checkout-*.jsonl"}})
    assert sources.identify(path).name == "plain_jsonl"
    assert sources.identify(path, str(path), own).name == "checkout"
    two = sources.described({name: {**NEEDED, "match": ["checkout-*"]} for name in ("a", "b")})
    with pytest.raises(AuditError, match="claimed by a and b"):
        sources.identify(path, str(path), two)


def test_a_mapping_can_be_named_where_it_matches_no_name(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({**CALL, "n": 5}) + "\n")
    lake = Lake.temporary(tmp_path / "lake")
    own = sources.described({"checkout": {**NEEDED, "input_tokens": "n"}})
    ingest(lake, [str(path)], spool=tmp_path, source="checkout", own=own)
    assert lake.ingests()["source"].to_list() == ["checkout"]
    with pytest.raises(AuditError, match="No source called 'checkoutt'"):
        ingest(lake, [str(path)], spool=tmp_path, source="checkoutt", own=own)


def test_an_audit_reads_what_its_config_file_maps(tmp_path):
    (tmp_path / "checkout-1.jsonl").write_text(json.dumps({**CALL, "app": "/pay", "in": 1_000_000, "out": 0}) + "\n")
    (tmp_path / "llmaudit.toml").write_text(
        '[sources.checkout]\nmatch = "checkout-*.jsonl"\nstarted_at = "ts"\nrequest_model = "model"\n'
        'input_tokens = "in"\noutput_tokens = "out"\nendpoint = "app"\nprovider = { value = "openai" }\n'
    )
    stated = config.load(tmp_path / "llmaudit.toml", paths=(str(tmp_path / "checkout-1.jsonl"),))
    run = pipeline.run(stated)
    run.close()
    assert [(row["key"], row["cost_usd"]) for row in run.report["spend"]["endpoint"]] == [("/pay", Decimal("2.5"))]
    assert [row["key"] for row in run.report["spend"]["source"]] == ["checkout"]
