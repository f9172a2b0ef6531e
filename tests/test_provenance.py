"""The way from a total to its source, as docs/provenance.md walks it: every query there runs, and leads where it says."""

import re
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from small_logs import SAMPLES

from llmaudit import asking, config
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

PAGE = (Path(__file__).parents[1] / "docs" / "provenance.md").read_text("utf-8")
QUERIES = re.findall(r'llmaudit query "([^"]+)" --lake LAKE', PAGE)
BILL = re.compile(r"^select .* from (charges|requests) where ")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> config.AuditConfig:
    folder = tmp_path_factory.mktemp("provenance")
    opened = Lake.open(folder / "lake", create=True, text="none")
    paths = [
        SAMPLES / name
        for name in ("plain_jsonl/data-2026-10.jsonl", "litellm_callback", "openai_costs", "openai_usage")
    ]
    ingest(opened, [str(path) for path in paths], spool=folder)
    return config.load(None, lake=folder / "lake")


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_every_query_of_the_page_finds_rows(lake: config.AuditConfig, number: int) -> None:
    assert asking.ask(lake, QUERIES[number]).height > 0


def test_tokens_times_prices_are_the_cost_once_more(lake: config.AuditConfig) -> None:
    rows = asking.ask(lake, next(sql for sql in QUERIES if "again_usd" in sql))
    assert rows.height == 26
    assert rows.filter(pl.col("cost_usd") != pl.col("again_usd").cast(pl.Decimal(38, 12))).is_empty()


def test_a_price_leads_to_who_published_it_and_when(lake: config.AuditConfig) -> None:
    rows = asking.ask(lake, "select * from prices where model = 'gpt-6.1-sol' and token_class = 'output'")
    assert rows["usd_per_unit"].to_list() == [Decimal("0.00001")]
    assert rows["source"][0] == "genai-prices"
    assert rows["checked"][0] is not None


def test_the_rows_beside_a_class_of_a_bill_are_the_lines_it_is_about(lake: config.AuditConfig) -> None:
    [bill] = asking.bills(lake)
    for part in bill["classes"]:
        assert asking.ask(lake, part["rows"]).height > 0
    unlogged = next(part for part in bill["classes"] if part["class"] == "unlogged_traffic")
    assert BILL.match(unlogged["rows"])
