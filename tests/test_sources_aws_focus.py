"""Exports of AWS, and FOCUS bills: every trap that they meet has its sum worked by hand, and no record is lost."""

from __future__ import annotations

import csv
import json
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_sources import claims, counts, read_file

from llmaudit import pipeline
from llmaudit.config import AuditConfig
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

SAMPLES = Path(__file__).parent / "data" / "sources"
OURS = (
    "bedrock_batch",
    "bedrock_invocations",
    "bedrock_invocations_csv",
    "aws_cur",
    "aws_cur_parquet",
    "aws_cost_explorer_csv",
    "focus",
    "focus_parquet",
)


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


# --- Bedrock's batch results ----------------------------------------------------------------------

JOB = {"jobArn": "arn:aws:bedrock:eu-west-1:1:model-invocation-job/j", "modelId": "amazon.nova-lite-v1:0", "submitTime": "2026-10-07T20:00:00Z"}  # fmt: skip


def test_p11_every_result_of_a_batch_is_at_the_batch_tier_and_the_cache_is_added_to_its_input():
    rows, reading = read_file(SAMPLES / "bedrock_batch" / "letters.jsonl.out")
    assert {row["service_tier"] for row in rows} == {"batch"}
    assert [(row["status"], *counts(row)) for row in rows] == [
        ("ok", 30, None, None, 4),
        ("ok", 12 + 100, 100, None, 5),
        ("error", None, None, None, None),
    ]
    assert reading.not_calls == {"batch job": 1}


def test_a_batch_takes_its_time_from_its_job_and_is_held_back_without_one(reads):
    usage = {"inputTokens": 9, "outputTokens": 3}
    result = {
        "recordId": "1",
        "modelInput": {"messages": []},
        "modelOutput": {"usage": usage, "stopReason": "end_turn"},
    }
    failed = {"recordId": "2", "modelInput": {"messages": []}, "error": {"errorCode": 400}}
    [row] = reads("bedrock_batch", JOB, result)[0]
    assert (row["started_at"].hour, row["request_model"], *counts(row)) == (20, "amazon.nova-lite-v1:0", 9, None, None, 3)  # fmt: skip
    _, reading = reads("bedrock_batch", result, failed)
    assert [refused.reason[:7] for refused in reading.refused] == ["no time"]
    assert reading.not_calls == {"refused batch record without a time": 1}


# --- AWS's cost and usage report ------------------------------------------------------------------


def line(usage_type="EUW1-NovaLite-input-tokens", unit="1K tokens", cost="1", **row):
    return {
        "bill_payer_account_id": "110000000011",
        "line_item_usage_account_id": "210987654321",
        "line_item_usage_start_date": "2026-10-07T00:00:00.000Z",
        "line_item_usage_end_date": "2026-10-08T00:00:00.000Z",
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "AmazonBedrock",
        "product_servicename": "Amazon Bedrock",
        "line_item_usage_type": usage_type,
        "line_item_usage_amount": "2.5",
        "pricing_unit": unit,
        "line_item_unblended_cost": cost,
        "line_item_currency_code": "USD",
        **row,
    }


