"""The report's tables as files: all their digits, sums that tie, and no formula that a spreadsheet would run."""

import json
from decimal import Decimal
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import polars as pl
import pytest
from test_cli import llmaudit, refused
from test_export_focus import call

from llmaudit.export import tables

EVIL = '=HYPERLINK("http://x","y")'


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    calls = [
        call(1, team=EVIL),
        call(2, team="+1"),
        call(3, team="core"),
        call(4, team=None, status=500, response=None, error="down"),
    ]
    calls += [
        call(
            n,
            team="core",
            request={"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]},
        )
        for n in (5, 6)
    ]
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in calls) + "{broken\n", "utf-8")
    (folder / "llmaudit.toml").write_text('[allocation]\nby = ["team"]\nunattributed = "even"\n', "utf-8")
    return path


def exported(log, how):
    folder = log.parent / how
    if not folder.exists():
        ended = llmaudit(
            "export", "tables", log, "-o", folder, "--format", how, "--config", log.parent / "llmaudit.toml"
        )
        assert ended.code == 0, ended
    return folder


def table(log, name):
    return pl.read_parquet(exported(log, "parquet") / f"{name}.parquet")


def test_every_way_of_dividing_spend_comes_to_the_total(log):
    totals = dict(table(log, "totals").select("name", "usd").rows())
    assert totals["cost_usd"] == Decimal("0.015")  # five calls at 0.003
    files = sorted(exported(log, "parquet").glob("spend_by_*.parquet"))
    assert len(files) > 10
    for path in files:
        assert pl.read_parquet(path)["cost_usd"].sum() == totals["cost_usd"], path.name


def test_the_other_tables_tie_too(log):
    spent = Decimal("0.015")
    assert table(log, "allocation_by_team")["allocated_usd"].sum() == spent
    assert table(log, "prices_used")["cost_usd"].sum() == spent
    plan = table(log, "plan")
    assert plan["in_order_usd"].sum() == spent - plan["after_usd"][-1]


def test_prices_used_name_who_published_them(log):
    [row] = table(log, "prices_used").filter(pl.col("price_id").is_not_null()).to_dicts()
    assert row["price_id"] == "openai/gpt-4o/standard/ever"
    assert row["source"] in ("genai-prices", "litellm")
    assert row["checked"] >= "2025-01-01"


def test_a_csv_has_all_digits_and_runs_nothing(log):
    text = (exported(log, "csv") / "spend_by_team.csv").read_text("utf-8")
    assert "0.003000000000" in text
    assert "\n'+1," in text
    assert "\"'=HYPERLINK" in text
    assert "\n=" not in text
    quarantined = (exported(log, "csv") / "quarantine.csv").read_text("utf-8")
    assert "{broken" in quarantined


def test_parquet_has_the_texts_as_they_were(log):
    assert EVIL in table(log, "spend_by_team")["key"].to_list()


def test_a_workbook_has_a_sheet_a_table_and_no_formula(log):
    with ZipFile(exported(log, "xlsx") / tables.WORKBOOK) as book:
        names = [
            sheet.get("name")
            for sheet in ET.fromstring(book.read("xl/workbook.xml")).iter()
            if sheet.tag.endswith("}sheet")
        ]
        sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert {"totals", "spend_by_team", "findings", "prices_used"} <= set(names)
    assert not [sheet for sheet in sheets if "<f>" in sheet]
    assert any("0.003" in sheet for sheet in sheets)


def test_what_cannot_be_written_is_said(log, tmp_path):
    assert "this is a file" in refused("export", "tables", log, "-o", log)
    assert "Nothing to export" in refused("export", "tables", "-o", tmp_path)
