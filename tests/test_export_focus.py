"""FOCUS out: valid rows, worked by hand, that read back to the same sums."""

import csv
import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from conftest import requests_table
from focus_data_toolkit.model.validator import lint_focus_1_4_structure
from hypothesis import given, settings
from small_logs import SAMPLES, book, logs
from test_cli import llmaudit, refused

from llmaudit import config, engine, opening, pricing
from llmaudit.export import focus
from llmaudit.schema import PRICED

MANDATORY = {
    "1.4": "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory "
    "ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost HostProviderName "
    "InvoiceIssuerName ListCost PricingQuantity PricingUnit ServiceCategory ServiceName ServiceProviderName",
    "1.2": "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory "
    "ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName "
    "ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName",
}
MAY_BE_NULL = {"BillingAccountName", "ChargeClass"}

PRICES = """
[[discount]]
provider = "openai"
percent = "20"
source = "contract 1"
"""


def call(number, **fields):
    """1,000 tokens in, 400 of them cached, and 100 out of gpt-4o."""
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}
    return {
        "timestamp": "2026-10-31T23:30:00Z",
        "request_id": f"c{number}",
        "endpoint": "/faq",
        "team": "core",
        "provider": "openai",
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": f"q{number}"}]},
        "response": {"model": "gpt-4o-2024-08-06", "usage": usage},
        **fields,
    }


def claude(number, **fields):
    """2,000 tokens written for five minutes and 1,000 for an hour, 50 out of claude-opus-4-1."""
    creation = {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000}
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 3_000,
        "cache_read_input_tokens": 0,
        "cache_creation": creation,
        "output_tokens": 50,
    }
    answer = {"type": "message", "role": "assistant", "model": "claude-opus-4-1", "content": [], "usage": usage}
    return call(
        number, provider="anthropic", request={"model": "claude-opus-4-1", "messages": []}, response=answer, **fields
    )


@pytest.fixture(scope="module")
def harbor(tmp_path_factory):
    """A lake of the sample logs."""
    lake = tmp_path_factory.mktemp("harbor") / "lake"
    assert llmaudit("ingest", SAMPLES, "--lake", lake, "--quiet").code == 0
    return lake


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    unknown = {"provider": "acme", "request": {"model": "acme-1"}}
    calls = [
        call(1),
        call(2, timestamp="2026-10-31T00:10:00Z"),
        call(3, timestamp="2026-11-01T00:00:00Z", team=None),
        claude(4),
        call(5, **unknown, response={"model": "acme-1", "usage": {"prompt_tokens": 9, "completion_tokens": 9}}),
        call(6, status=500, response=None, error="down"),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in calls), "utf-8")
    return path


def exported(tmp_path, *arguments, name="out/focus.csv"):
    (tmp_path / "out").mkdir(exist_ok=True)
    path = tmp_path / name
    ended = llmaudit("export", "focus", *arguments, "-o", path)
    assert ended.code == 0, ended
    return ended, path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def one(rows, **wanted):
    [found] = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


# --- sums worked by hand ------------------------------------------------------------------------------