@pytest.mark.parametrize(
    ("usage_type", "model", "token_class", "tier"),
    [
        ("USE1-Claude3Haiku-input-tokens", "Claude3Haiku", "input", None),
        ("USE1-NovaLite-output-tokens-batch", "NovaLite", "output", "batch"),
        ("USE1-NovaPro-input-tokens-flex", "NovaPro", "input", "flex"),
        ("USE1-NovaPro-output-tokens-priority", "NovaPro", "output", "priority"),
        ("USE1-Claude3.5Haiku-output-tokens-latency-optimized", "Claude3.5Haiku", "output", "latency_optimized"),
        ("USE1-TitanEmbeddingsG1-Text-input-tokens", "TitanEmbeddingsG1-Text", "input", None),
        ("USW2-Claude4.5Sonnet-cache-write-input-token-count", "Claude4.5Sonnet", "cache_write", None),
        ("USW2-Claude4.5Sonnet-cache-write-input-token-count-1h", "Claude4.5Sonnet", "cache_write_long", None),
        ("USW2-Claude4.5Sonnet-cache-read-input-token-count", "Claude4.5Sonnet", "cache_read", None),
        ("USE1-Claude4.5Sonnet-input-tokens-cross-region-global", "Claude4.5Sonnet", "input", None),
        ("USE1-anthropic.claude-opus-5-5-mantle-output-tokens-global-standard", "anthropic.claude-opus-5-5", "output", "standard"),
        ("USE1-moonshotai.kimi-k3-mantle-cache-read-tokens-standard", "moonshotai.kimi-k3", "cache_read", "standard"),
        ("USE1-moonshotai.kimi-k3-mantle-cache-write-tokens-1h-standard", "moonshotai.kimi-k3", "cache_write_long", "standard"),
        ("USE1-anthropic.claude-opus-5-5-reserved-1-month-input-tokens-per-minute", "anthropic.claude-opus-5-5", None, None),
        ("USE1-MP:USE1_InputTokenCount-Units", "Claude Opus 4.6", "input", None),
        ("USE1-MP:USE1_OutputTokenCount_LCtx-Units", "Claude Opus 4.6", "output", None),
        ("USE1-MP:USE1_CacheReadInputTokenCount_Global-Units", "Claude Opus 4.6", "cache_read", None),
        ("USE1-MP:USE1_CacheWriteInputTokenCount-Units", "Claude Opus 4.6", "cache_write", None),
        ("USE1-MP:USE1_CacheWrite1hInputTokenCount-Units", "Claude Opus 4.6", "cache_write_long", None),
        ("USE1-MP:USE1_InputTokenCount_Global_Batch-Units", "Claude Opus 4.6", "input", "batch"),
        ("USE1-MP:USE1_cache_write_tokens_1h_global_standard-Units", "Claude Opus 4.6", "cache_write_long", "standard"),
        ("USE1-MP:USE1_input_tokens_batch-Units", "Claude Opus 4.6", "input", "batch"),
        ("USE1-MP:USE1_ProvisionedThroughput_1MonthCommit_ModelUnits_Usage-Units", "Claude Opus 4.6", None, None),
    ],
)  # fmt: skip
def test_p6_p14_a_usage_type_says_class_tier_and_model_and_input_comes_last(
    reads_table, usage_type, model, token_class, tier
):
    service = "Claude Opus 4.6 (Amazon Bedrock Edition)" if "MP:" in usage_type else "Amazon Bedrock"
    [row] = reads_table("aws_cur", line(usage_type, product_servicename=service))[0]
    assert (row["model"], row["token_class"], row["service_tier"]) == (model, token_class, tier)


@pytest.mark.parametrize(
    ("usage_type", "unit", "quantity", "base"),
    [
        ("USE1-NovaLite-input-tokens", "1K tokens", 2_500, "tokens"),
        ("USE1-NovaLite-input-tokens", "1M tokens", 2_500_000, "tokens"),
        ("USE1-NovaLite-input-tokens", "Tokens", Decimal("2.5"), "tokens"),
        ("USE1-NovaLite-input-tokens", "", 2_500, "tokens"),
        ("USE1-NovaLite-input-tokens", "Things", None, "tokens"),
        ("USE1-MP:USE1_InputTokenCount-Units", "1M tokens", 2_500_000, "tokens"),
        ("USE1-MP:USE1_InputTokenCount-Units", "Units", 2_500_000, "tokens"),
        ("USE1-Guardrail-Units", "1K text units", 2_500, "text units"),
        ("USE1-NovaLite-ProvisionedThroughput", "Hrs", Decimal("2.5"), "hrs"),
    ],
)
def test_p5_an_amount_counts_blocks_of_the_unit_column_else_of_its_kind_of_usage_type(
    reads_table, usage_type, unit, quantity, base
):
    [row] = reads_table("aws_cur", line(usage_type, unit))[0]
    assert (row["quantity"], row["quantity_unit"]) == (quantity, base)


