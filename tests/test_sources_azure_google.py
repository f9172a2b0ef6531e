"""Exports of Azure and Google: every trap that they meet has its sum worked by hand, and no record is lost."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from test_sources import counts, read_file

import llmaudit
from llmaudit import sources
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

SAMPLES = Path(__file__).parent / "data" / "sources"
OURS = (
    "vertex_request_response",
    "gemini_objects",
    "vertex_batch",
    "azure_cost",
    "gcp_billing",
    "gcp_billing_csv",
    "azure_apim",
    "azure_diagnostics",
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
    assert (row["sample_rate"], row["tags"]) == (0.25, None)


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


# --- Azure's bill ---------------------------------------------------------------------------------


def meter(name="gpt 4o 1120 Inp glbl Tokens", unit="1K", cost="1", **row):
    return {
        "SubscriptionId": "s-1",
        "Date": "10/02/2026",
        "MeterId": name,
        "MeterCategory": "Azure OpenAI",
        "MeterName": name,
        "Quantity": "2.5",
        "UnitOfMeasure": unit,
        "CostInBillingCurrency": cost,
        "BillingCurrencyCode": "USD",
        "ChargeType": "Usage",
        **row,
    }


@pytest.mark.parametrize(
    ("name", "model", "token_class", "tier"),
    [
        ("gpt-4o-0806-Inp-glbl Tokens", "gpt-4o-0806", "input", None),
        ("gpt-4o-0806-Outp-glbl Tokens", "gpt-4o-0806", "output", None),
        ("gpt 4o 0513 Output global Tokens", "gpt-4o-0513", "output", None),
        ("gpt 4.5 0227 cached Inp DZone", "gpt-4.5-0227", "cache_read", None),
        ("gpt-35-turbo-4k-Input-regional", "gpt-35-turbo-4k", "input", None),
        ("gpt-4-8K-Batch-Inp-glbl Tokens", "gpt-4-8k", "input", "batch"),
        ("o3 mini 0131 cached input glbl", "o3-mini-0131", "cache_read", None),
        ("GPT 5 Mini cchd Inpt Glbl 1M Tokens", "gpt-5-mini", "cache_read", None),
        ("5.6 sol ShortCo Inp Std Gl 1M Tokens", "5.6-sol", "input", "standard"),
        ("5.6 sol LongCo Cd Wr PP DZ 1M Tokens", "5.6-sol", "cache_write", "priority"),
        ("56sol ShCo Cd Wr Fl Gl 1M Tokens", "56sol", "cache_write", "flex"),
        ("gpt4o mn trscb aud in gl 1215 1M Tokens", "gpt4o-mn-trscb", "input_audio", None),
        ("gpt-4o-mini-tts-aud-out-glbl", "gpt-4o-mini-tts", "output_audio", None),
        ("gpt 4.1 ft training Dz", None, None, None),
        ("Code-Interpreter-global Session", None, None, None),
        ("Provisioned Managed Global Unit", None, None, None),
        ("Assistants-File Search-glbl GB", None, None, None),
    ],
)
def test_p14_a_meter_says_class_tier_and_model_or_stays_untyped_money(reads_table, name, model, token_class, tier):
    [row] = reads_table("azure_cost", meter(name))[0]
    assert (row["model"], row["token_class"], row["service_tier"]) == (model, token_class, tier)
    assert row["billed_cost"] == 1


@pytest.mark.parametrize(
    ("unit", "quantity", "base"),
    [("1K", "2500", "tokens"), ("1M", "2500000", "tokens"), ("1M Tokens", "2500000", "tokens"), ("1000", "2500", "tokens"), ("10K", "25000", "tokens"),
     ("1", "2.5", "tokens"), ("1 Hour", "2.5", "hour"), ("100 Hours", "250", "hours"), ("per piece", None, "per piece")],
)  # fmt: skip
def test_p5_a_quantity_counts_blocks_of_its_own_unit_column(reads_table, unit, quantity, base):
    [row] = reads_table("azure_cost", meter(unit=unit))[0]
    assert (row["quantity"], row["quantity_unit"]) == (Decimal(quantity) if quantity else None, base)


@pytest.mark.parametrize("case", [str, str.lower, str.upper, lambda name: name[0].lower() + name[1:]])
def test_headings_are_read_in_any_case(reads_table, case):
    [row] = reads_table("azure_cost", {case(name): cell for name, cell in meter(cost="1E-05").items()})[0]
    assert (row["billed_cost"], row["billing_currency"], row["account_id"]) == (Decimal("0.00001"), "USD", "s-1")


def test_p1_p4_the_meters_of_a_day_are_disjoint_and_sum_in_their_own_currency():
    rows, reading = read_file(SAMPLES / "azure_cost" / "actual_mosp.csv")
    assert sum(row["billed_cost"] for row in rows) == Decimal("5.00125") + Decimal("0.5") + Decimal("1.5") + 360
    assert sum(row["quantity"] for row in rows if row["quantity_unit"] == "tokens") == 2_000_500 + 400_000 + 750_000
    assert {row["billing_currency"] for row in rows} == {"EUR"}
    assert reading.not_calls == {"another Azure service": 1}


def test_p15_the_month_comes_first_and_a_day_that_cannot_be_is_not_turned_around(reads_table):
    rows, reading = reads_table("azure_cost", meter(), meter(Date="2026-10-03"), meter(Date="31/10/2026"))
    assert [str(row["charge_period_start"].date()) for row in rows] == ["2026-10-02", "2026-10-03"]
    assert [refused.reason for refused in reading.refused] == ["no readable date, month first: 31/10/2026"]


def test_p7_what_a_reservation_covers_is_accrued_and_billed_once_as_a_purchase(reads_table):
    rows, _ = reads_table(
        "azure_cost",
        meter("Provisioned Managed Global Unit", "1 Hour", "30", ChargeType="Purchase", ReservationId="r"),
        meter("Provisioned Managed Global Unit", "1 Hour", "20", ReservationId="r"),
        meter("Provisioned Managed Global Unit", "1 Hour", "10", ChargeType="UnusedReservation", ReservationId="r"),
        meter("Provisioned Managed Global Unit", "1 Hour", "0", ReservationId="r", ResourceId="actual"),
    )
    assert [row["billed_cost"] for row in rows] == [30, 0, 0, 0]
    assert [row["effective_cost"] for row in rows] == [0, 20, 10, None]


def test_p13_a_month_delivered_again_has_the_same_ids_though_its_last_day_grew(reads_table):
    first = reads_table("azure_cost", meter(), meter("gpt 4o 1120 Outp glbl Tokens"), meter(Tags="x"))[0]
    again = reads_table("azure_cost", meter(cost="7"), meter("gpt 4o 1120 Outp glbl Tokens"), meter(Tags="x"))[0]
    assert [row["charge_id"] for row in first] == [row["charge_id"] for row in again]
    assert len({row["charge_id"] for row in first}) == 3


def test_what_cannot_be_read_as_money_is_quarantined(reads_table):
    reading = reads_table("azure_cost", meter(cost="n/a"), meter(cost=""))[1]
    assert [refused.reason for refused in reading.refused] == ["no readable cost: n/a", "no readable cost: missing"]


# --- Google's bill --------------------------------------------------------------------------------


GEMINI_API = {"id": "AEFD-7695-64FA", "description": "Gemini API"}
PROMO = {"name": "Promo", "amount": -0.05, "full_name": "Promo", "id": "p", "type": "PROMOTION"}
VOLUME = {"name": "Volume", "amount": -0.02, "full_name": "Volume", "id": "v", "type": "DISCOUNT"}


def line(sku="Generate content input token count gemini 2.5 flash short input text", **row):
    return {
        "billing_account_id": "01A",
        "service": GEMINI_API,
        "sku": {"id": "S", "description": sku},
        "usage_start_time": "2026-10-01T07:00:00Z",
        "usage_end_time": "2026-10-01T08:00:00Z",
        "project": {"id": "p-1"},
        "cost": 0.3,
        "currency": "USD",
        "usage": {"amount": 1_000_000.0, "unit": "count", "amount_in_pricing_units": 1.0, "pricing_unit": "million"},
        "credits": [],
        "export_time": "2026-10-02T12:00:00Z",
        **row,
    }


def without_credits(**row):
    return {name: value for name, value in line(**row).items() if name != "credits"}


def billed(rows):
    return sum(row["billed_cost"] for row in rows)


def test_p13_credits_are_taken_off_once():
    rows, _ = read_file(SAMPLES / "gcp_billing" / "export.jsonl")
    assert rows[0]["contracted_cost"] == Decimal("0.2")
    assert rows[0]["billed_cost"] == Decimal("0.2") - Decimal("0.05") - Decimal("0.02")
    rest = ("0.01", "1.25", "0.15", "0.9", "0.00003", "-0.00001")
    assert billed(rows) == Decimal("0.13") + sum(Decimal(cost) for cost in rest)


@pytest.mark.parametrize(
    "unnested",
    [
        [line(credits=PROMO), line(credits=VOLUME)],
        [{**without_credits(), "credit_amount": credit["amount"]} for credit in (PROMO, VOLUME)],
        [{**without_credits(), "credits_amount": credit["amount"]} for credit in (PROMO, VOLUME)],
        [{**line(credits=[PROMO, VOLUME]), **credit} for credit in (PROMO, VOLUME)],
    ],
    ids=["object", "credit_amount", "credits_amount", "list beside"],
)
def test_p13_unnesting_the_credits_does_not_multiply_the_cost(reads, unnested):
    rows, reading = reads("gcp_billing", *unnested, line(cost=0.7))
    whole = reads("gcp_billing", line(credits=[PROMO, VOLUME]))[0]
    assert [row["billed_cost"] for row in rows] == [Decimal("0.23"), Decimal("0.7")]
    assert (reading.rows_read, reading.rows_merged) == (3, 1)
    assert rows[0]["charge_id"] == whole[0]["charge_id"]


def test_p13_rows_are_only_ever_added_and_a_correction_is_a_row_of_its_own(reads):
    late = line(cost=-0.1, cost_type="adjustment", export_time="2026-10-05T12:00:00Z")
    rows, reading = reads("gcp_billing", line(), line(export_time="2026-10-03T12:00:00Z"), late, line())
    assert billed(rows) == 3 * Decimal("0.3") - Decimal("0.1")
    assert len({row["charge_id"] for row in rows}) == 4
    assert [row["charge_category"] for row in rows] == ["Usage", "Usage", "Adjustment", "Usage"]
    assert reading.rows_merged == 0


@pytest.mark.parametrize(
    ("sku", "model", "token_class", "tier"),
    [
        ("Generate content input token count gemini 2.5 flash lite short input text", "gemini-2.5-flash-lite", "input", None),
        ("Generate content output token count Gemini 2.5 Pro short output text", "gemini-2.5-pro", "output", None),
        ("Generate content cached input token count gemini 2.5 flash input image", "gemini-2.5-flash", "cache_image_read", None),
        ("Generate_content cached text input token count for gemini 3 flash", "gemini-3-flash", "cache_read", None),
        ("GenerateContent text output token count for Gemini 2.0 Flash", "gemini-2.0-flash", "output", None),
        ("Generate content input token count gemini 3 flash text flex caching", "gemini-3-flash", "cache_read", "flex"),
        ("EmbedContent input token count for gemini-embedding-2 text", "gemini-embedding-2", "input", None),
        ("Cached content storage token hours gemini 2.5 pro", "gemini-2.5-pro", "cache_storage", None),
        ("Gemini 2.5 Flash GA Thinking Text Output - Predictions", "gemini-2.5-flash", "output", None),
        ("Gemini 2.5 Flash Video Input Priority - Predictions", "gemini-2.5-flash", "input_video", "priority"),
        ("Gemini 2.5 Flash GA Text Input - Batch Predictions", "gemini-2.5-flash", "input", "batch"),
        (" Gemini 2.5 Flash Input Text Caching (Long)", "gemini-2.5-flash", "cache_read", None),
        ("Gemini 2.5 Flash Input Audio Caching Storage", "gemini-2.5-flash", "cache_storage", None),
        ("Gemini 1.5 Flash Text Input Characters", "gemini-1.5-flash", None, None),
        ("Grounding with Google Search", None, "web_searches", None),
        ("Something new", None, None, None),
    ],
)  # fmt: skip
def test_p14_a_sku_says_class_tier_and_model_or_stays_untyped_money(reads, sku, model, token_class, tier):
    [row] = reads("gcp_billing", line(sku))[0]
    assert (row["model"], row["token_class"], row["service_tier"]) == (model, token_class, tier)
    assert (row["billed_cost"], row["quantity"]) == (Decimal("0.3"), 1_000_000)


def test_p14_a_label_that_names_another_model_than_the_words_wins(reads):
    label = [{"key": "goog-generativelanguage-model", "value": "gemini37flashimage"}]
    sku = "Generate content output token count gemini 3.7 flash image short output text"
    [row] = reads("gcp_billing", line(sku, labels=label))[0]
    assert (row["model"], row["token_class"]) == ("gemini37flashimage", "output")


def test_p4_the_currency_is_that_of_the_account_and_other_services_are_not_charged(reads):
    other = line(service={"id": "6F81-5844-456A", "description": "Compute Engine"})
    rows, reading = reads("gcp_billing", line(currency="eur", currency_conversion_rate=0.9), other)
    assert [(row["billed_cost"], row["billing_currency"]) for row in rows] == [(Decimal("0.3"), "EUR")]
    assert reading.not_calls == {"another Google Cloud service": 1}


def test_p9_the_sums_below_the_cost_table_are_no_charges():
    rows, reading = read_file(SAMPLES / "gcp_billing_csv" / "cost_table.csv")
    assert billed(rows) == Decimal("0.825") + Decimal("0.7") + Decimal("0.0003") + Decimal("1000.5")
    assert [row["quantity"] for row in rows] == [1_100_000, 200_000, 2_000, 1_000]
    assert {name: count for name, count in reading.not_calls.items() if name.startswith("footer")} == {
        "footer: Subtotal": 1, "footer: Tax": 1, "footer: Filtered total": 1
    }  # fmt: skip


def console(day, symbol="$", **row):
    return {
        "Date": day,
        "Service description": "Gemini API",
        "Service ID": "AEFD-7695-64FA",
        "SKU description": "Generate content input token count gemini 3.7 flash text",
        "SKU ID": "A1",
        "Usage amount": "1,000",
        "Usage unit": "count",
        f"Unrounded subtotal ({symbol})": "0.5",
        **row,
    }


def test_p15_a_day_of_the_console_is_a_day_of_pacific_time(reads_table):
    rows, _ = reads_table("gcp_billing_csv", *(console(f"2026-10-{day}") for day in (30, 31)), console("2026-11-01"), console("2026-11-02"))  # fmt: skip
    starts = [row["charge_period_start"].isoformat() for row in rows]
    assert starts == ["2026-10-30T07:00:00", "2026-10-31T07:00:00", "2026-11-01T07:00:00", "2026-11-02T08:00:00"]
    assert all(day["charge_period_end"] == after["charge_period_start"] for day, after in pairwise(rows))


@pytest.mark.parametrize(("symbol", "currency"), [("$", "USD"), ("€", "EUR"), ("£", "GBP"), ("₹", "INR"), ("¥", None)])
def test_p4_the_heading_says_the_currency_of_the_table(reads_table, symbol, currency):
    [row] = reads_table("gcp_billing_csv", console("2026-10-30", symbol))[0]
    assert (row["billed_cost"], row["billing_currency"]) == (Decimal("0.5"), currency)


def test_a_table_without_days_cannot_be_placed_and_says_how_to_group_it(reads_table):
    reading = reads_table("gcp_billing_csv", console(""))[1]
    assert [refused.reason for refused in reading.refused] == ["no readable date: missing; group the table by day"]


# --- Azure's logs ---------------------------------------------------------------------------------


def gateway(sequence="0", prompt="100", completion="20", **row):
    return {
        "TimeGenerated": "2026-10-08T10:00:00Z",
        "CorrelationId": "c-1",
        "RequestId": "r-1",
        "DeploymentName": "chat" if sequence == "0" else "",
        "ModelName": "gpt-4o-2024-11-20" if sequence == "0" else "",
        "SequenceNumber": sequence,
        "PromptTokens": prompt,
        "CompletionTokens": completion,
        "RequestMessages": "",
        "ResponseMessages": "",
        **row,
    }


def test_p9_rows_with_a_sequence_number_are_pieces_of_a_call_and_give_it_its_texts(reads_table):
    asked = json.dumps([{"role": "user", "content": "Which pot?"}])
    pieces = [gateway(str(n), "0", "0", RequestMessages=part) for n, part in ((2, asked[20:]), (1, asked[:20]))]
    rows, reading = reads_table("azure_apim", *pieces, gateway(), gateway(RequestId="r-2"))
    assert [counts(row) for row in rows] == [(100, None, None, 20)] * 2
    assert [row["messages"] for row in rows] == [["user\x1fWhich pot?"], None]
    assert reading.not_calls == {"message piece": 2}


def test_p8_a_stream_that_shows_zeros_has_unknown_tokens_not_free_ones(reads_table):
    [row] = reads_table("azure_apim", gateway(prompt="0", completion="0", IsStreamCompletion="True"))[0]
    assert (*counts(row), row["usage_source"], row["stream"]) == (None, None, None, None, None, True)


def test_an_embedding_has_input_and_no_output(reads_table):
    [row] = reads_table("azure_apim", gateway(prompt="80", completion="0", OperationName="Embeddings_Create"))[0]
    assert (row["operation"], row["input_tokens"], row["output_tokens"]) == ("embeddings", 80, 0)


@pytest.mark.parametrize(
    "written", ["2026-10-08T10:00:00.25Z", "10/8/2026, 10:00:00.250 AM", "2026-10-08T12:00:00.250000+02:00"]
)
@pytest.mark.parametrize("heading", ["TimeGenerated", "TimeGenerated [UTC]"])
def test_p15_times_of_log_analytics_are_utc_as_exported_and_as_the_portal_prints_them(reads_table, heading, written):
    row = {name: cell for name, cell in gateway().items() if name != "TimeGenerated"}
    [row] = reads_table("azure_apim", {heading: written, **row})[0]
    assert row["started_at"].isoformat() == "2026-10-08T10:00:00.250000"


def test_p15_net_ticks_count_from_the_year_one():
    rows, reading = read_file(SAMPLES / "azure_diagnostics" / "PT1H.json")
    assert [row["started_at"].isoformat() for row in rows] == [
        "2026-10-08T10:00:00",
        "2026-10-08T10:00:02.435000",
        "2026-10-08T10:00:05",
    ]
    assert reading.not_calls == {"Azure Create_Thread": 1, "Azure Audit": 1}


def test_p10_diagnostics_have_calls_without_tokens_and_say_so():
    rows, _ = read_file(SAMPLES / "azure_diagnostics" / "PT1H.json")
    assert {(*counts(row), row["usage_source"]) for row in rows} == {(None,) * 5}
    assert [(row["status"], row["http_status"]) for row in rows] == [("ok", 200), ("error", 429), ("ok", 200)]
    assert "no_usage" in sources.by_name("azure_diagnostics").caveats


def test_p14_a_deployment_is_not_a_model_and_a_dated_version_is_part_of_its_name():
    rows, _ = read_file(SAMPLES / "azure_diagnostics" / "PT1H.json")
    assert [(row["deployment"], row["response_model"]) for row in rows] == [
        ("chat-prod", "gpt-4o-2024-11-20"),
        ("old", "gpt-35-turbo"),
        ("embed", "text-embedding-3-small"),
    ]


# --- what a report says of them -------------------------------------------------------------------


def test_what_a_source_leaves_out_is_said_once_in_the_report_whatever_the_number_of_files(tmp_path):
    text = sample("vertex_request_response").read_text("utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(text.replace("pine-0", f"{name}-0"), "utf-8")
    with llmaudit.audit(tmp_path) as audit:
        said = [each["text"] for each in audit.data["warnings"] if each["kind"] == "sampled_log"]
    assert len(said) == 1
    assert "calls of vertex_request_response are a sample of" in said[0]
