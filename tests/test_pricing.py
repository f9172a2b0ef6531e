"""One test for each billing rule, the sum written out by hand; then laws; then agreement with other calculators."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmaudit import engine as engines
from llmaudit import pricing
from llmaudit.engine import Engine
from llmaudit.errors import AuditError
from llmaudit.pricing import arithmetic, charges, from_litellm, names, user
from llmaudit.pricing import book as books
from llmaudit.pricing import compile as compiling
from llmaudit.pricing import usage as pricing_usage
from llmaudit.pricing.rates import RATE
from llmaudit.pricing.spelling import spelling
from llmaudit.schema import USAGE_COLUMNS

CONFORMANCE = Path(__file__).parents[2] / "shared" / "conformance" / "cost_cases_dev.jsonl.gz"
NOVEMBER = datetime(2026, 11, 10, 12)  # noqa: DTZ001 - naive is UTC
PARTS = ["input_usd", "cache_read_usd", "cache_write_usd", "cache_write_long_usd", "output_usd", "other_usd"]
OTEL = {
    "google": "gcp.gemini",
    "x-ai": "x_ai",
    "mistral": "mistral_ai",
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
}


def mtok(usd: str, tokens: int) -> Decimal:
    """Dollars for tokens at a price per million."""
    return Decimal(usd) * tokens / 1_000_000


def one(provider: str | None, model: str, at: object = NOVEMBER, book: object = None, **usage: object) -> dict:
    """Price a single call."""
    frame = pl.DataFrame([{"provider": provider, "model": model, "started_at": at, **usage}])
    return pricing.price(frame, book).row(0, named=True)


def cost(provider: str | None, model: str, at: object = NOVEMBER, book: object = None, **usage: object) -> object:
    return one(provider, model, at, book, **usage)["cost_usd"]


# --- billing rules ---------------------------------------------------------------------------------


def test_input_and_output_are_paid_at_their_own_rates() -> None:
    assert cost("openai", "gpt-5-mini", input_tokens=1000, output_tokens=500) == mtok("0.25", 1000) + mtok("2", 500)


def test_cached_input_is_paid_once_at_the_read_rate() -> None:
    found = cost("openai", "gpt-4o", input_tokens=2006, cache_read_tokens=1920, output_tokens=300)
    assert found == mtok("2.5", 86) + mtok("1.25", 1920) + mtok("10", 300) == Decimal("0.005615")


def test_short_and_long_cache_writes_are_two_prices() -> None:
    usage = {"input_tokens": 1_000_000, "cache_write_tokens": 1_000_000, "cache_write_long_tokens": 400_000}
    found = cost("anthropic", "claude-opus-4-8", output_tokens=0, **usage)
    assert found == mtok("6.25", 600_000) + mtok("10", 400_000) == Decimal("7.75")


def test_reasoning_is_part_of_the_output_and_not_paid_twice() -> None:
    with_reasoning = cost("openai", "gpt-5-mini", input_tokens=10, output_tokens=900, reasoning_tokens=800)
    assert with_reasoning == mtok("0.25", 10) + mtok("2", 900)


def test_batch_takes_half_of_every_rate_the_provider_halves() -> None:
    usage = {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 500}
    found = cost("openai", "gpt-5-mini", service_tier="batch", **usage)
    assert found == mtok("0.125", 600) + mtok("0.0125", 400) + mtok("1", 500)


def test_flex_and_priority_have_prices_of_their_own() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 500}
    assert cost("openai", "gpt-5-mini", service_tier="flex", **usage) == mtok("0.125", 1000) + mtok("1", 500)
    assert cost("openai", "gpt-5-mini", service_tier="priority", **usage) == mtok("0.45", 1000) + mtok("3.6", 500)


def test_a_tier_only_the_second_source_knows_is_priced_by_it() -> None:
    found = one("gcp.gemini", "gemini-2.5-flash", service_tier="flex", input_tokens=1000, output_tokens=500)
    assert found["cost_usd"] == mtok("0.15", 1000) + mtok("1.25", 500)


def test_a_tier_nobody_prices_leaves_the_call_unpriced() -> None:
    found = one("openai", "gpt-3.5-turbo", service_tier="flex", input_tokens=1000, output_tokens=500)
    assert (found["cost_usd"], found["priced_by"], found["price_id"]) == (None, None, None)


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "auto", "on_demand"])
def test_these_tiers_are_the_standard_one(tier: str | None) -> None:
    found = cost("openai", "gpt-5-mini", service_tier=tier, input_tokens=1000, output_tokens=0)
    assert found == mtok("0.25", 1000)


def test_a_request_exactly_at_the_long_context_edge_is_still_short() -> None:
    assert cost("google", "gemini-3.1-pro-preview", input_tokens=200_000, output_tokens=10) == (
        mtok("2", 200_000) + mtok("12", 10)
    )


def test_one_token_over_the_edge_makes_every_token_dearer() -> None:
    assert cost("google", "gemini-3.1-pro-preview", input_tokens=200_001, output_tokens=10) == (
        mtok("4", 200_001) + mtok("18", 10)
    )


def test_xai_counts_the_edge_itself_as_long() -> None:
    assert cost("xai", "grok-4.7", input_tokens=199_999, output_tokens=0) == mtok("2", 199_999)
    assert cost("xai", "grok-4.7", input_tokens=200_000, output_tokens=0) == mtok("4", 200_000)


def test_cached_tokens_count_towards_the_edge() -> None:
    found = cost("google", "gemini-2.5-pro", input_tokens=210_000, cache_read_tokens=200_000, output_tokens=0)
    assert found == mtok("2.5", 10_000) + mtok("0.25", 200_000)


def test_a_long_request_in_a_batch_pays_half_of_the_long_rates_for_cache_and_answer_too() -> None:
    usage = {"input_tokens": 272_001, "cache_read_tokens": 200_000, "output_tokens": 1000}
    # above 272,000: 10 in, 1 cached, 45 out; all of it halved in a batch
    assert cost("openai", "gpt-5.5", service_tier="batch", **usage) == (
        mtok("5", 72_001) + mtok("0.5", 200_000) + mtok("22.5", 1000)
    )
    short = {**usage, "input_tokens": 272_000}
    assert cost("openai", "gpt-5.5", service_tier="batch", **short) == (
        mtok("2.5", 72_000) + mtok("0.25", 200_000) + mtok("15", 1000)
    )


def test_a_place_makes_tokens_dearer_and_searches_not() -> None:
    usage = {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 100, "web_searches": 1}
    in_europe = cost("openai", "gpt-5.5", region="eu", **usage)
    tokens = mtok("5", 600) + mtok("0.5", 400) + mtok("30", 100)
    assert in_europe == tokens * Decimal("1.1") + Decimal("0.01")
    assert cost("openai", "gpt-5.5", **usage) == tokens + Decimal("0.01")


def test_a_price_cut_holds_from_its_first_second_utc() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 0}
    before, after = datetime(2026, 7, 29, 23, 59, 59, tzinfo=UTC), datetime(2026, 7, 30, tzinfo=UTC)
    model = "gpt-5.6-luna"
    short = {**usage, "input_tokens": 1000}
    assert cost("openai", model, before, **short) == mtok("1", 1000)
    assert cost("openai", model, after, **short) == mtok("0.2", 1000)


def test_a_zone_moves_the_clock_not_the_instant() -> None:
    moment = datetime(2026, 7, 30, 1, tzinfo=timezone(timedelta(hours=2)))
    assert cost("openai", "gpt-5.6-luna", moment, input_tokens=1000, output_tokens=0) == mtok("1", 1000)


def test_a_day_without_an_hour_is_its_midnight() -> None:
    day = date(2026, 7, 30)
    assert cost("openai", "gpt-5.6-luna", day, input_tokens=1000, output_tokens=0) == mtok("0.2", 1000)


def test_peak_hours_are_dearer_until_their_last_second() -> None:
    def at(hour: int, minute: int, second: int) -> object:
        moment = datetime(2026, 11, 18, hour, minute, second)  # noqa: DTZ001
        return cost("deepseek", "deepseek-v4-pro", moment, input_tokens=1000, output_tokens=0)

    assert at(0, 59, 59) == at(4, 0, 0) == mtok("0.66", 1000)
    assert at(1, 0, 0) == at(3, 59, 59) == mtok("1.32", 1000)


def test_peak_hours_of_a_weekend_are_quiet_and_the_source_that_says_otherwise_stands_beside() -> None:
    saturday = datetime(2026, 11, 21, 2)  # noqa: DTZ001
    found = one("deepseek", "deepseek-v4-pro", saturday, input_tokens=1000, output_tokens=0)
    assert found["cost_usd"] == mtok("0.66", 1000)
    assert "@67,3600s" in found["price_id"]
    other = one("deepseek", "deepseek-v4-pro", saturday, pricing.load().other(), input_tokens=1000, output_tokens=0)
    assert other["cost_usd"] == mtok("1.32", 1000)


def test_a_rate_that_the_first_source_lacks_is_the_second_s() -> None:
    usage = {"input_tokens": 1_000_000, "cache_write_tokens": 1_000_000, "cache_write_long_tokens": 1_000_000}
    short = {"input_tokens": 1000, "cache_write_tokens": 1000, "cache_write_long_tokens": 1000}
    assert usage["input_tokens"] > 272_000 > short["input_tokens"]
    book = pricing.load()
    twelve_hours = book.rate("openai", "gpt-5.6-luna", "cache_write_long", at=date(2026, 11, 20))
    assert twelve_hours is not None
    assert cost("openai", "gpt-5.6-luna", output_tokens=0, **short) == twelve_hours.usd * 1000
    assert twelve_hours.usd > book.rate("openai", "gpt-5.6-luna", "cache_write", at=date(2026, 11, 20)).usd


def test_a_disputed_rate_carries_both_prices() -> None:
    disputed = [r for r in books._read("rates").to_pylist() if r["disputed"]]
    assert len(disputed) > 100
    assert all(r["other_usd_per_unit"] != r["usd_per_unit"] and r["other_source"] != r["source"] for r in disputed)
    call = {"input_tokens": 1000, "output_tokens": 0}
    assert cost("mistral", "mistral-large-4", **call) == mtok("0.7", 1000)
    assert cost("mistral", "mistral-large-4", book=pricing.load().other(), **call) == mtok("1.36", 1000)


def test_a_rate_may_be_asked_of_the_book_whether_or_not_calls_are_billed_by_it() -> None:
    book = pricing.load()
    [(provider, model)] = {
        (r["provider"], r["model"])
        for r in books._read("rates").to_pylist()
        if r["token_class"] == "input_document_pages" and r["model"] == "mistral-ocr-latest"
    }
    found = book.rate(provider, model, "input_document_pages", at=date(2026, 11, 20))
    assert found is not None
    assert found.price_id.startswith("mistral_ai/mistral-ocr-latest/standard/")
    assert book.rate("openai", "gpt-5-mini", "input", at=date(2026, 11, 20), tier="batch").usd == mtok("0.125", 1)
    assert book.rate("openai", "gpt-5-mini", "cache_storage", at=date(2026, 11, 20)) is None


def test_web_searches_are_paid_by_the_call() -> None:
    found = cost("openai", "gpt-5-mini", input_tokens=5000, output_tokens=600, web_searches=3)
    assert found == mtok("0.25", 5000) + mtok("2", 600) + 3 * Decimal("0.01")


def test_a_unit_without_a_price_is_never_free() -> None:
    assert cost("openai", "gpt-3.5-turbo", input_tokens=10, output_tokens=10, web_searches=1) is None


def test_output_images_are_dearer_than_output_text() -> None:
    usage = {"input_tokens": 100, "output_tokens": 1300, "output_image_tokens": 1290}
    found = cost("gcp.gemini", "gemini-3-pro-image-preview", **usage)
    assert found == mtok("2", 100) + mtok("12", 10) + mtok("120", 1290)


def test_cached_input_of_a_model_without_a_cache_price_is_plain_input_and_says_so() -> None:
    found = one("openai", "gpt-3.5-turbo", input_tokens=1000, cache_read_tokens=400, output_tokens=0)
    assert found["cost_usd"] == mtok("0.5", 1000)
    assert found["priced_by"] == "rule"
    assert found["price_id"].endswith("+no-cache-rate")


def test_a_cache_that_hides_which_tokens_were_images_does_not_bill_them_twice() -> None:
    usage = {"input_tokens": 346, "input_image_tokens": 194, "cache_read_tokens": 322, "output_tokens": 29}
    found = one("openai", "gpt-realtime-2.1-mini", **usage)
    assert found["cost_usd"] == mtok("0.06", 322) + mtok("0.8", 24) + mtok("2.4", 29)
    assert found["price_id"].endswith("+mixed-cache")


def test_a_batch_call_before_batch_prices_were_checked_is_priced_and_says_so() -> None:
    june = datetime(2026, 6, 1)  # noqa: DTZ001
    found = one("anthropic", "claude-haiku-4-5", june, service_tier="batch", input_tokens=1000, output_tokens=0)
    assert found["cost_usd"] == mtok("0.5", 1000)
    assert (found["priced_by"], "tier-before-check" in found["price_id"]) == ("rule", True)


def test_a_regional_endpoint_costs_its_surcharge_on_every_token() -> None:
    found = one("anthropic", "claude-opus-5", region="us", input_tokens=1000, output_tokens=100)
    assert found["cost_usd"] == (mtok("5", 1000) + mtok("25", 100)) * Decimal("1.1")
    assert "regional-surcharge" in found["price_id"]


def test_a_retired_model_keeps_its_last_price() -> None:
    old = datetime(2025, 3, 1)  # noqa: DTZ001
    found = one("anthropic", "claude-3-5-sonnet-20241022", old, input_tokens=1000, output_tokens=100)
    assert found["cost_usd"] == mtok("3", 1000) + mtok("15", 100)


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("anthropic", "claude-opus-9"),
        ("openai", "gpt-4.15"),
        ("openai", "gpt-51"),
        ("openai", "gpt-5-mini2"),
        ("google", "gemini-2.55-pro"),
        (None, "claude-opus-9"),
        ("openai", "prod-chat"),
        ("openai", ""),
        ("nobody", "gpt-5-mini"),
    ],
)
def test_a_name_we_do_not_know_stays_unpriced(provider: str | None, name: str) -> None:
    assert cost(provider, name, input_tokens=1000, output_tokens=10) is None


@pytest.mark.parametrize(
    ("provider", "name", "rule"),
    [
        ("openai", "gpt-5-mini-2027-02-03", "date-stamp"),
        ("anthropic", "claude-opus-5[1m]", "context-suffix"),
        ("gcp.gemini", "models/gemini-2.5-pro", "path"),
        ("openai", "openai/gpt-5", "vendor-prefix"),
        (None, "gpt-5", "owner"),
        (None, "claude-opus-5", "owner"),
        ("litellm", "anthropic/claude-opus-5", "vendor-prefix"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "fine-tuned"),
        ("aws.bedrock", "us.anthropic.claude-opus-4-8-v1:0", "bedrock-version"),
    ],
)
def test_a_rule_that_reads_a_name_is_named(provider: str | None, name: str, rule: str) -> None:
    found = one(provider, name, input_tokens=1000, output_tokens=10)
    assert found["cost_usd"] > 0
    assert found["priced_by"] == "rule"
    assert rule in found["price_id"].partition("+")[2].split("+")


def test_a_listed_name_is_exact_and_one_the_source_only_accepts_is_an_alias() -> None:
    assert one("openai", "gpt-5-mini", input_tokens=1, output_tokens=1)["priced_by"] == "exact"
    assert one("aws", "claude-sonnet-4-5-20250929", input_tokens=1, output_tokens=1)["priced_by"] == "alias"


@pytest.mark.parametrize("spelling", ["gcp.gemini", "google", "gemini", "GCP.Gemini", "gcp.gen_ai"])
def test_a_provider_may_be_spelt_in_many_ways(spelling: str) -> None:
    assert cost(spelling, "gemini-2.5-pro", input_tokens=1000, output_tokens=0) == mtok("1.25", 1000)


@pytest.mark.parametrize(
    ("provider", "words", "model"),
    [
        ("anthropic", "Claude Haiku 4.5", "claude-haiku-4-5"),
        (None, "Claude Sonnet 4.5", "claude-sonnet-4-5"),
        ("openai", "GPT-4o mini", "gpt-4o-mini"),
        ("aws.bedrock", "Claude4.5Sonnet", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws.bedrock", "Claude Opus 4.6 (Amazon Bedrock Edition)", "regional.anthropic.claude-opus-4-6-v1:0"),
        ("aws.bedrock", "NovaLite", "amazon.nova-lite-v1:0"),
        ("aws.bedrock", "USW2-Claude4.6Sonnet-output-tokens", "regional.anthropic.claude-sonnet-4-6-v1:0"),
        ("azure.ai.openai", "gpt-4o-0513", "gpt-4o-2024-05-13"),
        ("azure.ai.openai", "gpt 4o 1120 cached Inp glbl Tokens", "gpt-4o"),
        ("azure.ai.openai", "GPT 5 Mini cchd Inpt Glbl 1M Tokens", "gpt-5-mini"),
        ("azure.ai.openai", "5.6 sol ShortCo Inp Std Gl 1M Tokens", "gpt-5.6-sol"),
        ("gcp.vertex_ai", "Gemini 2.5 Flash GA Thinking Text Output - Predictions", "gemini-2.5-flash"),
        ("gcp.gemini", "Generate content input token count gemini 3.7 flash text batch", "gemini-3.7-flash"),
    ],
)
def test_a_bill_s_words_name_a_model_by_a_rule(provider: str | None, words: str, model: str) -> None:
    found = pricing.load().find_billed(provider, words)
    assert found is not None
    assert (found.model, found.priced_by) == (model, "rule")
    assert found.rule


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("anthropic", "Claude Opus 9"),
        ("openai", "GPT 4.15"),
        ("openai", "GPT 51 mini"),
        ("azure.ai.openai", "gpt-4o-0101"),
        ("azure.ai.openai", "Code-Interpreter-global Session"),
        ("aws.bedrock", "USE1-Guardrail-ContentPolicyUnitsConsumed"),
        ("gcp.gemini", "Grounding with Google Search"),
    ],
)
def test_a_bill_s_words_are_never_read_across_a_version(provider: str, words: str) -> None:
    assert pricing.load().find_billed(provider, words) is None


def test_all_ways_to_write_a_model_are_one_spelling() -> None:
    written = ["Claude4.5Sonnet", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic/claude-sonnet-4.5"]
    assert {spelling(name) for name in written} == {"claude sonnet 4.5"}
    assert spelling("claude-sonnet-4") != spelling("claude-sonnet-4-5") != spelling("claude-sonnet-45")


@given(st.text(alphabet="gpt-45.o@/:mini12", max_size=20))
def test_no_rule_turns_a_name_into_a_longer_one(name: str) -> None:
    assert all(len(shorter) <= len(name) + len("--") for shorter, _ in names._rewritten(name))


# --- what is not known -----------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["input_tokens", "output_tokens", "cache_read_tokens"])
def test_unknown_usage_has_no_cost(unknown: str) -> None:
    frame = pl.DataFrame(
        {
            "provider": ["openai"] * 2,
            "model": ["gpt-5-mini"] * 2,
            "started_at": [NOVEMBER] * 2,
            **{c: [10, 10] for c in ("input_tokens", "output_tokens", "cache_read_tokens") if c != unknown},
            unknown: [None, 10],
        }
    )
    assert pricing.price(frame)["cost_usd"].is_null().to_list() == [True, False]


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 10, "cache_read_tokens": 11},
        {"input_tokens": 10, "output_tokens": 5, "reasoning_tokens": 6},
        {"input_tokens": -1},
        {"input_tokens": 10, "cache_write_tokens": 2, "cache_write_long_tokens": 3},
        {"input_tokens": 10**14},
    ],
)
def test_counts_that_cannot_be_have_no_cost(usage: dict) -> None:
    assert cost("openai", "gpt-5-mini", **usage) is None


def test_a_call_priced_in_pages_is_not_free_because_it_has_tokens() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 500}
    assert cost("mistral", "mistral-ocr-latest", input_document_pages=None, **usage) is None
    found = one("mistral", "mistral-ocr-latest", input_document_pages=10, **usage)
    assert found["cost_usd"] == 10 * Decimal("0.004")
    assert found["price_id"].endswith("+no-token-rate")


def test_an_annotated_page_is_one_of_the_pages_and_dearer() -> None:
    found = cost("mistral", "mistral-ocr-latest", input_document_pages=10, input_annotated_document_pages=4)
    assert found == 6 * Decimal("0.004") + 4 * Decimal("0.005") == Decimal("0.044")


def test_speech_is_paid_by_the_second_and_by_the_character() -> None:
    assert cost("openai", "whisper-1", audio_seconds=90) == Decimal("0.006") * 90 / 60
    assert cost("openai", "tts-1", input_characters=2000) == mtok("15", 2000)
    voice = cost("xai", "grok-voice-latest", datetime(2026, 7, 1, tzinfo=UTC), audio_seconds=60, input_text_messages=3)
    assert voice == Decimal("0.05") + 3 * Decimal("0.004")


def test_searches_of_files_are_paid_by_the_call() -> None:
    found = cost("openai", "gpt-4.1", input_tokens=1000, output_tokens=100, storage_searches=2)
    assert found == mtok("2", 1000) + mtok("8", 100) + 2 * Decimal("0.0025")


def test_who_pays_by_the_token_does_not_pay_for_the_same_by_the_second() -> None:
    usage = {"input_tokens": 1000, "input_audio_tokens": 900, "output_tokens": 50}
    by_tokens = cost("openai", "gpt-4o-mini-transcribe-2025-12-15", **usage)
    assert by_tokens is not None
    assert by_tokens == cost("openai", "gpt-4o-mini-transcribe-2025-12-15", audio_seconds=90, **usage)


def test_a_log_without_tokens_is_priced_by_what_the_model_is_sold_by(engine: Engine) -> None:
    ocr = {"provider": "mistral", "model": "mistral-ocr-2512"}
    read, silent, tokens_alone = priced(
        engine, {**ocr, "input_document_pages": 29}, ocr, {**ocr, "input_tokens": 10, "output_tokens": 5}
    )
    assert read["cost_usd"] == read["other_usd"] == 29 * Decimal("0.002")
    assert silent["cost_usd"] is tokens_alone["cost_usd"] is None


def test_what_a_lever_buys_is_priced_by_the_rate_that_prices_calls(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '''[[model."store".price]]
requests_usd = "0.00002"
[[model."half".price]]
input_usd_per_token = "0.1"
[[discount]]
provider = "openai"
percent = "20"''',
        "utf-8",
    )
    day = date(2026, 11, 20)
    long_write = "anthropic/claude-opus-4-8/cache_write_long_tokens"
    skus = ["openai/gpt-5-mini/input_tokens", long_write, "store", "half", "nobody"]
    found = charges.unit_prices([(sku, day) for sku in skus], pricing.load(tmp_path / "prices.toml"))
    assert [found[sku, day] for sku in skus] == [mtok("0.2", 1), mtok("10", 1), Decimal("0.00002"), None, None]


def test_what_no_call_is_billed_by_may_have_a_rate_of_the_user_s(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '''[[model."acme-large".price]]
provider = "acme"
input_usd_per_token = "0.000002"
output_usd_per_token = "0.000004"
cache_storage_usd_per_token_hour = "0.0000045"
training_usd_per_token = "0.000025"
provisioned_hours_usd = "39.6"''',
        "utf-8",
    )
    book = pricing.load(tmp_path / "prices.toml")
    rates = {c: book.rate("acme", "acme-large", c, at=date(2026, 11, 20)) for c in user.STANDING}
    assert {c: rate and rate.usd for c, rate in rates.items()} == {
        "cache_storage": Decimal("0.0000045"),
        "training": Decimal("0.000025"),
        "provisioned_hours": Decimal("39.6"),
    }
    assert cost("acme", "acme-large", NOVEMBER, book, input_tokens=1000, output_tokens=0) == mtok("2", 1000)


def test_a_frame_without_times_is_an_error_that_names_the_columns() -> None:
    with pytest.raises(AuditError, match="lacks started_at"):
        pricing.price(pl.DataFrame({"provider": ["openai"], "model": ["gpt-5"]}))


def test_times_that_are_text_are_an_error() -> None:
    with pytest.raises(AuditError, match="started_at"):
        pricing.price(pl.DataFrame({"provider": ["openai"], "model": ["gpt-5"], "started_at": ["soon"]}))


# --- tables of calls -------------------------------------------------------------------------------


def calls(*rows: dict) -> pa.Table:
    kinds = {
        "request_id": pa.string(),
        "provider": pa.string(),
        "model": pa.string(),
        "started_at": pa.timestamp("us"),
        "service_tier": pa.string(),
        "region": pa.string(),
        "billable": pa.bool_(),
        "reported_cost_usd": pa.decimal128(38, 12),
        **{c.name: c.type for c in USAGE_COLUMNS},
    }
    usual = {"provider": "openai", "model": "gpt-5-mini", "started_at": NOVEMBER, "billable": True}
    listed = [{"request_id": str(at), **usual, **row} for at, row in enumerate(rows)]
    return pa.Table.from_pylist(listed, pa.schema(list(kinds.items())))


def priced(engine: Engine, *rows: dict, book: pricing.Book | None = None) -> list[dict]:
    engine.put("calls_to_price", calls(*rows))
    into = pricing.price_usage(engine, "calls_to_price", "calls_priced", book or pricing.load())
    return sorted(engine.fetch(into).to_pylist(), key=lambda row: row["request_id"])


def test_a_call_that_is_not_billable_costs_nothing_by_no_rule(engine: Engine) -> None:
    [row] = priced(engine, {"billable": False, "input_tokens": 5, "output_tokens": 5})
    assert row == {
        "request_id": "0",
        **dict.fromkeys(["cost_usd", "list_usd", *PARTS], Decimal(0)),
        **dict.fromkeys(["priced_by", "price_id", "low_usd", "high_usd"]),
    }


def test_counts_that_a_log_leaves_out_did_not_occur(engine: Engine) -> None:
    [row] = priced(engine, {"input_tokens": 1000, "output_tokens": 500})
    assert row["cost_usd"] == mtok("0.25", 1000) + mtok("2", 500)
    assert row["price_id"] == "openai/gpt-5-mini/standard/ever"


def test_a_call_without_counts_has_neither_cost_nor_interval(engine: Engine) -> None:
    [row] = priced(engine, {"input_tokens": None, "output_tokens": 5})
    assert [row[c] for c in ("cost_usd", "priced_by", "low_usd", "high_usd")] == [None] * 4


def test_an_unknown_model_lies_between_the_provider_s_cheapest_and_dearest(engine: Engine) -> None:
    [unknown, cheap, dear] = priced(
        engine,
        {"model": "zephyr-99", "input_tokens": 1000, "output_tokens": 100},
        {"model": "gpt-6-luna", "input_tokens": 1000, "output_tokens": 100},
        {"model": "gpt-6-astra", "input_tokens": 1000, "output_tokens": 100},
    )
    assert unknown["cost_usd"] is None
    assert 0 < unknown["low_usd"] <= cheap["cost_usd"] < dear["cost_usd"] <= unknown["high_usd"]


def test_an_unknown_version_lies_between_the_rates_of_its_family(engine: Engine) -> None:
    opus, any_claude = priced(
        engine,
        {"provider": "anthropic", "model": "claude-opus-9", "input_tokens": 1_000_000, "output_tokens": 0},
        {"provider": "anthropic", "model": "claude-zephyr-9", "input_tokens": 1_000_000, "output_tokens": 0},
    )
    assert opus["cost_usd"] is None
    assert (
        any_claude["low_usd"] < opus["low_usd"] <= Decimal(4) < Decimal(15) <= opus["high_usd"]
    )  # Opus 5.5 and Opus 4


def test_an_unknown_provider_has_the_span_of_the_whole_book(engine: Engine) -> None:
    usage = {"model": "house-model", "input_tokens": 1000, "output_tokens": 100}
    [ours, theirs] = priced(engine, usage, {**usage, "provider": "house"})
    assert theirs["low_usd"] <= ours["low_usd"] < ours["high_usd"] <= theirs["high_usd"]


def test_the_log_s_own_figure_stands_where_no_price_does(engine: Engine) -> None:
    reported = {"reported_cost_usd": Decimal("0.25"), "input_tokens": 10, "output_tokens": 1}
    [unknown, known, free] = priced(
        engine,
        {"model": "gpt-99", **reported},
        {**reported},
        {"model": "gpt-99", **reported, "reported_cost_usd": Decimal(0)},
    )
    assert (unknown["cost_usd"], unknown["priced_by"], unknown["price_id"]) == (Decimal("0.25"), "reported", "reported")
    assert sum(unknown[part] for part in PARTS) == Decimal("0.25")
    assert known["priced_by"] == "exact"
    assert free["cost_usd"] is None


# --- the user's own prices -------------------------------------------------------------------------

USER = """
[alias]
"prod-chat" = "azure.ai.openai/gpt-5-mini"
"house" = "acme-large"