def test_p1_the_lines_of_a_bill_are_disjoint_and_credits_and_tax_stand_apart():
    rows, reading = read_file(SAMPLES / "aws_cur" / "harbor-cur2-00001.csv")
    usage = [row for row in rows if row["charge_category"] == "Usage"]
    classic = Decimal("0.072") + Decimal("0.09015") + Decimal("0.15") + Decimal("0.012")
    market = Decimal("13.5") + Decimal("0.6") + Decimal("1.875")
    assert sum(row["billed_cost"] for row in usage) == classic + market + Decimal("0.1") + Decimal("0.006")
    assert sum(row["quantity"] for row in usage if row["token_class"] == "cache_read") == 300_500 + 2_000_000
    apart = [(row["charge_category"], row["billed_cost"], row["model"], row["quantity"]) for row in rows[-2:]]
    assert apart == [("Credit", Decimal("-0.05"), None, None), ("Tax", Decimal("3.1"), None, None)]
    assert reading.not_calls == {"another AWS service": 1}
    assert [refused.reason for refused in reading.refused] == ["no readable unblended cost: n/a"]


def test_p13_a_month_delivered_again_has_the_same_ids_though_line_ids_changed(reads_table):
    first, _ = reads_table("aws_cur", line(identity_line_item_id="a"), line(), line(line_item_resource_id="arn:x/y"))
    again, _ = reads_table("aws_cur", line(identity_line_item_id="b", cost="7"), line(), line(line_item_resource_id="arn:x/y"))  # fmt: skip
    assert {row["charge_id"] for row in first} == {row["charge_id"] for row in again}
    assert len({row["charge_id"] for row in first}) == 3


def test_a_product_of_the_marketplace_is_known_by_its_name_its_line_or_its_usage_type(reads_table):
    market = {"product_servicename": "", "line_item_product_code": "5x7q2w9e1r3t", "pricing_unit": "1M tokens"}
    opus = "AWS Marketplace software usage|us-east-1|Claude Opus 4.6 (Amazon Bedrock Edition)"
    usage_type = "USE1-MP:USE1_CacheReadInputTokenCount-Units"
    rows, reading = reads_table(
        "aws_cur",
        line(usage_type, **market, product_product_name="Claude Opus 4.6 (Amazon Bedrock Edition)"),
        line(usage_type, **market, line_item_line_item_description=opus),
        line(usage_type, **market),
        line("USE1-BoxUsage:m5.large", "Hrs", **market | {"line_item_product_code": "AmazonEC2"}),
    )
    assert [(row["model"], row["token_class"]) for row in rows] == [
        ("Claude Opus 4.6", "cache_read"),
        ("Claude Opus 4.6", "cache_read"),
        (None, "cache_read"),
    ]
    assert reading.not_calls == {"another AWS service": 1}


def billed_in(tmp_path, *runs):
    """Billed dollars once each run took in its files (name -> rows of a cost and usage report)."""
    tmp_path.mkdir(exist_ok=True)
    lake = tmp_path / "lake"
    for files in runs:
        for name, rows in files.items():
            with (tmp_path / name).open("w", newline="", encoding="utf-8") as out:
                table = csv.DictWriter(out, list(rows[0]))
                table.writeheader()
                table.writerows(rows)
        ended = pipeline.run(AuditConfig(paths=tuple(str(tmp_path / name) for name in files), lake=lake))
        [bill] = ended.report["bills"]
        ended.close()
    return bill["billed"]


OUTPUT = "EUW1-NovaLite-output-tokens"


def test_p13_a_correction_that_lowers_a_line_counts_where_it_came_later(tmp_path):
    first, corrected = [line(cost="5"), line(OUTPUT, cost="2")], [line(cost="3.5"), line(OUTPUT, cost="2")]
    assert billed_in(tmp_path / "a", {"cur-2026-11-01.csv": first, "cur-2026-11-04.csv": corrected}) == Decimal("5.5")
    assert billed_in(tmp_path / "b", {"zulu.csv": first}, {"alfa.csv": corrected}) == Decimal("5.5")


