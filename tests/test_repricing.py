"""What newer prices make of calls that were reported before: said, explained, and accepted only when told to."""

import json
from decimal import Decimal

import polars as pl
import pytest
from test_cli import llmaudit
from test_export_focus import call

from llmaudit import commands, config, pipeline

CHEAPER = """
[[discount]]
provider = "openai"
percent = "10"
source = "contract 1"
"""

ACME = """
[[model."acme-1".price]]
input_usd_per_token = "0.000002"
output_usd_per_token = "0.000004"
source = "invoice"
"""


def logged(path, *calls):
    path.write_text("".join(json.dumps(line) + "\n" for line in calls), "utf-8")
    return path


@pytest.fixture
def lake(tmp_path):
    """Two calls of gpt-4o at $0.003, and one of a model that nobody prices, reported once."""
    unknown = {
        "request": {"model": "acme-1"},
        "response": {"model": "acme-1", "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
    }
    log = logged(tmp_path / "log.jsonl", call(1), call(2), call(3, provider="acme", **unknown))
    assert llmaudit("report", log, "--lake", tmp_path / "lake", "--quiet").code == 0
    return tmp_path / "lake"


def settings(lake, prices):
    (lake.parent / "prices.toml").write_text(prices, "utf-8")
    return config.load(None, lake=lake, prices=lake.parent / "prices.toml")


def changes(lake, prices, dry_run=True):
    found = commands.reprice(settings(lake, prices), dry_run=dry_run)
    return {(c.model, c.reason): (c.requests, c.before_usd, c.after_usd) for c in found.changes}, found


def repriced_warnings(lake, prices):
    with_prices = pipeline.run(settings(lake, prices))
    with_prices.close()
    return [w for w in with_prices.report["warnings"] if w["kind"] == "repriced"]


def test_a_discount_changes_what_was_reported_and_is_named(lake):
    found, difference = changes(lake, CHEAPER)
    # a tenth off two calls at 0.003
    assert found == {("gpt-4o-2024-08-06", "your prices changed"): (2, Decimal("0.006"), Decimal("0.0054"))}
    assert difference.change_usd == Decimal("-0.0006")
    assert difference.book_before != difference.book_after


def test_a_model_that_gets_a_price_is_newly_priced(lake):
    found, _ = changes(lake, ACME)
    # 10 * 0.000002 + 5 * 0.000004
    assert found == {("acme-1", "newly priced"): (1, Decimal(0), Decimal("0.00004"))}


def test_the_same_prices_change_nothing(lake):
    found, difference = changes(lake, "")
    assert (found, difference.further_requests) == ({}, 0)


def test_calls_taken_in_since_are_no_change_of_price(lake, tmp_path):
    llmaudit("ingest", logged(tmp_path / "more.jsonl", call(4)), "--lake", lake, "--quiet")
    found, difference = changes(lake, CHEAPER)
    assert found == {("gpt-4o-2024-08-06", "your prices changed"): (2, Decimal("0.006"), Decimal("0.0054"))}
    assert difference.further_requests == 1


def test_a_report_says_what_it_rewrites_until_it_is_accepted(lake):
    [said] = repriced_warnings(lake, CHEAPER)
    assert said["usd"] == Decimal("-0.0006")
    assert "2 calls of 2026-10" in said["text"]
    assert repriced_warnings(lake, CHEAPER) == [said], "still not accepted"
    changes(lake, CHEAPER, dry_run=True)
    assert repriced_warnings(lake, CHEAPER) == [said], "a dry run accepts nothing"
    changes(lake, CHEAPER, dry_run=False)
    assert repriced_warnings(lake, CHEAPER) == []


def test_a_report_over_a_window_remembers_nothing(tmp_path):
    log = logged(tmp_path / "log.jsonl", call(1), call(2))
    llmaudit("report", log, "--lake", tmp_path / "lake", "--quiet", "--since", "2026-10-31", "--until", "2026-11-01")
    ended = llmaudit("reprice", "--lake", tmp_path / "lake", "--dry-run")
    assert "No report over this whole lake is remembered yet" in ended.out


def test_the_command_shows_reasons_and_writes_the_price_rows(lake, tmp_path):
    settings(lake, CHEAPER)
    (tmp_path / "llmaudit.toml").write_text('prices = "prices.toml"\n', "utf-8")
    ended = llmaudit("reprice", "--lake", lake, "--config", tmp_path / "llmaudit.toml", "-o", tmp_path / "changes.csv")
    assert "your prices changed: 2 calls, $0.006000 -> $0.005400 (-0.000600)" in ended.out
    assert "The new amounts are remembered now." in ended.out
    [row] = pl.read_csv(tmp_path / "changes.csv").to_dicts()
    assert (row["before_price"], row["after_price"]) == (
        "openai/gpt-4o/standard/ever",
        "openai/gpt-4o/standard/ever+user",
    )


def test_calls_may_be_priced_as_if_made_on_another_day_and_nothing_is_remembered(tmp_path):
    def luna(n, day):
        body = {"model": "gpt-5.6-luna", "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
        return {
            "timestamp": day,
            "provider": "openai",
            "request": {"model": "gpt-5.6-luna"},
            "response": {"id": f"l-{n}", **body},
        }

    lake = tmp_path / "lake"
    log = logged(tmp_path / "log.jsonl", luna(1, "2026-07-20T23:59:59Z"), luna(2, "2026-11-20T00:00:00Z"))
    llmaudit("report", log, "--lake", lake, "--quiet")
    # a dollar a million up to 29 July 2026, 20 cents since
    ended = llmaudit("reprice", "--lake", lake, "--as-of", "2026-11-01", "-o", tmp_path / "then.csv")
    assert ended.out.startswith("As if made on 2026-11-01: $0.001200 -> $0.000400 (-0.000800)")
    [row] = pl.read_csv(tmp_path / "then.csv").to_dicts()
    assert (row["month"], row["reason"], row["requests"]) == ("2026-07-01", "price of that day", 1)
    earlier = llmaudit("reprice", "--lake", lake, "--as-of", "2026-07-29")
    assert earlier.out.startswith("As if made on 2026-07-29: $0.001200 -> $0.002000 (+0.000800)")
    assert "reported before: +0.000000" in llmaudit("reprice", "--lake", lake, "--dry-run").out


def test_another_day_keeps_a_call_s_time_of_day(tmp_path):
    def busy(n, hour):
        body = {"model": "deepseek-v4-pro", "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
        return {
            "timestamp": f"2026-11-21T{hour}:00:00Z",
            "provider": "deepseek",
            "request": {},
            "response": {"id": f"d-{n}", **body},
        }

    lake = tmp_path / "lake"
    log = logged(tmp_path / "log.jsonl", busy(1, "02"), busy(2, "05"))
    llmaudit("report", log, "--lake", lake, "--quiet")
    # a Saturday, quiet all day at 0.66 a million; on Wednesday the hour from 2 is a peak hour at 1.32
    ended = llmaudit("reprice", "--lake", lake, "--as-of", "2026-11-18")
    assert ended.out.startswith("As if made on 2026-11-18: $0.001320 -> $0.001980 (+0.000660)")
