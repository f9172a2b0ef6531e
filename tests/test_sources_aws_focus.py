"""Exports of AWS, and FOCUS bills: every trap that they meet has its sum worked by hand, and no record is lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_sources import claims, counts, read_file

from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

SAMPLES = Path(__file__).parent / "data" / "sources"
OURS = ("bedrock_invocations", "bedrock_invocations_csv")


@pytest.fixture
def reads(tmp_path):
    def read(source, *records):
        path = tmp_path / f"{source}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return read_file(path, source)

    return read


@pytest.fixture
def reads_table(tmp_path):
    def read(source, *rows):
        path = tmp_path / f"{source}.csv"
        with path.open("w", newline="", encoding="utf-8") as out:
            table = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
            table.writeheader()
            table.writerows(rows)
        return read_file(path, source)

    return read


# --- the whole family -----------------------------------------------------------------------------


@pytest.mark.parametrize("source", OURS)
def test_the_intake_law_holds_in_a_lake(tmp_path, source):
    lake = Lake.temporary(tmp_path / "lake")
    ingest(lake, sorted(str(path) for path in (SAMPLES / source).iterdir()), spool=tmp_path)
    for line in lake.ingests().iter_rows(named=True):
        told = line["rows_kept"] + line["rows_merged"] + line["rows_quarantined"]
        assert line["source"] == source
        assert line["rows_read"] == told + sum(json.loads(line["not_calls"]).values())
        assert line["rows_kept"] > 0


# --- Bedrock's invocation logs --------------------------------------------------------------------

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


def invocation(input_tokens=20, output_tokens=6, request=None, answer=None, **record):
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-10-07T09:00:00Z",
        "accountId": "210987654321",
        "identity": {"arn": "arn:aws:iam::210987654321:user/olaf"},
        "region": "eu-west-1",
        "requestId": "r-1",
        "operation": "InvokeModel",
        "modelId": MODEL,
        "input": {"inputTokenCount": input_tokens, "inputBodyJson": request, **record.pop("also", {})},
        "output": {"outputTokenCount": output_tokens, "outputBodyJson": answer},
        **record,
    }


def test_p1_bedrock_counts_the_cache_beside_the_input_in_the_log_and_in_converse(reads):
    in_log = invocation(3, 52, also={"cacheReadInputTokenCount": 100, "cacheWriteInputTokenCount": 24_479})
    usage = {"inputTokens": 3, "outputTokens": 52, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 24_479}
    in_answer = invocation(3, 52, answer={"usage": usage}, operation="Converse")
    on_top = invocation(3, 52, cacheReadInputTokenCount=100, cacheWriteInputTokenCount=24_479)
    without_counts = invocation(None, None, answer={"usage": usage}, operation="Converse")
    rows, _ = reads("bedrock_invocations", in_log, in_answer, on_top, without_counts)
    assert [counts(row) for row in rows] == [(3 + 100 + 24_479, 100, 24_479, 52)] * 4


def test_p2_the_lifetimes_of_a_cache_write_are_known_from_the_answer_only(reads):
    written = {"cacheWriteInputTokenCount": 1_400}
    details = [{"ttl": "5m", "inputTokens": 1_000}, {"ttl": "1h", "inputTokens": 400}]
    split = {"ephemeral_5m_input_tokens": 1_000, "ephemeral_1h_input_tokens": 400}
    claude = {"type": "message", "usage": {"input_tokens": 20, "cache_creation": split, "output_tokens": 6}}
    rows, _ = reads(
        "bedrock_invocations",
        invocation(also=written, answer={"usage": {"inputTokens": 20, "cacheDetails": details}}),
        invocation(also=written, answer=claude),
        invocation(also=written),
    )
    assert [(row["cache_write_tokens"], row["cache_write_long_tokens"]) for row in rows] == [
        (1_400, 400),
        (1_400, 400),
        (1_400, None),
    ]


def test_p8_a_claude_stream_is_added_up_and_its_last_count_is_that_of_the_log(reads):
    [row] = [
        row
        for row in read_file(SAMPLES / "bedrock_invocations" / "20261007T0900000000Z_5f1e.json")[0]
        if row["api_key_id"] == "BedrockAPIKey-x7k2"
    ]
    assert (*counts(row), row["output_text"]) == (11 + 60, 0, 60, 5, "Good morning.")
    assert (row["first_token_ms"], row["duration_ms"], row["stream"]) == (310, 900, True)
    assert row["user_id"] is None


def test_p13_a_call_in_s3_and_in_cloudwatch_is_one_call(tmp_path):
    lake = Lake.temporary(tmp_path / "lake")
    folders = [str(SAMPLES / "bedrock_invocations"), str(SAMPLES / "bedrock_invocations_csv")]
    ingest(lake, folders, spool=tmp_path)
    assert sum(line["rows_kept"] for line in lake.ingests().iter_rows(named=True)) == 12 + 2 + 2
    keys = {row["call_key"] for folder in folders for path in Path(folder).iterdir() for row in read_file(path)[0]}
    assert len(keys) == 12


@pytest.mark.parametrize(
    ("request_body", "answer", "said", "told"),
    [
        ({"prompt": "Hi"}, {"generation": "Yes", "stop_reason": "stop"}, "Hi", "Yes"),
        ({"prompt": "Hi"}, {"outputs": [{"text": "Yes", "stop_reason": "stop"}]}, "Hi", "Yes"),
        ({"prompt": "Hi"}, {"choices": [{"text": "Yes", "stop_reason": "stop"}]}, "Hi", "Yes"),
        ({"message": "Hi"}, {"text": "Yes", "finish_reason": "stop"}, "Hi", "Yes"),
        ({"prompt": "Hi"}, {"generations": [{"text": "Yes", "finish_reason": "stop"}]}, "Hi", "Yes"),
        ({"inputText": "Hi"}, {"results": [{"outputText": "Yes", "completionReason": "stop"}]}, "Hi", "Yes"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, {"output": {"message": {"content": [{"text": "Yes"}]}}, "stopReason": "stop"}, "Hi", "Yes"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]}, "Hi", "Yes"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, {"type": "message", "content": [{"type": "text", "text": "Yes"}], "stop_reason": "stop"}, "Hi", "Yes"),
        ({"inputText": "Hi"}, [{"outputText": "Y"}, {"outputText": "es", "completionReason": "stop"}], "Hi", "Yes"),
        ({}, [{"contentBlockDelta": {"delta": {"text": "Yes"}}}, {"messageStop": {"stopReason": "stop"}}, {"metadata": {"usage": {"inputTokens": 1}}}], None, "Yes"),
    ],
    ids=["llama", "mistral", "deepseek", "command-r", "command", "titan", "nova", "openai", "anthropic", "titan stream", "nova stream"],
)  # fmt: skip
def test_every_family_of_models_says_what_was_asked_and_answered(reads, request_body, answer, said, told):
    [row] = reads("bedrock_invocations", invocation(request=request_body, answer=answer))[0]
    assert (row["first_user"], row["output_text"], row["finish_reason"]) == (said, told, "stop")
    assert counts(row) == (20, None, None, 6)


def test_p14_a_profile_that_hides_its_model_keeps_its_arn_and_takes_the_model_of_the_answer(reads):
    arn = "arn:aws:bedrock:eu-west-1:210987654321:application-inference-profile/q1w2"
    claude = {"type": "message", "model": "claude-haiku-4-5-20251001", "usage": {"input_tokens": 20}}
    known = "arn:aws:bedrock:eu-west-1:210987654321:inference-profile/global.anthropic.claude-opus-4-7"
    rows, _ = reads("bedrock_invocations", invocation(modelId=arn, answer=claude), invocation(modelId=arn), invocation(modelId=known))  # fmt: skip
    assert [(row["request_model"], row["response_model"], row["deployment"]) for row in rows] == [
        (arn, "claude-haiku-4-5-20251001", "q1w2"),
        (arn, None, "q1w2"),
        ("global.anthropic.claude-opus-4-7", None, "global.anthropic.claude-opus-4-7"),
    ]


def test_p10_provisioned_throughput_is_not_metered(reads):
    arn = "arn:aws:bedrock:eu-west-1:210987654321:provisioned-model/a1b2"
    rows, _ = reads("bedrock_invocations", invocation(modelId=arn), invocation())
    assert [row["billing_mode"] for row in rows] == ["provisioned", "metered"]


@pytest.mark.parametrize(
    ("principal", "user", "key"),
    [
        ("iam::1:user/bots/olaf", "olaf", "olaf"),
        ("iam::1:user/BedrockAPIKey-x7k2", None, "BedrockAPIKey-x7k2"),
        ("sts::1:assumed-role/App/mira@harborpine.example", "mira@harborpine.example", "App"),
        ("sts::1:assumed-role/App/i-0a1b2c3d", None, "App"),
        ("sts::1:assumed-role/App/botocore-session-1790856000", None, "App"),
    ],
)
def test_the_identity_says_who_called_unless_software_made_the_name_up(reads, principal, user, key):
    [row] = reads("bedrock_invocations", invocation(identity={"arn": f"arn:aws:{principal}"}))[0]
    assert (row["user_id"], row["api_key_id"]) == (user, key)


def test_a_failure_without_counts_has_unknown_tokens_and_one_with_counts_keeps_them(reads):
    refused = invocation(0, None, errorCode="ThrottlingException")
    broken = invocation(500, 40, errorCode="ModelStreamErrorException")
    rows, _ = reads("bedrock_invocations", refused, broken)
    assert [(row["status"], row["error_type"], *counts(row)) for row in rows] == [
        ("error", "ThrottlingException", None, None, None, None),
        ("error", "ModelStreamErrorException", 500, None, None, 40),
    ]


def test_a_guardrail_that_stepped_in_counts_nothing_and_is_no_failure(reads):
    [row] = reads("bedrock_invocations", invocation(0, 0, answer={"stopReason": "guardrail_intervened"}))[0]
    assert (row["status"], row["finish_reason"], *counts(row)) == ("ok", "guardrail_intervened", 0, None, None, 0)


def test_marks_of_the_cache_do_not_make_another_prompt(reads):
    mark = {"cachePoint": {"type": "default"}}
    texts = [{"text": "a"}, {"text": "b"}]
    contents = [texts, [*texts, mark], [texts[0], mark, texts[1]], [mark, *texts]]
    bodies = [{"messages": [{"role": "user", "content": content}]} for content in contents]
    rows, _ = reads("bedrock_invocations", *(invocation(request=body) for body in bodies))
    assert len({tuple(row["messages"]) for row in rows}) == 1


def test_a_body_kept_apart_is_no_call_whatever_it_holds(tmp_path):
    path = tmp_path / "5c0ffee0-0000-4000-8000-000000000013_output.json"
    events = [{"type": "message_start"}, {"type": "message_stop"}]
    for body, read in (({"messages": []}, 1), ({"output": {"message": {}}, "stopReason": "end_turn"}, 1), (events, 2)):
        path.write_text(json.dumps(body))
        assert claims(path) == ["bedrock_invocations"]
        assert read_file(path)[1].not_calls == {"body that was kept apart": read}


def test_events_of_cloudwatch_hold_the_records_as_text_or_as_objects(reads):
    record = invocation()
    for page in (
        {"events": [{"message": json.dumps(record)}]},
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": json.dumps(record)}]},
        {"@timestamp": "2026-10-07 09:00:00.000", "@message": record},
        {"timestamp": 1_791_363_600_000, "message": json.dumps(record)},
    ):
        [row] = reads("bedrock_invocations", page)[0]
        assert (row["provider_id"], row["input_tokens"], row["started_at"].hour) == ("r-1", 20, 9)
    assert reads("bedrock_invocations", {"events": []})[1].not_calls == {"empty page": 1}


def test_a_field_that_changes_its_type_or_a_new_one_loses_no_record(reads):
    path = SAMPLES / "bedrock_invocations" / "20261007T0900000000Z_5f1e.json"
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    odd = [{name: [1, {"x": "y"}] if at % 2 else 7 for at, name in enumerate(record)} for record in records]
    new = [{**record, "brand_new": {"deep": [None]}} for record in records]
    few = [{name: value for name, value in record.items() if name not in ("input", "output")} for record in records]
    rows, reading = reads("bedrock_invocations", *odd, *new, *few)
    assert reading.rows_read == 3 * len(records)
    assert len(rows) >= 2 * 12
