"""Bills and providers' own counts without a single call: the report is of use all the same, and nothing is added up twice."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from llmaudit import pipeline
from llmaudit.config import AuditConfig
from llmaudit.report import markdown

HERE = Path(__file__).parent
SAMPLES = HERE / "data" / "sources"
SCHEMA = json.loads((HERE.parent / "llmaudit" / "report" / "report.schema.json").read_text("utf-8"))


def report_of(*paths, **settings):
    ended = pipeline.run(AuditConfig(paths=tuple(str(path) for path in paths), **settings))
    ended.close()
    return ended.report


@pytest.fixture
def focus(tmp_path):
    """A bill in FOCUS words. A row is what it says besides where and when it belongs."""

    def write(name, *rows):
        common = {"BillingAccountId": "b-1", "ServiceName": "Amazon Bedrock", "ServiceCategory": "AI and Machine Learning", "ProviderName": "AWS", "BillingCurrency": "USD",
                  "ChargeCategory": "Usage", "ChargePeriodStart": "2026-10-07T00:00:00Z", "ChargePeriodEnd": "2026-10-08T00:00:00Z"}  # fmt: skip
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as out:
            table = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in common | row)))
            table.writeheader()
            table.writerows([common | row for row in rows])
        return path

    return write


def parts(bill, dimension):
    return {row["key"]: row["billed"] for row in bill["by"][dimension]}


def test_a_cost_and_usage_report_alone_says_what_was_billed_for_what_and_when():
    report = report_of(SAMPLES / "aws_cur" / "harbor-cur2-00001.csv")
    [bill] = report["billed"]
    classic = Decimal("0.072") + Decimal("0.09015") + Decimal("0.15") + Decimal("0.012")
    usage = classic + Decimal("13.5") + Decimal("0.6") + Decimal("1.875") + Decimal("0.1") + Decimal("0.006")
    assert (bill["source"], bill["currency"], bill["billed"]) == (
        "aws_cur",
        "USD",
        usage - Decimal("0.05") + Decimal("3.1"),
    )
    assert parts(bill, "charge_category") == {"Usage": usage, "Credit": Decimal("-0.05"), "Tax": Decimal("3.1")}
    for dimension in ("model", "token_class", "account_id", "day", "provider"):
        assert sum(parts(bill, dimension).values()) == bill["billed"], dimension
    assert {row["key"]: row["tokens"] for row in bill["by"]["token_class"]}["cache_read"] == 300_500 + 2_000_000
    assert (report["window"]["start"][:10], report["totals"]["requests"]) == (bill["start"][:10], 0)


def test_two_bills_of_one_spend_stand_side_by_side_and_are_said_to_overlap(focus):
    exported = focus("focus.csv", {"BilledCost": "4", "SkuMeter": "NovaLite input tokens"})
    report = report_of(SAMPLES / "aws_cur" / "harbor-cur2-00001.csv", exported)
    assert [bill["source"] for bill in report["billed"]] == ["aws_cur", "focus"]
    [warning] = [each for each in report["warnings"] if each["kind"] == "bills_overlap"]
    assert warning["usd"] == 4
    assert "aws_cur and focus" in warning["text"]


def test_two_currencies_of_one_file_are_two_bills(focus):
    path = focus("focus.csv", {"BilledCost": "4"}, {"BilledCost": "7", "BillingCurrency": "EUR"})
    assert [(bill["currency"], bill["billed"]) for bill in report_of(path)["billed"]] == [("EUR", 7), ("USD", 4)]


def test_what_a_column_does_not_say_for_every_line_is_unknown_in_whole(focus):
    [bill] = report_of(focus("focus.csv", {"BilledCost": "4", "ListCost": "5"}, {"BilledCost": "1", "ListCost": ""}))[
        "billed"
    ]
    assert (bill["billed"], bill["list"], bill["effective"], bill["tokens"]) == (5, None, None, None)


def test_a_day_of_a_bill_is_a_day_of_the_reports_timezone(focus):
    hour = {"ChargePeriodStart": "2026-10-07T23:00:00Z", "ChargePeriodEnd": "2026-10-08T00:00:00Z", "BilledCost": "4"}
    [bill] = report_of(focus("focus.csv", hour), timezone="Europe/Berlin")["billed"]
    assert parts(bill, "day") == {"2026-10-08": 4}


def test_counts_of_a_provider_alone_say_what_was_used_and_when():
    report = report_of(SAMPLES.parents[2] / "sample_logs" / "openai_usage")
    [export] = report["counted"]
    assert report["window"]["days"] == 31
    assert (export["source"], export["requests"]) == ("openai_usage", 1_289)
    for dimension in ("model", "day", "project"):
        assert sum(row["input_tokens"] for row in export["by"][dimension]) == export["input_tokens"], dimension
    assert export["reasoning_tokens"] is None


@pytest.mark.parametrize("sample", ["aws_cur/harbor-cur2-00001.csv", "openrouter_activity/activity.json", "focus/harbor-focus-1-4.csv"])  # fmt: skip
def test_such_a_report_keeps_its_schema_and_shows_it_on_the_page(sample):
    report = report_of(SAMPLES / sample)
    jsonschema.validate(json.loads(json.dumps(report, default=float)), SCHEMA)
    page = markdown.to_markdown(report)
    assert "What was billed" in page or "What providers counted" in page
    assert all(
        line["status"] == "skipped" for line in report["analyses"] if line["id"] in ("failed_calls", "duplicates")
    )


@pytest.mark.slow
def test_bills_and_counts_are_never_added_to_the_calls():
    logs = SAMPLES.parents[2] / "sample_logs"
    alone = report_of(logs / "plain_jsonl")
    beside = report_of(logs / "plain_jsonl", logs / "openai_usage", SAMPLES / "aws_cur" / "harbor-cur2-00001.csv")
    assert beside["totals"] == alone["totals"]
    assert beside["plan"]["baseline_usd"] == alone["plan"]["baseline_usd"]