def test_a_row_is_the_calls_of_a_day_by_kind_of_token_at_contract_and_list_price(tmp_path, log):
    (tmp_path / "prices.toml").write_text(PRICES, "utf-8")
    (tmp_path / "llmaudit.toml").write_text('prices = "prices.toml"\n', "utf-8")
    _, path = exported(tmp_path, log, "--config", tmp_path / "llmaudit.toml")
    rows = rows_of(path)

    fresh = one(rows, x_TokenType="input", ChargePeriodStart="2026-10-31T00:00:00Z", x_Provider="openai")
    # two calls of 600 fresh tokens at $2.50 a million = 0.003; a fifth less by contract = 0.0024
    assert Decimal(fresh["ConsumedQuantity"]) == 1_200
    assert (fresh["ConsumedUnit"], fresh["PricingUnit"]) == ("Tokens", "1000000 Tokens")
    assert Decimal(fresh["PricingQuantity"]) == Decimal("0.0012")
    assert (Decimal(fresh["ListUnitPrice"]), Decimal(fresh["ContractedUnitPrice"])) == (Decimal("2.5"), Decimal(2))
    assert (Decimal(fresh["ListCost"]), Decimal(fresh["ContractedCost"])) == (Decimal("0.003"), Decimal("0.0024"))
    assert fresh["BilledCost"] == fresh["EffectiveCost"] == fresh["ContractedCost"]
    assert fresh["ChargePeriodEnd"] == "2026-11-01T00:00:00Z"
    assert (fresh["BillingPeriodStart"], fresh["BillingPeriodEnd"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert fresh["BillingAccountId"] == "openai/unnamed"
    assert json.loads(fresh["Tags"]) == {"team": "core", "endpoint": "/faq"}

    cached = one(rows, x_TokenType="cache_read", ChargePeriodStart="2026-10-31T00:00:00Z")
    # 800 tokens at $1.25 a million = 0.001, by contract 0.0008
    assert (Decimal(cached["ListCost"]), Decimal(cached["BilledCost"])) == (Decimal("0.001"), Decimal("0.0008"))
    # the list price names the row, whatever the contract says: one price, one id
    assert "+user" not in cached["SkuPriceId"]
    assert "+user" in cached["x_PriceId"]

    november = [row for row in rows if row["ChargePeriodStart"] == "2026-11-01T00:00:00Z"]
    assert {row["BillingPeriodStart"] for row in november} == {"2026-11-01T00:00:00Z"}
    assert json.loads(november[0]["Tags"]) == {"endpoint": "/faq"}


def test_both_lifetimes_of_a_cache_have_their_own_price(tmp_path, log):
    _, path = exported(tmp_path, log)
    rows = rows_of(path)
    short, long = one(rows, x_TokenType="cache_write"), one(rows, x_TokenType="cache_write_long")
    # claude-opus-4-1: $15 a million, writes for five minutes 1.25 times that, for an hour twice
    assert (Decimal(short["ConsumedQuantity"]), Decimal(short["ListUnitPrice"])) == (2_000, Decimal("18.75"))
    assert (Decimal(long["ConsumedQuantity"]), Decimal(long["ListUnitPrice"])) == (1_000, Decimal(30))
    assert Decimal(short["BilledCost"]) == Decimal("0.0375")
    assert json.loads(short["SkuPriceDetails"])["x_CacheLifetime"] == "5m"
    assert json.loads(long["SkuPriceDetails"])["x_CacheLifetime"] == "1h"


def test_calls_without_a_price_have_no_row_and_are_counted_with_their_interval(tmp_path, log):
    ended, path = exported(tmp_path, log)
    assert not [row for row in rows_of(path) if row["x_Provider"] == "acme"]
    assert "Left out: 1 calls without a price, between $" in ended.out
    assert "Left out: 1 calls that no meter charges" in ended.out


def test_hours_divide_what_a_day_adds_up(tmp_path, log):
    _, days = exported(tmp_path, log)
    _, hours = exported(tmp_path, log, "--grain", "hour", name="out/hours.csv")
    starts = {row["ChargePeriodStart"] for row in rows_of(hours)}
    assert starts == {"2026-10-31T00:00:00Z", "2026-10-31T23:00:00Z", "2026-11-01T00:00:00Z"}
    assert total(rows_of(days), "BilledCost") == total(rows_of(hours), "BilledCost")


def total(rows, name):
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


# --- rules of the specification -----------------------------------------------------------------------


@pytest.mark.parametrize(("version", "grain"), [("1.4", "hour"), ("1.2", "day")])
def test_rows_keep_the_rules_of_the_specification(tmp_path, harbor, version, grain):
    _, path = exported(tmp_path, "--lake", harbor, "--focus-version", version, "--grain", grain)
    rows = rows_of(path)
    columns = list(rows[0])
    assert set(MANDATORY[version].split()) <= set(columns)
    ours = [name for name in columns if name.startswith("x_")]
    assert columns == sorted(set(columns) - set(ours)) + ours, "FOCUS columns first, custom ones last"
    parents = {}
    for row in rows:
        assert not [n for n in MANDATORY[version].split() if not row[n] and n not in MAY_BE_NULL]
        assert not [name for name, value in row.items() if value != "" and not value.strip()]
        for kind in ("List", "Contracted"):
            product = Decimal(row[f"{kind}UnitPrice"]) * Decimal(row["PricingQuantity"])
            assert abs(product - Decimal(row[f"{kind}Cost"])) <= Decimal("1e-11")
        starts, ends = (datetime.fromisoformat(row[f"ChargePeriod{end}"]) for end in ("Start", "End"))
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert (ends - starts).total_seconds() == {"hour": 3_600, "day": 86_400}[grain]
        assert parents.setdefault(row["SkuPriceId"], row["SkuId"]) == row["SkuId"]
        assert (row["SubAccountId"] == "") == (row["SubAccountName"] == "")
        assert all(key.startswith("x_") for key in json.loads(row["SkuPriceDetails"]))
    prices = Counter((row["SkuPriceId"], row["ListUnitPrice"]) for row in rows)
    assert len(prices) == len(parents), "one list price, one SkuPriceId"


@pytest.mark.parametrize("grain", focus.GRAINS)
def test_a_public_linter_of_1_4_finds_nothing(tmp_path, harbor, grain):
    _, path = exported(tmp_path, "--lake", harbor, "--grain", grain)
    declared = ("SupportsUnitPricing", "SupportsMultiplePricingCategories")
    found = lint_focus_1_4_structure("Cost and Usage", rows_of(path), supported_conditions=declared)
    assert not found.messages()
    assert set(found.levels_passed) == {"STRUCTURAL_VALID", "SEMANTIC_VALID"}


def test_that_linter_would_have_found_a_null_cost(tmp_path, log):
    _, path = exported(tmp_path, log)
    rows = [{**row, "ListCost": ""} for row in rows_of(path)]
    assert not lint_focus_1_4_structure("Cost and Usage", rows).ok


# --- read back by our own source ------------------------------------------------------------------------


def charged(path):
    with opening.opened(config.load(None, paths=(str(path),))) as (started, lake, _):
        assert lake.quarantine().is_empty()
        started.run(
            "select provider, model, service_tier, token_class, cast(sum(quantity) as bigint) as quantity, "
            "sum(list_cost) as list_usd, sum(billed_cost) as billed_usd from charges group by all order by all",
            "charged",
            {},
        )
        return pl.DataFrame(started.fetch("charged"))


@pytest.mark.parametrize("name", ["out/focus.csv", "out/focus.parquet"])
def test_the_file_reads_back_to_the_same_tokens_and_the_same_money(tmp_path, harbor, name):
    _, path = exported(tmp_path, "--lake", harbor, name=name)
    with opening.opened(config.load(None, lake=harbor)) as (started, _, _):
        started.run(
            "select sum(cost_usd) as cost_usd, sum(list_usd) as list_usd, cast(sum(input_tokens + output_tokens) as bigint) as tokens, "
            "cast(sum(cache_read_tokens) as bigint) as cached from requests where billable and cost_usd is not null",
            "told",
            {},
        )
        [told] = started.fetch("told").to_pylist()
    back = charged(path)
    assert back["billed_usd"].sum() == told["cost_usd"]
    assert back["list_usd"].sum() == told["list_usd"]
    assert back["quantity"].sum() == told["tokens"]
    assert back.filter(pl.col("token_class") == "cache_read")["quantity"].sum() == told["cached"]


def test_provider_model_and_tier_read_back_as_the_log_had_them(tmp_path):
    log = tmp_path / "log.jsonl"
    answer = {"model": "gemini-2.5-flash", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    calls = [call(1), call(2, provider="gcp.gemini", request={"model": "gemini-2.5-flash"}, response=answer)]
    calls[0]["request"]["service_tier"] = "batch"
    calls[0]["response"]["service_tier"] = "batch"
    log.write_text("".join(json.dumps(line) + "\n" for line in calls), "utf-8")
    _, path = exported(tmp_path, log)
    assert set(charged(path).select("provider", "model", "service_tier").iter_rows()) == {
        ("openai", "gpt-4o-2024-08-06", "batch"),
        ("gcp.gemini", "gemini-2.5-flash", "standard"),
    }


@settings(max_examples=8)
@given(rows=logs())
def test_whatever_the_log_the_file_comes_to_what_its_calls_do(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("focus")
    started = engine.start()
    try:
        started.put("calls", requests_table([dict(row) for row in rows], PRICED))
        pricing.price_usage(started, "calls", "money", book())
        started.run(
            "select c.* replace (m.cost_usd as cost_usd, m.list_usd as list_usd, m.priced_by as priced_by, "
            "m.price_id as price_id, m.input_usd as input_usd, m.cache_read_usd as cache_read_usd, "
            "m.cache_write_usd as cache_write_usd, m.cache_write_long_usd as cache_write_long_usd, "
            "m.output_usd as output_usd, m.other_usd as other_usd) from calls as c join money as m using (request_id)",
            "requests",
            {},
        )
        started.run("select coalesce(sum(cost_usd), 0) as usd from requests where billable", "sum_of_calls", {})
        [told] = started.fetch("sum_of_calls").to_pylist()
        if not told["usd"]:
            return
        written = focus.write(started, book(), folder / "focus.csv", grain="hour")
    finally:
        started.close()
    assert written.contracted_usd == told["usd"]
    assert charged(folder / "focus.csv")["billed_usd"].sum() == told["usd"]


# --- what the contract adds and takes off -----------------------------------------------------------------

TERMS = """
[[free_tier]]
name = "first tokens"
provider = "openai"
token_class = "input"
units_per_month = 600

[[credit]]
name = "launch"
provider = "anthropic"
amount_usd = "0.05"

[[commitment]]
name = "ea"
amount_usd = "1"
"""
UNMET = TERMS.replace('"1"', '"1000"')


@pytest.fixture
def terms(tmp_path):
    """Settings of a contract with a free tier, a credit and a commitment that nobody meets."""
    return agreed(tmp_path, TERMS)


def agreed(tmp_path, text):
    (tmp_path / "prices.toml").write_text(text, "utf-8")
    (tmp_path / "llmaudit.toml").write_text('prices = "prices.toml"\n', "utf-8")
    return tmp_path / "llmaudit.toml"


def test_free_tiers_credits_and_true_ups_are_charges_of_their_own(tmp_path, log, terms):
    ended, path = exported(tmp_path, log, "--config", terms)
    lines = {
        (row["ChargeCategory"], row["ChargeDescription"], row["ChargePeriodStart"]): Decimal(row["BilledCost"])
        for row in rows_of(path)
        if row["ChargeCategory"] != "Usage"
    }
    november = "2026-11-01T00:00:00Z"
    october = "2026-10-01T00:00:00Z"
    # October has 1,200 fresh tokens of gpt-4o for $0.003, November 600 for $0.0015: 600 a month are free.
    # The hour and the 5 minutes of Claude come to $0.0714, of which the credit pays $0.05.
    # $1 a month: the log covers one day of October's 31 and one of November's 30.
    usage = {october: Decimal("0.0015") + Decimal("0.001") + Decimal("0.002"), november: Decimal("0.0015")}
    claude = Decimal("0.00015") + Decimal("0.0375") + Decimal("0.03") + Decimal("0.00375")
    assert lines["Credit", "Free tier: first tokens, gpt-4o-2024-08-06", october] == Decimal("-0.0015")
    assert lines["Credit", "Free tier: first tokens, gpt-4o-2024-08-06", november] == Decimal("-0.0015")
    assert lines["Credit", "Credit: launch, claude-opus-4-1", october] == Decimal("-0.05")
    places = Decimal("1e-12")
    owed = [(1 / Decimal(days)).quantize(places) for days in (31, 30)]
    # spend paid from credits does not meet the commitment
    met = [usage[october] + claude - Decimal("0.05"), Decimal("0.0005") + Decimal("0.001")]
    assert lines["Adjustment", "True-up of commitment: ea", october] == owed[0] - met[0]
    assert lines["Adjustment", "True-up of commitment: ea", november] == owed[1] - met[1]
    assert "And 5 charges of the contract" in ended.out


def test_the_file_comes_to_what_the_report_says_is_due(tmp_path, harbor):
    terms = agreed(tmp_path, UNMET)
    _, path = exported(tmp_path, "--lake", harbor, "--config", terms)
    report = tmp_path / "report.json"
    assert llmaudit("report", "--lake", harbor, "--config", terms, "-o", report, "--quiet", "--levers", "").code == 0
    due = json.loads(report.read_text("utf-8"), parse_float=Decimal)["prices"]["due"]["due_usd"]
    assert round(total(rows_of(path), "BilledCost"), 6) == due
    back = charged(path)
    assert back["billed_usd"].sum() == total(rows_of(path), "BilledCost")
    assert back.filter(pl.col("token_class").is_null())["billed_usd"].sum() == total(
        [row for row in rows_of(path) if row["ChargeCategory"] != "Usage"], "BilledCost"
    )


@pytest.mark.parametrize("version", focus.VERSIONS)
def test_charges_of_the_contract_keep_the_rules(tmp_path, harbor, version):
    terms = agreed(tmp_path, UNMET)
    _, path = exported(tmp_path, "--lake", harbor, "--config", terms, "--focus-version", version)
    rows = rows_of(path)
    others = [row for row in rows if row["ChargeCategory"] != "Usage"]
    assert {row["ChargeCategory"] for row in others} == {"Credit", "Adjustment"}
    for row in others:
        assert len({row[f"{kind}Cost"] for kind in ("Billed", "Contracted", "Effective", "List")}) == 1
        assert not [name for name in ("ConsumedQuantity", "PricingQuantity", "SkuId", "SkuPriceId") if row[name]]
        assert not [n for n in MANDATORY[version].split() if not row[n] and n not in {*MAY_BE_NULL, *PRICED_ONLY}]
    if version == "1.4":
        declared = ("SupportsUnitPricing", "SupportsMultiplePricingCategories")
        assert not lint_focus_1_4_structure("Cost and Usage", rows, supported_conditions=declared).messages()


PRICED_ONLY = {"PricingQuantity", "PricingUnit"}
"""Null where nothing was used."""


# --- labels and what cannot be written -------------------------------------------------------------------


def test_labels_travel_as_they_are_if_asked_for(tmp_path):
    log = tmp_path / "log.jsonl"
    tags = {"cost centre": '=cmd|"x"', "run": 7, "deep": {"a": [1]}, "left": "out"}
    log.write_text(json.dumps(call(1, tags=tags)) + "\n" + json.dumps(call(2)) + "\n", "utf-8")
    _, path = exported(tmp_path, log, "--tags", "cost centre,run,deep")
    fresh = [json.loads(row["Tags"]) for row in rows_of(path) if row["x_TokenType"] == "input"]
    assert {"cost centre": '=cmd|"x"', "run": 7, "deep": '{"a": [1]}', "team": "core", "endpoint": "/faq"} in fresh
    assert {"team": "core", "endpoint": "/faq"} in fresh


def test_what_cannot_be_written_is_said_before_any_work(tmp_path, log):
    assert "FOCUS files are .csv or .parquet" in refused("export", "focus", log, "-o", tmp_path / "focus.xlsx")
    assert "there is no folder" in refused("export", "focus", log, "-o", tmp_path / "no" / "focus.csv")
    assert "Nothing to export" in refused("export", "focus", "-o", tmp_path / "focus.csv")


def test_a_log_of_which_nothing_is_priced_makes_no_file(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(
        json.dumps(
            call(
                1,
                provider="acme",
                request={"model": "acme-1"},
                response={"model": "acme-1", "usage": {"prompt_tokens": 9, "completion_tokens": 9}},
            )
        )
        + "\n",
        "utf-8",
    )
    assert "None of 1 calls has a price" in refused("export", "focus", log, "-o", tmp_path / "focus.csv")
    assert not Path(tmp_path / "focus.csv").exists()