@pytest.mark.slow
def test_p13_an_unfinished_month_never_wins_over_a_later_one_whatever_the_order(tmp_path):
    late = {"line_item_usage_start_date": "2026-10-09T00:00:00Z", "line_item_usage_end_date": "2026-10-10T00:00:00Z"}
    unfinished = [line(cost="1"), line(OUTPUT, cost="2")]
    whole = [line(cost="4"), line(OUTPUT, cost="2"), line(cost="8", **late)]
    by_name = {"cur-9.csv": unfinished, "cur-1.csv": whole}
    assert billed_in(tmp_path / "a", by_name) == 4 + 2 + 8
    assert billed_in(tmp_path / "b", {"whole.csv": whole}, {"old.csv": unfinished}) == 4 + 2 + 8


def test_the_parts_of_one_delivery_add_up(tmp_path):
    parts = {"cur-00001.csv": [line(cost="5")], "cur-00002.csv": [line(OUTPUT, cost="1"), line(cost="2", pricing_unit="1M tokens")]}  # fmt: skip
    assert billed_in(tmp_path, parts) == 5 + 1 + 2


def test_the_legacy_report_is_read_under_its_own_headings(reads_table):
    legacy = {
        "lineItem/UsageAccountId": "210987654321",
        "lineItem/UsageStartDate": "2026-10-07T00:00:00Z",
        "lineItem/UsageEndDate": "2026-10-08T00:00:00Z",
        "lineItem/LineItemType": "Usage",
        "lineItem/ProductCode": "AmazonBedrock",
        "lineItem/UsageType": "EUW1-NovaLite-input-tokens",
        "lineItem/UsageAmount": "2.5",
        "lineItem/UnblendedCost": "1.5E-4",
        "lineItem/CurrencyCode": "USD",
        "pricing/unit": "1K tokens",
    }
    [row] = reads_table("aws_cur", legacy)[0]
    assert (row["billed_cost"], row["quantity"], row["account_id"]) == (Decimal("0.00015"), 2_500, "210987654321")


def test_a_parquet_report_says_what_the_csv_says():
    csv_rows, _ = read_file(SAMPLES / "aws_cur" / "harbor-cur2-00001.csv")
    parquet_rows, _ = read_file(SAMPLES / "aws_cur_parquet" / "harbor-cur2-00001.snappy.parquet")
    same = ("charge_period_start", "charge_period_end", "model", "token_class", "quantity", "billed_cost", "user_id")
    assert [[row[name] for name in same] for row in parquet_rows] == [[row[name] for name in same] for row in csv_rows[:5]]  # fmt: skip


# --- AWS's Cost Explorer --------------------------------------------------------------------------


def test_p9_the_totals_of_cost_explorer_are_no_charges_and_other_services_are_not_ours():
    rows, reading = read_file(SAMPLES / "aws_cost_explorer_csv" / "costs-by-usage-type.csv")
    assert sum(row["billed_cost"] for row in rows) == Decimal("0.09") + Decimal("0.09015") + Decimal("0.072") + Decimal(
        "13.5"
    )
    assert [(row["model"], row["token_class"]) for row in rows[:2]] == [
        ("NovaLite", "input"),
        ("Claude4.5Sonnet", "cache_read"),
    ]
    # a row of four groups and their total, and the total of each day
    assert reading.not_calls == {"total of Cost Explorer": 5 + 2, "no cost in the period": 1, "another AWS service": 2}


@pytest.mark.parametrize(
    ("table", "billed"),
    [
        ('"Service","Amazon Bedrock($)","Amazon EC2($)","Total costs($)"\n"Service total","3","9","12"\n"2026-10-06","1","4","5"\n"2026-10-07","2","5","7"\n', 1 + 2),
        ('"Service","2026-10-06","2026-10-07","Service total"\n"Total costs","5","7","12"\n"Amazon Bedrock($)","$1,001.00","2","1003"\n"Amazon EC2($)","4","5","9"\n', 1_001 + 2),
    ],
    ids=["days below one another", "days side by side"],
)  # fmt: skip
def test_both_ways_of_the_pivot_are_read(tmp_path, table, billed):
    path = tmp_path / "costs.csv"
    path.write_text(table)
    assert claims(path) == ["aws_cost_explorer_csv"]
    rows, _ = read_file(path)
    assert sum(row["billed_cost"] for row in rows) == billed
    assert [row["charge_period_start"].day for row in rows] == [6, 7]


