"""The audit as a notebook holds it: its frames, its questions, how it shows itself and what it says to mistakes."""

import json
import re
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import altair as alt
import polars as pl
import pytest
from small_logs import record, sample_audit, write_log

import llmaudit
from llmaudit.errors import AuditError, UnknownName
from llmaudit.notebook import CHARTS, DIMENSIONS

HERE = Path(__file__).parent
MINUTE, HOUR, WEEK = 60, 3_600, 604_800
MOVED = ("/support/route", "/catalog/extract")


@pytest.fixture(scope="module")
def audit():
    return sample_audit()


@pytest.fixture
def log(tmp_path):
    """Two calls late in the evening of New York, one of them without a price and one that failed and was free."""
    times = ["2026-10-01T23:00:00Z", "2026-10-02T03:30:00Z", "2026-10-02T03:40:00Z", "2026-10-02T05:00:00Z"]
    unknown = {"provider": "acme", "model": "acme-1"}
    free = {"status": 429, "error": "rate limit", "response": None, "provider": "acme", "model": "acme-1"}
    changes = [{}, unknown, free, {"team": "shop"}]
    records = [record(n, at, **change) for n, (at, change) in enumerate(zip(times, changes, strict=True))]
    return write_log(tmp_path / "log.jsonl", records)


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [["team", "model"], "endpoint", ["day"], ["service_tier", "status"]])
def test_spend_adds_up_however_it_is_divided(audit, by):
    rows = audit.spend(by=by)
    assert rows["cost_usd"].sum() == audit.data["totals"]["cost_usd"]
    assert rows["requests"].sum() == audit.data["totals"]["requests"]
    assert rows["share"].sum() == pytest.approx(1)
    assert rows["cost_usd"].drop_nulls().is_sorted(descending=True)
    assert rows.columns[:-5] == ([by] if isinstance(by, str) else by)


def test_endpoints_found_without_a_label_show_their_wording_and_what_they_cost(audit):
    found = audit.endpoints()
    spent = dict(audit.spend(by="endpoint").select("endpoint", "cost_usd").rows())
    assert found.height > 0
    for row in found.to_dicts():
        assert row["cost_usd"] == spent.get(row["endpoint"])
        assert row["requests"] is None or row["requests"] >= row["sampled"]
        assert 1 <= len(row["examples"]) <= 3
        fixed = [word for word in row["template"].split() if word != "{…}"]
        assert all(word in " ".join(row["examples"]).lower() for word in fixed[:3])


@pytest.mark.parametrize(
    "dimension",
    [
        "provider",
        "model",
        "endpoint",
        "team",
        "user_id",
        "service_tier",
        "region",
        "environment",
        "source",
        "day",
    ],
)
def test_spend_says_what_the_report_says(audit, dimension):
    said = {line["key"]: (line["requests"], line["cost_usd"]) for line in audit.data["spend"][dimension]}
    rows = audit.spend(by=dimension)
    assert {key: (n, usd) for key, n, usd in rows.select(dimension, "requests", "cost_usd").iter_rows()} == said


def test_every_dimension_can_be_asked_for(audit):
    for name in DIMENSIONS:
        assert audit.spend(name)["requests"].sum() == audit.data["totals"]["requests"]


def test_days_are_those_of_the_zone_and_unknown_money_is_null(log):
    with llmaudit.audit(log, timezone="America/New_York") as audit:
        days = dict(audit.spend("day").select("day", "requests").iter_rows())
        costs = dict(audit.spend("model").select("model", "cost_usd").iter_rows())
    assert days == {"2026-10-01": 3, "2026-10-02": 1}
    assert costs == {"gpt-4o-2024-08-06": Decimal("0.0070"), "acme-1": None}


def test_findings_are_the_report_s_largest_first(audit):
    rows = audit.findings()
    assert rows["id"].to_list() == [finding["id"] for finding in audit.data["findings"]]
    assert rows["expected_usd"].is_sorted(descending=True)
    assert rows["expected_usd"].dtype == pl.Decimal(38, 12)


def test_the_plan_sums_to_its_saving(audit):
    plan = audit.data["plan"]
    assert audit.plan()["in_order_usd"].sum() == plan["headline_saving_usd"]
    assert audit.plan(with_evaluation=True)["shapley_usd"].sum() == plan["with_evaluation"]["saving_usd"]


def test_verdicts_carry_their_evidence(audit):
    rows = audit.fine_tune()
    assert rows["endpoint"].to_list() == [line["endpoint"] for line in audit.data["fine_tune"]]
    moved, _ = rows.filter(pl.col("verdict") == "move").iter_rows(named=True)
    assert moved["low"] <= moved["estimate"] <= moved["high"]
    assert moved["saving_usd"] > 0


