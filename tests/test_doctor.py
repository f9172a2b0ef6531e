"""`llmaudit doctor`: every trouble is one line with its cure, and only what stops an audit ends in exit code 2."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_cli import llmaudit

from llmaudit import doctor, tokens

LINE = (
    '{"timestamp": "2026-11-01T12:00:0%d", "provider": "openai", "request": {"model": "gpt-5-mini"}, '
    '"response": {"id": "r-%d", "usage": {"prompt_tokens": 9, "completion_tokens": 2}}}\n'
)
DAY = ("--as-of", "2026-11-25")


@pytest.fixture(scope="module")
def whole_lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    log = folder / "calls.jsonl"
    log.write_text("".join(LINE % (n, n) for n in range(5)), "utf-8")
    assert llmaudit("ingest", log, "--lake", folder / "lake", "--quiet").code == 0
    return folder / "lake"


@pytest.fixture
def lake(whole_lake, tmp_path):
    return Path(shutil.copytree(whole_lake, tmp_path / "lake"))


def part(lake):
    [path] = (lake / "requests").glob("*.parquet")
    return path


def states(out, name):
    return [line.split()[0] for line in out.splitlines() if line.split()[1] == name]


def test_a_machine_a_book_and_a_lake_that_are_well_say_so(lake):
    ended = llmaudit("doctor", "--lake", lake, *DAY)
    assert (ended.code, ended.err) == (0, "")
    assert {line.split()[0] for line in ended.out.splitlines()} <= {"ok", "warn"}
    assert states(ended.out, "engine") == states(ended.out, "prices") == states(ended.out, "config") == ["ok"]
    assert ended.out.splitlines()[-1].endswith("5 rows of 1 files, as committed.")


def test_looking_changes_nothing(lake):
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    llmaudit("doctor", "--lake", lake, *DAY)
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


def test_a_committed_file_that_is_gone_is_to_be_fixed(lake):
    part(lake).unlink()
    ended = llmaudit("doctor", "--lake", lake, *DAY)
    assert ended.code == 2
    assert states(ended.out, "lake") == ["fix"]
    assert "Next: restore it" in ended.out


def test_rows_that_were_committed_and_are_not_there_name_the_file_they_came_from(lake):
    path = part(lake)
    pq.write_table(pq.read_table(path, partitioning=None).slice(0, 3), path)
    ended = llmaudit("doctor", "--lake", lake, *DAY)
    assert ended.code == 2
    assert "holds fewer rows of" in ended.out
    assert "calls.jsonl" in ended.out


def test_a_file_that_no_commit_names_is_no_reason_to_stop(lake):
    shutil.copy(part(lake), lake / "requests" / "part-left.parquet")
    ended = llmaudit("doctor", "--lake", lake, *DAY)
    assert ended.code == 0
    assert states(ended.out, "lake") == ["warn", "ok"]


def test_no_lake_where_one_is_named_is_to_be_fixed(tmp_path):
    ended = llmaudit("doctor", "--lake", tmp_path / "nothing", *DAY)
    assert ended.code == 2
    assert "is not a lake" in ended.out


def test_a_wrong_setting_does_not_keep_the_rest_from_being_looked_at(tmp_path):
    (tmp_path / "llmaudit.toml").write_text('timezon = "UTC"\n', "utf-8")
    ended = llmaudit("doctor", "--config", tmp_path / "llmaudit.toml", *DAY)
    assert ended.code == 2
    assert "timezon" in ended.out
    assert states(ended.out, "prices") == ["ok"]


def test_files_that_the_config_names_are_read(tmp_path):
    (tmp_path / "llmaudit.toml").write_text('prices = "prices.toml"\nowners = "owners.csv"\n', "utf-8")
    (tmp_path / "prices.toml").write_text("[[discount]]\npercent = 112\n", "utf-8")
    (tmp_path / "owners.csv").write_text("who,team\n", "utf-8")
    ended = llmaudit("doctor", "--config", tmp_path / "llmaudit.toml", *DAY)
    assert ended.code == 2
    assert states(ended.out, "prices") == states(ended.out, "owners") == ["fix"]


def test_an_old_book_is_a_warning_with_its_cure():
    ended = llmaudit("doctor", "--as-of", "2027-06-01")
    assert ended.code == 0
    assert states(ended.out, "prices") == ["warn"]
    assert "llmaudit prices update" in ended.out


def test_spark_that_is_asked_for_and_not_there_is_to_be_fixed(tmp_path, monkeypatch):
    config = tmp_path / "llmaudit.toml"
    config.write_text('engine = "spark"\n', "utf-8")
    monkeypatch.setattr(doctor, "_absent", lambda packages: packages)
    found = {check.name: check for check in doctor.checks(config, None, date(2026, 11, 25)) if check.name == "engine"}
    assert found["engine"].state == "fix"
    assert "[spark]" in found["engine"].next_move


def test_ranks_that_are_not_on_this_machine_make_counts_estimates(monkeypatch):
    monkeypatch.setattr(tokens, "ranks_file", lambda encoding: None)
    found = [check for check in doctor.checks(None, None, date(2026, 11, 25)) if check.name == "tokens"]
    assert {check.state for check in found} == {"warn"}
    assert all("docs/tokens.md" in check.next_move for check in found)