def test_months_and_days_are_told_by_their_dates_and_quantities_are_no_costs(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        '"Service","Amazon Bedrock($)","Amazon Bedrock(Tokens)","Total costs($)"\n"2026-10-01","3","900","3"\n"2026-11-01","4","700","4"\n'
    )
    rows, reading = read_file(path)
    assert [(str(row["charge_period_end"].date()), row["billed_cost"]) for row in rows] == [
        ("2026-11-01", 3),
        ("2026-12-01", 4),
    ]
    assert reading.not_calls["quantity without a cost"] == 2


def test_a_grouping_that_names_no_service_is_not_guessed_to_be_bedrock(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text('"Linked account","prod($)","Total costs($)"\n"2026-10-06","3","3"\n')
    rows, reading = read_file(path)
    assert rows == []
    assert [refused.reason for refused in reading.refused] == ["grouped by Linked account: nothing says which service it is. Group by service or usage type"]  # fmt: skip


# --- FOCUS ----------------------------------------------------------------------------------------


def charge(cost="1", **row):
    return {
        "BilledCost": cost,
        "BillingAccountId": "b-1",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "BillingPeriodEnd": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": "2026-10-05T00:00:00Z",
        "ChargePeriodEnd": "2026-10-06T00:00:00Z",
        "ServiceName": "Model API",
        "ServiceCategory": "AI and Machine Learning",
        **row,
    }


def test_p15_billed_and_accrued_stand_apart_and_each_sums_by_itself():
    rows, reading = read_file(SAMPLES / "focus" / "harbor-focus-1-4.csv")
    tokens = Decimal("0.15") + Decimal("0.015") + Decimal("13.5") - Decimal("0.75")
    assert sum(row["billed_cost"] for row in rows) == tokens + 90 - 2
    assert sum(row["effective_cost"] for row in rows) == tokens + 3 - 2
    assert sum(row["quantity"] for row in rows if row["quantity_unit"] == "tokens") == 2_500_000 + 500_000 + 900_000 - 50_000  # fmt: skip
    assert reading.not_calls == {"another service": 1, "FOCUS tax that names no model service": 1}
    assert [refused.reason for refused in reading.refused] == ["no readable BilledCost: free"]


@pytest.mark.parametrize(
    ("consumed", "consumed_unit", "priced", "priced_unit", "quantity", "unit"),
    [
        ("1200000", "Tokens", "1200", "1000 Tokens", 1_200_000, "tokens"),
        ("1200", "1K tokens", "1.2", "1M Tokens", 1_200_000, "tokens"),
        ("", "", "1200", "1000 Tokens", 1_200_000, "tokens"),
        ("", "", "1.2", "1000000 Tokens", 1_200_000, "tokens"),
        ("7", "Requests", "7", "Requests", 7, "requests"),
        ("7", "Units", "7", "Units", None, None),
        ("7", "1K", "7", "1K", None, None),
        ("1.5E+2", "Token", "150", "Token", 150, "tokens"),
    ],
)
def test_p5_tokens_are_one_amount_in_two_units_and_an_opaque_unit_leaves_them_unknown(
    reads_table, consumed, consumed_unit, priced, priced_unit, quantity, unit
):
    row = charge(ConsumedQuantity=consumed, ConsumedUnit=consumed_unit, PricingQuantity=priced, PricingUnit=priced_unit)
    [got] = reads_table("focus", row)[0]
    assert (got["quantity"], got["quantity_unit"]) == (quantity, unit)


def test_a_token_of_a_virtual_currency_is_a_credit(reads_table):
    bought = charge("200", ChargeCategory="Purchase", EffectiveCost="0", PricingQuantity="100", PricingUnit="Token")
    spent = charge("0", EffectiveCost="20", PricingCurrency="Token", PricingQuantity="10", PricingUnit="Token",
                   ConsumedQuantity="10", ConsumedUnit="Token", PricingCurrencyEffectiveCost="10")  # fmt: skip
    rows, _ = reads_table("focus", bought, spent)
    assert [(row["billed_cost"], row["effective_cost"], row["quantity"]) for row in rows] == [(200, 0, None), (0, 20, None)]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "model", "token_class"),
    [
        ({"SkuMeter": "model-a cached input tokens"}, "model-a", "cache_read"),
        ({"SkuMeter": "model-a cache write tokens 1h"}, "model-a", "cache_write_long"),
        ({"SkuMeter": "model-a cache write tokens"}, "model-a", "cache_write"),
        ({"SkuMeter": "gpt 4o 1120 Outp glbl Tokens"}, "gpt 4o 1120", "output"),
        ({"SkuMeter": "Tokens", "ChargeDescription": "model-a input tokens"}, "model-a", "input"),
        ({"SkuMeter": "Input tokens", "x_Model": "model-b"}, "model-b", "input"),
        ({"SkuMeter": "Tokens", "x_TokenType": "cache_read"}, None, "cache_read"),
        ({"x_UsageType": "USE1-MP:USE1_CacheReadInputTokenCount-Units"}, None, "cache_read"),
    ],
)
def test_p6_class_and_model_are_in_words_and_those_of_the_cache_come_first(reads_table, words, model, token_class):
    [row] = reads_table("focus", charge(ConsumedQuantity="5", ConsumedUnit="Tokens", **words))[0]
    assert (row["model"], row["token_class"]) == (model, token_class)