def test_frames_keep_their_columns_where_there_is_nothing_to_say(tmp_path, audit):
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-01T08:00:00Z")])
    with llmaudit.audit(log, levers=["fine_tune"]) as empty:
        for name in ("findings", "plan", "fine_tune"):
            mine, known = getattr(empty, name)(), getattr(audit, name)()
            assert mine.schema == known.schema
        assert (empty.findings().height, empty.plan().height) == (0, 0)


# --- what if --------------------------------------------------------------------------------------


def test_what_if_pulls_the_levers_in_their_order_and_sums_to_their_joint_saving(audit):
    rows = audit.what_if([llmaudit.FineTune(["/support/route"]), llmaudit.ExactDuplicates(), llmaudit.FailedCalls()])
    assert rows["lever"].to_list() == ["failed_calls", "exact_duplicates", "fine_tune"]
    every = audit.what_if(reversed(audit._run.levers))
    assert every["in_order_usd"].sum() == audit.data["plan"]["with_evaluation"]["saving_usd"]
    assert every.equals(audit.plan(with_evaluation=True))


def test_a_longer_kept_answer_saves_more(audit):
    saved = {
        ttl: audit.what_if([llmaudit.ExactDuplicates(ttl_seconds=ttl)])["in_order_usd"].sum()
        for ttl in (MINUTE, HOUR, WEEK)
    }
    said = {line["ttl_seconds"]: line["saving_usd"] for line in audit.data["duplicates"]["by_ttl"]}
    assert saved[MINUTE] < saved[HOUR] < saved[WEEK]
    assert all(abs(saved[ttl] - said[ttl]) < Decimal("0.000001") for ttl in saved)


def test_what_if_of_one_lever_needs_no_list(audit):
    one = llmaudit.ExactDuplicates(ttl_seconds=HOUR)
    assert audit.what_if(one).equals(audit.what_if([one]))


def test_what_if_nothing_is_pulled_nothing_is_saved(audit):
    assert audit.what_if([]).height == 0


def test_fine_tuning_asked_about_saves_what_the_plan_says_it_does_net(audit):
    [whole] = audit.what_if(llmaudit.FineTune())["in_order_usd"]
    [planned] = audit.plan(with_evaluation=True).filter(lever="fine_tune")["standalone_usd"]
    assert whole.quantize(planned) == planned
    by_endpoint = [audit.what_if(llmaudit.FineTune([name]))["in_order_usd"][0] for name in MOVED]
    assert sum(by_endpoint) == whole
    [in_two_months] = audit.what_if(llmaudit.FineTune(spread_days=60))["in_order_usd"]
    assert 0 < in_two_months < whole  # what is paid once has to come back sooner


def test_fine_tuning_at_a_model_s_price_is_gross_and_for_any_endpoint(audit):
    [spent] = audit.spend("endpoint").filter(endpoint="/content/summarise")["cost_usd"]
    named = llmaudit.FineTune(["/content/summarise"], target_provider="openai", target_model="gpt-4o-mini")
    [saved] = audit.what_if(named)["in_order_usd"]
    assert 0 < saved < spent


def test_fine_tuning_what_nothing_speaks_for_says_why(audit):
    with pytest.raises(AuditError, match=r"/content/summarise could move and save: keep\. Only 83 .* target_model="):
        audit.what_if(llmaudit.FineTune(["/content/summarise"]))
    with pytest.raises(UnknownName, match="No endpoint called '/support/rout'"):
        audit.what_if(llmaudit.FineTune(["/support/rout"]))


def test_what_if_says_what_it_takes(audit):
    with pytest.raises(AuditError, match=r"ExactDuplicates\(ttl_seconds=60\), not <class"):
        audit.what_if([llmaudit.ExactDuplicates])


# --- questions ------------------------------------------------------------------------------------


def test_sql_sees_the_priced_calls(audit):
    [(total,)] = audit.sql("select sum(cost_usd) from requests;").rows()
    assert total == audit.data["totals"]["cost_usd"]


@pytest.mark.parametrize(
    "table",
    ["requests", "charges", "usage", "prices", "texts", "ingests", "quarantine", "finding_calls", "duplicates"],
)
def test_sql_sees_every_table_it_names(audit, table):
    assert audit.sql(f"select count(*) as n from {table}")["n"].item() > 0


def test_sql_sees_decisions_before_there_are_any(audit):
    assert audit.sql("select finding_id, status from decisions").is_empty()


def test_usage_is_what_the_provider_counted_even_after_a_replay(audit):
    audit.what_if([llmaudit.FailedCalls()])
    assert "usage_id" in audit.sql("select * from usage limit 1").columns


@pytest.mark.parametrize("wrong", ["selec 1", "select nothing from requests", "select * from bills_of_mars", ""])
def test_a_mistake_in_sql_names_the_tables_there_are(audit, wrong):
    with pytest.raises(AuditError, match="Tables: requests, charges, usage, prices, texts, ingests, quarantine"):
        audit.sql(wrong)