[[model."acme-large".price]]
input_usd_per_token = "0.000002"
output_usd_per_token = "0.000004"
source = "contract 4711"

[[model."acme-large".price]]
valid_from = 2026-06-01
input_usd_per_token = "0.000001"
output_usd_per_token = "0.000002"

[[model."gpt-5".price]]
provider = "openai"
input_usd_per_token = "0.000001"

[[discount]]
provider = "anthropic"
valid_from = 2026-11-01
valid_to = 2026-12-01
percent = "12.5"
"""


@pytest.fixture
def own(tmp_path: Path) -> pricing.Book:
    (tmp_path / "prices.toml").write_text(USER, "utf-8")
    return pricing.load(tmp_path / "prices.toml")


def test_a_private_model_is_priced_by_its_date(own: pricing.Book) -> None:
    may, june = datetime(2026, 5, 31, 23, 59, 59), datetime(2026, 6, 1)  # noqa: DTZ001
    assert cost(None, "acme-large", may, own, input_tokens=1000, output_tokens=10) == mtok("2", 1000) + mtok("4", 10)
    found = one("acme", "acme-large", june, own, input_tokens=1000, output_tokens=10)
    assert found["cost_usd"] == found["list_usd"] == mtok("1", 1000) + mtok("2", 10)
    assert found["priced_by"] == "user"


def test_an_alias_names_what_a_deployment_runs(own: pricing.Book) -> None:
    found = one("azure.ai.openai", "prod-chat", NOVEMBER, own, input_tokens=1000, output_tokens=0)
    assert (found["cost_usd"], found["priced_by"]) == (mtok("0.25", 1000), "user")
    assert cost(None, "house", NOVEMBER, own, input_tokens=1000, output_tokens=0) == mtok("1", 1000)


def test_a_negotiated_rate_leaves_the_list_price_standing(own: pricing.Book) -> None:
    found = one("openai", "gpt-5", NOVEMBER, own, input_tokens=1000, output_tokens=100)
    assert found["cost_usd"] == mtok("1", 1000) + mtok("10", 100)
    assert found["list_usd"] == mtok("1.25", 1000) + mtok("10", 100)
    assert found["priced_by"] == "user"


def test_a_discount_holds_from_its_first_day_and_not_on_its_last(own: pricing.Book) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 0}
    october, december = datetime(2026, 10, 31, 23, 59, 59), datetime(2026, 12, 1)  # noqa: DTZ001
    inside = one("anthropic", "claude-opus-5", NOVEMBER, own, **usage)
    assert inside["cost_usd"] == mtok("5", 1000) * Decimal("0.875")
    assert inside["list_usd"] == mtok("5", 1000)
    outside = [one("anthropic", "claude-opus-5", at, own, **usage) for at in (october, december)]
    assert [row["cost_usd"] for row in outside] == [mtok("5", 1000)] * 2
    assert {row["priced_by"] for row in outside} == {"exact"}


def test_user_prices_change_the_book_s_fingerprint(own: pricing.Book) -> None:
    assert own.sha256 != pricing.load().sha256


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[model."m".price]]\ninput_usd = "1"', "no key 'input_usd'"),
        ('[[model."m".price]]\ninput_usd_per_token = "cheap"', "expected a number"),
        ('[[model."m".price]]\nsource = "x"', "has no rate"),
        ("[[discount]]\npercent = 112", "at most 100"),
        ('[[discount]]\npercent = 5\nvalid_from = "2026-01-01"', "without quotes"),
        ("[prices]", "no key 'prices'"),
        ("[alias", "prices.toml"),
    ],
)
def test_a_mistake_in_the_user_s_prices_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "prices.toml").write_text(text, "utf-8")
    with pytest.raises(AuditError, match=complaint):
        pricing.load(tmp_path / "prices.toml")


def test_an_alias_of_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('[alias]\n"a" = "openai/gpt-99"', "utf-8")
    with pytest.raises(AuditError, match="gpt-99"):
        one("openai", "a", NOVEMBER, pricing.load(tmp_path / "prices.toml"), input_tokens=1)


# --- laws ------------------------------------------------------------------------------------------

MODELS = [
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5.6-luna"),
    ("anthropic", "claude-haiku-5-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("deepseek", "deepseek-v4-pro"),
    ("openai", "gpt-99"),
    (None, "gpt-5"),
]


@st.composite
def usages(draw: st.DrawFn) -> dict:
    provider, model = draw(st.sampled_from(MODELS))
    whole = draw(st.integers(0, 400_000))
    read = draw(st.integers(0, whole))
    written = draw(st.integers(0, whole - read))
    output = draw(st.integers(0, 20_000))
    return {
        "provider": provider,
        "model": model,
        "started_at": draw(st.datetimes(datetime(2025, 1, 1), datetime(2027, 3, 1))),  # noqa: DTZ001
        "service_tier": draw(st.sampled_from([None, "batch", "flex"])),
        "billable": draw(st.booleans()),
        "input_tokens": draw(st.sampled_from([whole, None])),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_long_tokens": draw(st.integers(0, written)),
        "output_tokens": output,
        "reasoning_tokens": draw(st.integers(0, output)),
    }


@pytest.fixture(scope="module")
def duck() -> Iterator[Engine]:
    engine = engines.start("duckdb")
    yield engine
    engine.close()


def without_id(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "request_id"} for row in rows]


@settings(max_examples=12)
@given(st.lists(usages(), min_size=1, max_size=8), st.data())
def test_neither_splitting_nor_shuffling_a_batch_changes_a_price(
    duck: Engine, rows: list[dict], data: st.DataObject
) -> None:
    together = without_id(priced(duck, *rows))
    cut = data.draw(st.integers(0, len(rows)))
    apart = [row for part in (rows[:cut], rows[cut:]) if part for row in priced(duck, *part)]
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = without_id(priced(duck, *[rows[at] for at in order]))
    assert together == without_id(apart)
    assert [together[at] for at in order] == shuffled


@settings(max_examples=20)
@given(st.lists(usages(), min_size=1, max_size=6))
def test_the_parts_sum_to_the_cost_and_nothing_is_both_priced_and_guessed(duck: Engine, rows: list[dict]) -> None:
    for row in priced(duck, *rows):
        known = row["cost_usd"] is not None
        assert known == all(row[part] is not None for part in PARTS)
        assert not known or sum(row[part] for part in PARTS) == row["cost_usd"]
        assert not known or row["low_usd"] is row["high_usd"] is None
        assert row["low_usd"] is None or row["low_usd"] <= row["high_usd"]


@settings(max_examples=20)
@given(st.lists(usages(), min_size=1, max_size=6), st.booleans())
def test_64_bits_and_integers_without_end_come_to_the_same_dollars(
    duck: Engine, rows: list[dict], discounted: bool
) -> None:
    book = replace(pricing.load(), user=DISCOUNTED) if discounted else pricing.load()
    whole = priced(duck, *rows, book=book)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arithmetic, "_LIMIT", 0)
        assert priced(duck, *rows, book=book) == whole


def test_a_cost_beyond_64_bits_keeps_its_digits(engine: Engine) -> None:
    dear = user.UserRate(
        None, "dear", "standard", None, None, 0, {"input": Decimal("9.000000000000000001"), "output": Decimal(0)}
    )
    book = replace(pricing.load(), user=user.UserPrices({}, (dear,), ()))
    [found] = priced(engine, {"model": "dear", "input_tokens": 900_000_000_000, "output_tokens": 0}, book=book)
    assert found["cost_usd"] == Decimal("8100000000000.0000009")


def test_a_list_price_that_nobody_knows_is_the_contract_s(engine: Engine) -> None:
    searches = user.UserRate("openai", "gpt-3.5-turbo", "standard", None, None, 0, {"web_searches": Decimal("0.02")})
    book = replace(pricing.load(), user=user.UserPrices({}, (searches,), ()))
    usage = {"model": "gpt-3.5-turbo", "input_tokens": 1000, "output_tokens": 0}
    with_search, without = priced(engine, {**usage, "web_searches": 1}, usage, book=book)
    assert with_search["cost_usd"] == with_search["list_usd"] == mtok("0.5", 1000) + Decimal("0.02")
    assert without["list_usd"] == mtok("0.5", 1000)


DISCOUNTED = user.UserPrices({}, (), (user.Discount(None, None, None, None, Decimal("0.927")),))


def test_counts_beyond_an_integer_s_reach_have_no_cost_and_stop_nothing(engine: Engine) -> None:
    garbage = {"input_tokens": 2**62, "output_tokens": 2**62, "reasoning_tokens": -(2**63) + 1}
    usual = {"input_tokens": 1000, "output_tokens": 0}
    assert [row["cost_usd"] for row in priced(engine, garbage, usual)] == [None, mtok("0.25", 1000)]


def test_a_rate_finer_than_whole_steps_keeps_its_digits(engine: Engine) -> None:
    third = user.UserRate(
        None, "thirds", "standard", None, None, 0, {"input": Decimal("0.000000333333333333"), "output": Decimal(0)}
    )
    book = replace(pricing.load(), user=user.UserPrices({}, (third,), ()))
    [found] = priced(engine, {"model": "thirds", "input_tokens": 3_000_000, "output_tokens": 0}, book=book)
    assert found["cost_usd"] == Decimal("0.999999999999")


def test_a_frame_of_several_slices_comes_back_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing_usage, "SLICE_ROWS", 3)
    models = ["gpt-5-mini", "gpt-99", "gpt-5.6-luna", "gpt-4o", "gpt-5-mini", None, "gpt-4o-mini"]
    rows = [
        {"provider": "openai", "model": m, "started_at": NOVEMBER, "input_tokens": n} for n, m in enumerate(models, 1)
    ]
    found = pricing.price(pl.DataFrame(rows))["cost_usd"].to_list()
    assert found == [mtok("0.25", 1), None, mtok("0.2", 3), mtok("2.5", 4), mtok("0.25", 5), None, mtok("0.15", 7)]


def test_an_empty_frame_comes_back_empty() -> None:
    frame = pl.DataFrame(schema={"provider": pl.String, "model": pl.String, "started_at": pl.Datetime})
    found = pricing.price(frame)
    assert found.is_empty()
    assert found.columns == [*frame.columns, "cost_usd", "list_usd", "priced_by", "price_id"]


def test_a_call_without_a_time_has_no_cost() -> None:
    assert cost("openai", "gpt-5-mini", None, input_tokens=1) is None


def test_a_frame_comes_back_as_it_was_with_four_columns_more() -> None:
    frame = pl.DataFrame(
        {
            "note": ["a", "b", "c"],
            "provider": ["openai"] * 3,
            "model": ["gpt-5-mini", "gpt-99", "gpt-5-mini"],
            "started_at": [NOVEMBER] * 3,
            "input_tokens": [1000, 1, 2000],
        }
    )
    found = pricing.price(frame)
    assert found.drop("cost_usd", "list_usd", "priced_by", "price_id").equals(frame)
    assert found["cost_usd"].to_list() == [mtok("0.25", 1000), None, mtok("0.25", 2000)]
    as_arrow = pricing.price(frame.to_arrow())
    assert isinstance(as_arrow, pa.Table)
    assert as_arrow["cost_usd"].to_pylist() == found["cost_usd"].to_list()


# --- the book --------------------------------------------------------------------------------------


def test_the_book_is_the_one_its_metadata_names() -> None:
    meta = json.loads((books.DATA / "book.json").read_text("utf-8"))
    digest = hashlib.sha256()
    for name in books.TABLES:
        digest.update((books.DATA / f"{name}.parquet").read_bytes())
    assert meta["sha256"] == digest.hexdigest() == pricing.load().sha256
    assert pricing.load().as_of == date.fromisoformat(meta["as_of"])


def test_the_book_has_one_rate_for_one_question() -> None:
    rates = books._read("rates").to_pylist()
    keys = [(r["provider"], r["model"], r["tier"], r["token_class"]) for r in rates]
    spans: dict[tuple, list[tuple]] = {}
    for key, r in zip(keys, rates, strict=True):
        when = (r["valid_from"] or date.min, r["valid_to"] or date.max)
        for hours in books._weeks(r["daily_from_second"], r["daily_to_second"], r["weekdays"]):
            spans.setdefault(key, []).append((*when, *hours, r["from_tokens"], r["to_tokens"] or 2**53))
    for key, found in spans.items():
        for at, one_span in enumerate(found):
            for other in found[at + 1 :]:
                apart = any(one_span[i + 1] <= other[i] or other[i + 1] <= one_span[i] for i in (0, 2, 4))
                assert apart, f"{key}: {one_span} and {other}"


def test_every_rate_says_where_it_is_from() -> None:
    rates = books._read("rates")
    assert set(rates["source"].to_pylist()) == {"genai-prices", "litellm"}
    for name in ("usd_per_unit", "source_version", "checked", "basis", "disputed"):
        assert rates[name].null_count == 0, name


def test_the_book_is_small() -> None:
    assert sum(f.stat().st_size for f in books.DATA.iterdir()) < 1_500_000


def test_show_lists_a_model_with_its_dates_and_sources() -> None:
    found = pricing.show("openai/gpt-5.6-luna", pricing.load())
    luna = found.filter(pl.col("tier") == "standard", pl.col("token_class") == "input", pl.col("from_tokens") == 0)
    assert luna["usd_per_unit"].to_list() == [Decimal("0.000001"), Decimal("0.0000002")]
    assert luna["valid_to"].to_list() == [date(2026, 7, 30), None]
    assert set(found["provider"]) == {"openai"}
    assert len(set(pricing.show("gpt-5.6-luna", pricing.load())["provider"])) > 1


def test_an_unknown_model_is_an_error_with_names_that_look_alike() -> None:
    with pytest.raises(pricing.UnknownModel, match="gpt-5-mini") as caught:
        pricing.show("gpt-5-minni", pricing.load())
    assert "gpt-5-mini" in caught.value.known


def snapshot(version: str, seen: date, **entry: object) -> from_litellm.Snapshot:
    rates = {name: Decimal(str(usd)) if isinstance(usd, float) else usd for name, usd in entry.items()}
    return from_litellm.Snapshot(version, seen, {"acme/large": {"litellm_provider": "acme", "mode": "chat", **rates}})


def test_a_rate_first_seen_in_a_later_release_holds_from_that_day() -> None:
    first = snapshot("1", date(2026, 1, 1), input_cost_per_token=2e-6, output_cost_per_token=4e-6)
    same = snapshot("2", date(2026, 2, 1), input_cost_per_token=2e-6, output_cost_per_token=4e-6)
    cut = snapshot("3", date(2026, 3, 1), input_cost_per_token=1e-6, output_cost_per_token=4e-6)
    [model] = from_litellm.known([cut, first, same])
    assert (model.provider, model.name) == ("acme", "large")
    assert [(p.valid_from, p.valid_to) for p in model.periods] == [(None, date(2026, 3, 1)), (date(2026, 3, 1), None)]
    assert [p.tiers["standard"][0].rates["input"] for p in model.periods] == [Decimal("0.000002"), Decimal("0.000001")]


def test_a_model_at_zero_throughout_has_no_price() -> None:
    assert from_litellm.known([snapshot("1", date(2026, 1, 1), input_cost_per_token=0, output_cost_per_token=0)]) == []


@pytest.mark.slow
def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    prices = snapshot("1", date(2026, 1, 1), input_cost_per_token=2e-6, output_cost_per_token=4e-6)
    digests = {
        compiling.write(*compiling.compile_book(date(2026, 11, 10), [prices]), tmp_path / str(turn)) for turn in (1, 2)
    }
    assert digests == {books.sha256(tmp_path / "1")}


# --- agreement with other calculators --------------------------------------------------------------

TEXT = {
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "output_reasoning_tokens",
    "processing",
    "service_tier",
}


def conformance(kind: str) -> list[dict]:
    if not CONFORMANCE.exists():
        pytest.skip("the conformance cases are not here")
    with gzip.open(CONFORMANCE, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [r for r in rows if set(r["usage"]) <= TEXT and kind in {r.get("agreement"), r["source"].rpartition("-")[2]}]


def as_call(row: dict) -> dict:
    usage = row["usage"]
    long = usage.get("cache_write_1h_tokens", 0)
    at = row.get("at", "2026-11-20T00:00:00Z")
    return {
        "provider": OTEL.get(row["provider"], row["provider"]),
        "model": row["model"],
        "started_at": datetime.fromisoformat(at),
        "service_tier": usage.get("processing") or usage.get("service_tier"),
        "input_tokens": usage.get("input_tokens", 0),
        "cache_read_tokens": usage.get("cache_read_tokens", 0),
        "cache_write_tokens": usage.get("cache_write_tokens", usage.get("cache_write_5m_tokens", 0) + long),
        "cache_write_long_tokens": long,
        "output_tokens": usage.get("output_tokens", 0),
        "reasoning_tokens": usage.get("reasoning_tokens", usage.get("output_reasoning_tokens", 0)),
        **{f.name: usage.get(f.name, 0) for f in USAGE_COLUMNS[6:]},
    }


def misses(rows: list[dict]) -> list[str]:
    found = pricing.price(pl.DataFrame([as_call(row) for row in rows], infer_schema_length=None))
    return [
        f"{row['provider']} {row['model']} {row['case']}: {row['expected_usd']}, ours {ours}"
        for row, ours in zip(rows, found["cost_usd"], strict=True)
        if ours is None or abs(ours - Decimal(row["expected_usd"])) > Decimal("1e-9") * Decimal(row["expected_usd"])
    ]


def test_where_two_calculators_agree_we_agree_with_both() -> None:
    assert misses(conformance("both-agree")) == []


def test_history_is_priced_as_genai_prices_prices_it() -> None:
    assert misses(conformance("history")) == []


SEEN_IN_AUGUST = "price or extraction changed since Aug 2026"
"""Real answers were priced by their source on 21 August 2026; where a price has changed since, that day's is meant."""