@pytest.mark.parametrize("unit", ["Hours", "Token-Hours", "token hours"])
def test_p10_the_storage_of_a_cache_is_a_class_of_its_own_and_its_hours_are_no_tokens(reads_table, unit):
    words = {"SkuMeter": "gemini 2.5 pro Caching Storage", "ConsumedQuantity": "5000", "ConsumedUnit": unit}
    [row] = reads_table("focus", charge(**words))[0]
    assert (row["model"], row["token_class"], row["quantity"]) == ("gemini 2.5 pro", "cache_storage", 5_000)
    assert row["quantity_unit"] == unit.lower()


def test_p13_a_period_delivered_again_has_the_same_ids_and_equal_rows_of_one_file_stay_two(reads_table):
    first, _ = reads_table("focus", charge(), charge(), charge(ChargeClass="Correction"), charge(Tags='{"a":"b"}'))
    again, _ = reads_table("focus", charge("9"), charge(), charge(ChargeClass="Correction"), charge(Tags='{"a":"b"}'))
    assert {row["charge_id"] for row in first} == {row["charge_id"] for row in again}
    assert len({row["charge_id"] for row in first}) == 4


@pytest.mark.parametrize(
    ("start", "period", "read"),
    [
        ("2026-10-05T00:00Z", ("2026-10-01T00:00Z", "2026-11-01T00:00Z"), "2026-10-05"),
        ("2026-10-05", ("2026-10-01", "2026-11-01"), "2026-10-05"),
        ("10/5/26", ("10/1/26", "11/1/26"), "2026-10-05"),
        ("5/10/2026", ("1/10/2026", "1/11/2026"), "2026-10-05"),
        ("5/10/2026", ("", ""), None),
    ],
)
def test_p15_the_billing_period_tells_the_order_of_day_and_month_else_it_is_not_guessed(
    reads_table, start, period, read
):
    row = charge(ChargePeriodStart=start, BillingPeriodStart=period[0], BillingPeriodEnd=period[1])
    rows, reading = reads_table("focus", row)
    assert [str(got["charge_period_start"].date()) for got in rows] == ([read] if read else [])
    assert len(reading.refused) == (read is None)