def test_a_dimension_nobody_knows_is_named_beside_those_there_are(audit):
    with pytest.raises(UnknownName, match="No dimension called 'mood'"):
        audit.spend(by=["mood"])
    with pytest.raises(AuditError, match="Name at least one column"):
        audit.spend(by=[])


# --- how it shows itself --------------------------------------------------------------------------


def test_its_repr_is_one_line_with_calls_money_and_findings(audit):
    text = repr(audit)
    assert re.fullmatch(r"Audit\(1,610 calls, \$6\.66, headline saving \$0\.67, \d+ findings\)", text)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_it_shows_its_whole_report_in_a_frame_where_no_script_can_run(audit):
    tags = Tags()
    tags.feed(audit._repr_html_())
    [(tag, attributes)] = tags.found
    assert tag == "iframe"
    assert attributes["sandbox"] is None  # nothing is allowed
    assert "<html" in attributes["srcdoc"]


def test_what_a_log_says_cannot_leave_the_frame(tmp_path):
    evil = '"></iframe><script>alert(1)</script>'
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-01T08:00:00Z", endpoint=evil, team="'\"><b>")])
    with llmaudit.audit(log) as audit:
        shown = audit._repr_html_()
    assert shown.count("<") == 2  # <iframe ...> and </iframe>
    assert shown.count('"') == 6  # srcdoc, style and title
    assert "<script" not in shown


@pytest.mark.parametrize("name", CHARTS)
def test_each_chart_is_an_altair_object(audit, name):
    chart = audit.chart(name)
    assert isinstance(chart, alt.TopLevelMixin)
    assert chart.to_dict()["$schema"]


def test_a_chart_nobody_knows_is_named_beside_those_there_are(audit):
    with pytest.raises(UnknownName, match="spend_by_day"):
        audit.chart("pie")


@pytest.mark.parametrize("ending", [".html", ".json", ".md"])
def test_the_report_is_written_as_its_ending_says(audit, tmp_path, ending):
    path = audit.report(tmp_path / f"report{ending}")
    text = path.read_text("utf-8")
    assert {".html": text.startswith("<!"), ".json": "schema_version" in text, ".md": text.startswith("#")}[ending]


def test_a_report_with_another_ending_is_refused(audit, tmp_path):
    with pytest.raises(AuditError, match=r"\.html, \.json or \.md"):
        audit.report(tmp_path / "report.docx")


# --- opening and closing --------------------------------------------------------------------------


def test_a_lake_gives_the_report_that_its_files_gave(log, tmp_path):
    with llmaudit.audit(log, lake=tmp_path / "lake", as_of="2026-11-01") as first:
        whole = first.data
    with llmaudit.open_lake(str(tmp_path / "lake"), as_of=date(2026, 11, 1)) as again:
        assert json.dumps(again.data, default=str) == json.dumps(whole, default=str)


def test_a_closed_audit_keeps_its_report_and_says_that_its_tables_are_gone(log, tmp_path):
    with llmaudit.audit(str(log)) as audit:
        assert audit.data["totals"]["requests"] == 4
    audit.close()
    assert audit.report(tmp_path / "report.json").exists()
    for ask in (lambda: audit.sql("select 1"), audit.spend, lambda: audit.what_if([llmaudit.FailedCalls()])):
        with pytest.raises(AuditError, match="This audit is closed"):
            ask()


def test_days_may_be_written_as_text(log):
    with llmaudit.audit(log, since="2026-10-02", until=datetime.fromisoformat("2026-10-03T10:00:00")) as audit:
        assert audit.data["totals"]["requests"] == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sinse": "2026-10-01"}, "No setting called 'sinse'"),
        ({"since": "yesterday"}, "since='yesterday' is no day"),
        ({"timezone": "Mars/Olympus"}, "No timezone called 'Mars/Olympus'"),
        ({"levers": ["magic"]}, "No lever called 'magic'"),
        ({"engine": "abacus"}, "No engine called 'abacus'"),
        ({"source": "nobody"}, "nobody"),
        ({"since": "2026-10-02", "until": "2026-10-01"}, "is not before"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_named(log, settings, said):
    with pytest.raises(AuditError, match=re.escape(said)):
        llmaudit.audit(log, **settings)


def test_nothing_to_audit_says_what_to_name():
    with pytest.raises(AuditError, match="name a file or folder"):
        llmaudit.audit()


def test_a_folder_that_is_no_lake_says_how_to_make_one(tmp_path):
    with pytest.raises(AuditError, match="llmaudit ingest"):
        llmaudit.open_lake(tmp_path)


@pytest.mark.slow
def test_the_public_api_is_typed_as_a_user_writes_it(tmp_path):
    arguments = ["--strict", "--cache-dir", str(tmp_path), "--config-file", str(HERE.parent / "pyproject.toml")]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments, str(HERE / "typing_api.py")],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