def test_real_answers_cost_what_their_source_says() -> None:
    """But for web searches, which the source leaves out of its sums, and for models whose price it has corrected since."""
    rows = [r for r in natives() if not r["usage"].get("web_searches") and r.get("note") != SEEN_IN_AUGUST]
    wrong = misses(rows)
    assert len(rows) > 1200
    assert [line.partition(":")[0] for line in wrong] == [
        "deepseek deepseek-reasoner real-response",  # priced in its source's peak hours; at midnight UTC it is off-peak
        "google google/gemini-2.0-flash-exp",  # :free, and no price list of Google has a `:free`
    ]


def natives() -> list[dict]:
    if not CONFORMANCE.exists():
        pytest.skip("the conformance cases are not here")
    with gzip.open(CONFORMANCE, "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row.get("native")]


def test_sums_worked_out_in_public_threads_are_ours() -> None:
    """But for one whose thread states rates of its own: those go into prices.toml."""
    if not CONFORMANCE.exists():
        pytest.skip("the conformance cases are not here")
    with gzip.open(CONFORMANCE, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["source"].startswith("golden") and row["expected_usd"]]
    assert [line.partition(" (")[0] for line in misses(rows)] == ["custom openai/gpt-5.4"]


def test_rates_keep_eighteen_places() -> None:
    assert (RATE.precision, RATE.scale) == (22, 18)