def test_taxes_of_a_bill_that_has_only_models_are_a_part_of_it(reads_table):
    tax = charge("0.2", ChargeCategory="Tax", ServiceName="Tax", ServiceCategory="Other")
    machine = charge("5", ServiceName="Amazon EC2", ServiceCategory="Compute")
    assert sum(row["billed_cost"] for row in reads_table("focus", charge(), tax)[0]) == Decimal("1.2")
    assert sum(row["billed_cost"] for row in reads_table("focus", charge(), tax, machine)[0]) == 1


def test_headings_of_both_generations_and_in_any_case_are_read_and_null_is_no_word(reads_table):
    old = charge(ProviderName="Microsoft", RegionId="NULL", SkuMeter="null")
    [row] = reads_table("focus", {name.lower(): cell for name, cell in old.items()})[0]
    assert (row["provider"], row["region"], row["billed_cost"]) == ("azure.ai.openai", None, 1)


def test_a_parquet_bill_says_what_the_csv_says_in_the_same_words():
    csv_rows, _ = read_file(SAMPLES / "focus" / "harbor-focus-1-4.csv")
    parquet_rows, _ = read_file(SAMPLES / "focus_parquet" / "harbor-focus-00001.snappy.parquet")
    same = ("charge_period_start", "charge_period_end", "model", "token_class", "quantity", "billed_cost", "provider")
    assert [[row[name] for name in same] for row in parquet_rows] == [[row[name] for name in same] for row in csv_rows[:3]]  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "source", "spelled"),
    [
        ("aws_cur_parquet/harbor-cur2-00001.snappy.parquet", "aws_cur_parquet", str.lower),
        ("focus_parquet/harbor-focus-00001.snappy.parquet", "focus_parquet", str.lower),
        ("focus_parquet/harbor-focus-00001.snappy.parquet", "focus_parquet", str.upper),
        ("gcp_billing_parquet/export-000000000000.parquet", "gcp_billing_parquet", str.lower),
    ],
)
def test_a_parquet_file_is_known_by_its_columns_whatever_its_name_size_and_spelling(tmp_path, sample, source, spelled):
    table = pq.read_table(SAMPLES / sample)
    noise = pa.array([os.urandom(200_000) for _ in range(table.num_rows)])
    path = tmp_path / "000000000000.parquet"
    pq.write_table(
        table.rename_columns([spelled(name) for name in table.column_names]).append_column("noise", noise), path
    )
    assert claims(path) == [source]
    rows, reading = read_file(path)
    assert len(rows) + len(reading.refused) + sum(reading.not_calls.values()) == table.num_rows
    assert [row["billed_cost"] for row in rows] == [row["billed_cost"] for row in read_file(SAMPLES / sample)[0]]


def test_a_parquet_file_that_breaks_off_is_quarantined(tmp_path):
    path = tmp_path / "bill.parquet"
    path.write_bytes((SAMPLES / "focus_parquet" / "harbor-focus-00001.snappy.parquet").read_bytes()[:-300])
    assert claims(path) == []
    _, reading = read_file(path, "focus_parquet")
    assert [refused.reason[:20] for refused in reading.refused] == ["the file breaks off:"]


def test_google_rows_of_parquet_say_what_the_json_says(tmp_path):
    rows, _ = read_file(SAMPLES / "gcp_billing_parquet" / "export-000000000000.parquet")
    as_json, _ = read_file(SAMPLES / "gcp_billing" / "export.jsonl")
    same = ("charge_period_start", "model", "token_class", "quantity", "contracted_cost", "billed_cost")
    assert [[row[name] for name in same] for row in rows] == [[row[name] for name in same] for row in as_json]
    credit = pa.array([{"list": [{"element": {"amount": -0.05}}, {"element": {"amount": -0.02}}]}])
    table = pq.read_table(SAMPLES / "gcp_billing_parquet" / "export-000000000000.parquet").slice(0, 1)
    nested = table.set_column(table.column_names.index("credits"), "credits", credit)
    pq.write_table(nested, tmp_path / "x.parquet")
    assert read_file(tmp_path / "x.parquet")[0][0]["billed_cost"] == Decimal("0.2") - Decimal("0.05") - Decimal("0.02")
