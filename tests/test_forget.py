"""Forgetting a user: nothing about them is left on disk, no dollar moves, and the same files do not bring them back."""

import json
from decimal import Decimal

import polars as pl
import pytest
from test_cli import llmaudit, refused
from test_export_focus import call

from llmaudit import config, opening

ALICE = "alice.o'hara@example.com"


def said(number, user, **fields):
    messages = [
        {"role": "system", "content": "Answer kindly."},
        {
            "role": "user",
            "content": f"Question {number} of {user}, marmalade" if user == ALICE else f"Question {number}",
        },
    ]
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
    answer = {"message": {"role": "assistant", "content": f"Dear {user}" if user == ALICE else "Hello"}}
    body = {"model": "gpt-4o-2024-08-06", "usage": usage, "choices": [answer]}
    tags = {"mail": user}
    return call(
        number,
        user=user,
        session_id=f"of {user}",
        tags=tags,
        request={"model": "gpt-4o", "messages": messages},
        response=body,
        **fields,
    )


CALLS = [said(n, ALICE if n % 3 == 0 else "bob") for n in range(1, 13)]


@pytest.fixture(params=["sample", "all"])
def lake(request, tmp_path):
    (tmp_path / "logs").mkdir()
    lines = [json.dumps(line) for line in CALLS] + [f'{{"user": "{ALICE}", broken']
    (tmp_path / "logs" / "log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    ended = llmaudit("ingest", tmp_path / "logs", "--lake", tmp_path / "lake", "--text", request.param, "--quiet")
    assert ended.code == 0, ended
    return tmp_path / "lake"


def on_disk(lake, word):
    """Files of the lake that hold a word, in any version of any table, and commits that speak of it."""
    found = []
    for path in lake.rglob("*.parquet"):
        table = pl.read_parquet(path)
        text = table.select(pl.col(pl.String).fill_null("")).rows()
        found += [path.name] * any(word in cell for row in text for cell in row)
    logs = [path.name for path in lake.rglob("*.json") if word.split("'")[0] in path.read_text("utf-8")]
    return found + logs


def spent(lake):
    with opening.opened(config.load(None, lake=lake)) as (started, _, _):
        started.run(
            "select user_id, count(*) as calls, sum(cost_usd) as usd from requests group by 1 order by 1", "by_user", {}
        )
        return {row["user_id"]: (row["calls"], row["usd"]) for row in started.fetch("by_user").to_pylist()}


def test_nothing_of_them_is_left_on_disk_and_no_dollar_moves(lake):
    # a call: 1,000 in at 2.50 and 100 out at 10.00 a million = 0.0035
    assert spent(lake) == {ALICE: (4, Decimal("0.014")), "bob": (8, Decimal("0.028"))}
    assert on_disk(lake, ALICE)
    assert on_disk(lake, "marmalade")
    ended = llmaudit("forget", "--user", ALICE, "--lake", lake)
    assert ended.out.startswith("Forgotten: 4 rows of calls without name and texts, 5 texts deleted")
    assert not on_disk(lake, ALICE)
    assert not on_disk(lake, "marmalade")
    llmaudit("forget", "--user", "bob", "--lake", lake)
    assert not on_disk(lake, "bob")
    assert spent(lake) == {"forgotten": (12, Decimal("0.042"))}


def test_others_keep_what_is_theirs(lake):
    llmaudit("forget", "--user", ALICE, "--lake", lake)
    assert on_disk(lake, "Answer kindly."), "what others were told too stays"
    assert spent(lake) == {"forgotten": (4, Decimal("0.014")), "bob": (8, Decimal("0.028"))}


def test_their_calls_can_no_longer_be_told_apart_by_hash_or_session(lake):
    llmaudit("forget", "--user", ALICE, "--lake", lake)
    with opening.opened(config.load(None, lake=lake)) as (started, _, _):
        started.run("select * from requests where user_id = 'forgotten'", "theirs", {})
        rows = started.fetch("theirs").to_pylist()
    telling = [
        name
        for name in rows[0]
        if name.endswith(("_hash", "_hashes", "sketch")) or name in ("tags", "session_id", "trace_id")
    ]
    assert not [name for row in rows for name in telling if row[name] is not None]
    assert all(row["prompt_bytes"] for row in rows), "sizes stay"


def test_what_is_taken_in_later_arrives_forgotten(lake, tmp_path):
    llmaudit("forget", "--user", ALICE, "--lake", lake)
    again = llmaudit("ingest", tmp_path / "logs", "--lake", lake)
    assert "0 read, 1 in the lake already" in again.out
    (tmp_path / "more.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [*CALLS, said(99, ALICE)]), "utf-8"
    )
    llmaudit("ingest", tmp_path / "more.jsonl", "--lake", lake, "--quiet")
    assert not on_disk(lake, ALICE)
    assert not on_disk(lake, "marmalade")
    assert spent(lake) == {"forgotten": (5, Decimal("0.0175")), "bob": (8, Decimal("0.028"))}


def test_a_report_runs_on_what_is_left(lake):
    llmaudit("forget", "--user", ALICE, "--lake", lake)
    assert llmaudit("report", "--lake", lake, "--quiet").code == 0


def test_forgetting_twice_finds_nothing(lake):
    llmaudit("forget", "--user", ALICE, "--lake", lake)
    assert "nothing was kept about" in llmaudit("forget", "--user", ALICE, "--lake", lake).out


def test_nobody_is_called_nothing(lake):
    assert "nobody goes by this name" in refused("forget", "--user", " ", "--lake", lake)
