"""Owners of calls that the log leaves open, and logs that keep a sample: what the user says is checked, applied and told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from llmaudit import config, pipeline
from llmaudit.errors import AuditError
from llmaudit.lake import owners

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def loaded(tmp_path):
    def load(text, zone=UTC, key_name=str):
        (tmp_path / "owners.csv").write_text(text, "utf-8")
        return owners.load(tmp_path / "owners.csv", zone, key_name).to_pylist()

    return load


def test_a_line_names_calls_and_labels_them_from_a_local_day_on(loaded):
    [row] = loaded(
        "key,Project,team,Cost Center,environment,valid_from\nkey-a,shop,search,4711,production,2026-10-01\n", BERLIN
    )
    assert (row["api_key_id"], row["project"], row["user_id"], row["names"], row["line"]) == (
        "key-a",
        "shop",
        None,
        2,
        2,
    )
    assert (row["team"], row["cost_centre"], row["environment"]) == ("search", "4711", "production")
    assert row["valid_from"] == datetime(2026, 9, 30, 22)  # noqa: DTZ001


def test_a_key_has_the_name_that_the_lake_has_for_it(loaded):
    [row] = loaded("key,team\nsk-secret,search\n", key_name=lambda key: f"named {key}")
    assert row["api_key_id"] == "named sk-secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key,squad\na,b\n", "called 'squad'. Known: api_key"),
        ("team,environment\na,b\n", "needs a column of key, project, user or endpoint"),
        ("key,project\na,b\n", "one of team, cost_centre or environment"),
        ("key,api_key,team\na,b,c\n", "two columns mean the same"),
        ("key,team\n,search\n", "line 2 names no key, project, user or endpoint: it would own every call"),
        ("key,team\na,\n", "line 2 gives no team, cost_centre or environment"),
        ("key,team\na,b,c\n", "line 2: 3 cells under 2 headings"),
        ("key,team,valid_from\na,b,1 May\n", "line 2: valid_from = '1 May' is no day such as 2026-10-01."),
        ("key,team\na,b\nx,y\na,c\n", "lines 2 and 4 name the same calls from the same day"),
        ("", "needs a column of key"),
    ],
)
def test_an_owners_file_that_cannot_be_right_names_the_line_and_the_next_move(loaded, text, said):
    with pytest.raises(AuditError) as raised:
        loaded(text)
    assert said in str(raised.value)


def test_an_owners_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(AuditError, match=r"owners file .*none.csv: cannot be read"):
        owners.load(tmp_path / "none.csv", UTC, str)


@pytest.mark.parametrize("rate", [0, 1.5, -0.1, "half", True])
def test_a_sample_rate_is_a_share(rate):
    with pytest.raises(AuditError, match=r"sample_rates: langfuse = .* should be a share above 0 and up to 1"):
        config.AuditConfig(sample_rates={"langfuse": rate})


def call(request_id, **fields):
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    return {"timestamp": "2026-10-07T12:00:00Z", "request_id": request_id, "provider": "openai", "request": {"model": "gpt-4o"},
            "response": {"model": "gpt-4o", "choices": [], "usage": usage}, **fields}  # fmt: skip


def test_an_audit_fills_what_the_log_left_out_and_warns_of_samples_without_scaling(tmp_path):
    calls = [
        call("a", api_key_id="shop-key"),
        call("b", api_key_id="shop-key", team="labelled"),
        call("c", sample_rate=0.25),
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in calls))
    (tmp_path / "owners.csv").write_text("key,team,cost_centre\nshop-key,shop,4711\n")
    (tmp_path / "llmaudit.toml").write_text('owners = "owners.csv"\nlake = "lake"\n')
    stated = config.load(tmp_path / "llmaudit.toml", paths=(str(tmp_path / "log.jsonl"),))
    run = pipeline.run(stated)
    centres = (
        run.engine.fetch("requests").sort_by("request_id").select(["request_id", "team", "cost_centre"]).to_pylist()
    )
    run.close()
    assert [tuple(row.values()) for row in centres] == [
        ("a", "shop", "4711"),
        ("b", "labelled", "4711"),
        ("c", None, None),
    ]
    assert run.report["totals"]["cost_usd"] == 3 * Decimal("2.5")
    assert run.report["sampling"] == [
        {"source": "plain_jsonl", "sample_rate": 0.25, "requests": 1, "cost_usd": Decimal("2.5")}
    ]
    [warning] = [each for each in run.report["warnings"] if each["kind"] == "sampled_log"]
    assert warning["usd"] == Decimal("2.5")
    assert "nothing is scaled" in warning["text"]
