"""The lake: every call once, whatever happens while it is taken in; no secret, and no more text than was asked for."""

import errno
import json
import multiprocessing
import os
import re
import stat
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from llmaudit import asking, engine, opening, pipeline, queries, schema
from llmaudit.config import AuditConfig
from llmaudit.detectors import sample
from llmaudit.errors import AuditError
from llmaudit.lake import CONFIG, Lake, Part, sampling
from llmaudit.lake.files import find
from llmaudit.lake.intake import ingest
from llmaudit.lake.masking import mask

TABLES = ("requests", "texts", "quarantine", "ingests")


def call(number, **fields):
    """One call of the plain log: 1,000 tokens in and 100 out of gpt-4o, $0.0035 at list price."""
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
    return {
        "timestamp": f"2026-10-01T12:00:{number % 60:02d}Z",
        "request_id": f"call-{number}",
        "provider": "openai",
        "endpoint": "/answer",
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]},
        "response": {
            "id": f"chatcmpl-{number}",
            "model": "gpt-4o-2024-08-06",
            "choices": [{"message": {"role": "assistant", "content": f"answer {number}"}, "finish_reason": "stop"}],
            "usage": usage,
        },
        "status": 200,
    } | fields


def nameless(number):
    """The same without an id of anybody's."""
    record = call(number)
    return {name: value for name, value in record.items() if name != "request_id"} | {
        "response": {name: value for name, value in record["response"].items() if name != "id"}
    }


def through_the_gateway(number, **fields):
    """The same call as LiteLLM logged it, which counted otherwise."""
    return {
        "id": f"chatcmpl-{number}",
        "litellm_call_id": f"gateway-{number}",
        "call_type": "acompletion",
        "status": "success",
        "custom_llm_provider": "openai",
        "startTime": 1_790_856_000 + number,
        "endTime": 1_790_856_001 + number,
        "model": "gpt-4o",
        "metadata": {"user_api_key_alias": "web", "user_api_key_team_alias": "search"},
        "response_cost": 0.5,
        "prompt_tokens": 999,
        "completion_tokens": 99,
        "messages": [{"role": "user", "content": f"question {number}"}],
        "response": {},
    } | fields


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


@pytest.fixture
def take(tmp_path):
    """Take files into a lake as one run."""

    def take(lake, *paths, **options):
        spool = tmp_path / f"spool-{os.urandom(4).hex()}"
        spool.mkdir()
        return ingest(lake, [str(path) for path in paths], spool=spool, **options)

    return take


@pytest.fixture
def lake(tmp_path):
    return Lake.temporary(tmp_path / "lake")


def merged(lake):
    """Calls as every reader sees them."""
    duckdb = opened(lake)
    try:
        queries.run(duckdb, "same_spans")
        return pl.DataFrame(duckdb.fetch(queries.run(duckdb, "calls", params=ALWAYS))).sort("request_id")
    finally:
        duckdb.close()


def opened(lake):
    config = AuditConfig()
    started = engine.start("duckdb", {"threads": "2"})
    opening.attach(started, lake, config)
    return started


ALWAYS = opening._window(AuditConfig())


def asked(path, sql, **config):
    return asking.ask(AuditConfig(lake=path, engine_options={"threads": "2"}, **config), sql)


def state(lake):
    """All that a run could have changed."""
    return {table: (lake.files(table), lake.frame(table).height) for table in TABLES} | {
        "versions": sorted(str(path) for path in lake.path.rglob("_delta_log/*.json"))
    }


# --- each file once -----------------------------------------------------------------------------


def test_a_file_is_taken_in_once_whatever_its_name(lake, tmp_path, take):
    first = write(tmp_path / "a b" / "día'1%20.jsonl", call(1), call(2))
    take(lake, first)
    before = state(lake)
    (tmp_path / "other.jsonl").write_bytes(first.read_bytes())
    took = take(lake, tmp_path / "other.jsonl")
    assert (took.files, took.known) == ([], 1)
    assert state(lake) == before
    assert merged(lake)["source_file"].to_list() == [str(first)] * 2


def test_two_copies_in_one_run_are_read_once_and_both_accounted_for(lake, tmp_path, take):
    for name in ("a", "b"):
        write(tmp_path / "logs" / f"{name}.jsonl", call(1), call(2))
    took = take(lake, tmp_path / "logs")
    ledger = lake.ingests().select("rows_read", "rows_kept", "rows_merged").rows()
    assert took.files == [str(tmp_path / "logs" / "a.jsonl")]
    assert ledger == [(2, 2, 0), (2, 0, 2)]
    assert merged(lake).height == 2


def test_taking_a_folder_in_again_changes_nothing(lake, tmp_path, take):
    write(tmp_path / "logs" / "a.jsonl", call(1), "{torn")
    write(tmp_path / "logs" / "b.jsonl", call(2))
    take(lake, tmp_path / "logs")
    before, rows = state(lake), merged(lake)
    take(lake, tmp_path / "logs")
    assert state(lake) == before
    assert merged(lake).equals(rows)


def test_files_in_any_order_and_any_number_of_runs_give_the_same_calls(tmp_path, take):
    paths = [write(tmp_path / f"{n}.jsonl", *[call(i) for i in range(n, n + 4)]) for n in (0, 2, 6)]
    together, apart = Lake.temporary(tmp_path / "together"), Lake.temporary(tmp_path / "apart")
    take(together, *paths)
    for path in reversed(paths):
        take(apart, path)
    assert merged(together).height == 10
    assert merged(together).equals(merged(apart))


def test_a_lake_may_lie_in_a_folder_of_any_name(tmp_path, take):
    path = tmp_path / "our lake, Größe 100% 'x' #1"
    take(Lake.open(path, create=True), write(tmp_path / "a.jsonl", call(1)))
    assert asked(path, "select request_id, cost_usd from requests").rows() == [("call-1", Decimal("0.0035"))]


def test_a_lake_may_not_lie_where_its_tables_would_be_looked_for_elsewhere(tmp_path):
    with pytest.raises(AuditError, match="cannot lie under a name with %"):
        Lake.open(tmp_path / "a%20b", create=True)


def test_a_log_that_grew_gives_only_its_new_calls(lake, tmp_path, take):
    take(lake, write(tmp_path / "a.jsonl", call(1)))
    take(lake, write(tmp_path / "a.jsonl", call(1), call(2)))
    assert merged(lake)["request_id"].to_list() == ["call-1", "call-2"]
    assert all(line == "[]" for line in lake.ingests()["warnings"])


def test_a_log_without_ids_that_grew_is_warned_about(lake, tmp_path, take):
    take(lake, write(tmp_path / "a.jsonl", nameless(1)))
    take(lake, write(tmp_path / "a.jsonl", nameless(1), nameless(2)))
    [said] = [json.loads(line)[0] for line in lake.ingests()["warnings"] if line != "[]"]
    assert said["kind"] == "read_before"
    assert "2 calls of this one have no id" in said["text"]


# --- two runs at once, and a run that dies --------------------------------------------------------


def one_run(path, logs, spool, start):
    start.wait(60)
    ingest(Lake.open(path, create=True), logs, spool=spool)


def test_two_runs_at_once_on_a_new_lake_leave_every_call_once(tmp_path):
    files = [
        str(write(tmp_path / f"{n}.jsonl", *[call(i) for i in range(n * 10, n * 10 + 10)], "{torn")) for n in range(6)
    ]
    path = tmp_path / "lake"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    runs = [context.Process(target=one_run, args=(path, logs, tmp_path, start)) for logs in (files[:4], files[2:])]
    for run in runs:
        run.start()
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0, 0]
    assert merged(Lake.open(path))["request_id"].to_list() == sorted(f"call-{n}" for n in range(60))
    assert Lake.open(path).ingests()["rows_read"].to_list() == [11] * 6
    assert asked(path, "select path from quarantine")["path"].to_list() == files


def all_at_once(work, count=8):
    """Run `work` on many threads that start together; its results."""
    results, start = [], threading.Barrier(count)

    def one():
        start.wait()
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - the test shows whatever it was
            results.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_many_that_make_one_lake_share_its_key(tmp_path):
    for number in range(20):
        found = all_at_once(lambda path=tmp_path / f"lake-{number}": Lake.open(path, create=True))
        assert len({lake.key for lake in found}) == 1
        assert [path.name for path in (tmp_path / f"lake-{number}").iterdir()] == [CONFIG]


def test_many_that_replace_a_derived_table_all_succeed(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    rows = schema.REQUESTS.empty_table().select(["request_id", "endpoint"])
    assert all_at_once(lambda: lake.replace("endpoints", rows), 4) == [None] * 4


@contextmanager
def killed_before(table, monkeypatch):
    """A run that dies before it commits this table."""
    commit = Part.commit

    def failing(part, transactions=None):
        if part._table == table:
            raise SystemExit("killed")
        commit(part, transactions)

    with monkeypatch.context() as patched:
        patched.setattr(Part, "commit", failing)
        with pytest.raises(SystemExit, match="killed"):
            yield


def seen(path):
    """What each table shows to whoever asks."""
    columns = {"requests": "request_id", "texts": "text", "ingests": "path", "quarantine": "head"}
    rows = asked(path, " union all ".join(f"select '{table}', {name} from {table}" for table, name in columns.items()))
    return {table: sorted(value for name, value in rows.rows() if name == table) for table in columns}


@pytest.mark.parametrize("table", ["requests", "ingests"])
def test_what_a_killed_run_left_is_seen_by_nobody_and_a_later_run_completes(table, tmp_path, take, monkeypatch):
    path = tmp_path / "lake"
    a, b = (write(tmp_path / f"{name}.jsonl", call(n), "{torn " + name) for n, name in enumerate("ab"))
    take(Lake.open(path, create=True), a)
    before = seen(path)
    assert before == {
        "requests": ["call-0"],
        "texts": ["answer 0", "question 0"],
        "ingests": [str(a)],
        "quarantine": ["{torn a"],
    }
    with killed_before(table, monkeypatch):
        take(Lake.open(path), b)
    assert Lake.open(path).frame("requests").height == {"requests": 1, "ingests": 2}[table]
    assert seen(path) == before
    take(Lake.open(path), b)
    assert seen(path) == {
        "requests": ["call-0", "call-1"],
        "texts": ["answer 0", "answer 1", "question 0", "question 1"],
        "ingests": [str(a), str(b)],
        "quarantine": ["{torn a", "{torn b"],
    }


def test_a_lake_that_cannot_be_written_loses_no_record(lake, tmp_path, take, monkeypatch):
    log = write(tmp_path / "a.jsonl", call(1))

    def full(part, rows):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Part, "write", full)
        with pytest.raises(AuditError, match=r"lake cannot be written \(No space left on device\)"):
            take(lake, log)
    assert lake.ingests().is_empty()
    take(lake, log)
    assert merged(lake)["request_id"].to_list() == ["call-1"]


# --- which lake ---------------------------------------------------------------------------------


def test_a_lake_of_another_version_is_left_alone(tmp_path):
    Lake.open(tmp_path, create=True)
    config = tmp_path / CONFIG
    config.write_text(config.read_text().replace('"lake_version": 1', '"lake_version": 7'))
    with pytest.raises(AuditError, match="is a lake of version 7; this llmaudit reads version 1"):
        Lake.open(tmp_path, create=True)


def test_a_damaged_config_of_a_lake_is_named(tmp_path):
    Lake.open(tmp_path, create=True)
    (tmp_path / CONFIG).write_text('{"lake_version": 1')
    with pytest.raises(AuditError, match=rf"{CONFIG} is damaged"):
        Lake.open(tmp_path)


def test_a_config_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / CONFIG).mkdir()
    with pytest.raises(AuditError, match=rf"{CONFIG}: cannot be read"):
        Lake.open(tmp_path)


def test_a_folder_that_is_no_lake_says_how_to_make_one(tmp_path):
    with pytest.raises(AuditError, match=f"is not a lake.*llmaudit ingest LOGS --lake {tmp_path}"):
        Lake.open(tmp_path)


def test_a_file_cannot_be_a_lake(tmp_path):
    file = write(tmp_path / "a.jsonl", call(1))
    with pytest.raises(AuditError, match="is a file, so it cannot be a lake"):
        Lake.open(file, create=True)
    with pytest.raises(AuditError, match=r"cannot make a lake here \(Not a directory\)"):
        Lake.open(file / "lake", create=True)


def test_a_lake_whose_folders_cannot_be_made_says_so(tmp_path, take):
    lake = Lake.open(tmp_path / "lake", create=True)
    (lake.path / "requests").write_text("in the way")
    with pytest.raises(AuditError, match="requests: the lake cannot be written here"):
        take(lake, write(tmp_path / "a.jsonl", call(1)))


def test_what_a_lake_keeps_is_settled_when_it_is_made(tmp_path):
    Lake.open(tmp_path, create=True, text="none")
    assert Lake.open(tmp_path).text == Lake.open(tmp_path, text="none").text == "none"
    with pytest.raises(AuditError, match="keeps text = 'none', not 'all'"):
        Lake.open(tmp_path, text="all")


# --- the key --------------------------------------------------------------------------------------


def test_only_the_owner_may_read_the_key(tmp_path):
    Lake.open(tmp_path, create=True)
    assert stat.S_IMODE((tmp_path / CONFIG).stat().st_mode) == 0o600


def test_hashes_differ_between_lakes_and_agree_between_temporary_ones(tmp_path, take):
    log = write(tmp_path / "a.jsonl", call(1))
    lakes = [Lake.open(tmp_path / name, create=True) for name in "ab"]
    lakes += [Lake.temporary(tmp_path / name) for name in "cd"]
    for lake in lakes:
        take(lake, log)
    hashes = [merged(lake)["prompt_hash"].item() for lake in lakes]
    assert len(set(hashes)) == 3
    assert hashes[2] == hashes[3]


# --- which texts are kept -------------------------------------------------------------------------


@pytest.fixture
def small_sample(monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_PER_STRATUM", 5)
    return 5


def sampled(lake, per_stratum):
    """The sample as detectors see it: endpoint, prompt and answer by call."""
    duckdb = opened(lake)
    try:
        queries.run(duckdb, "same_spans")
        queries.run(duckdb, "calls", params=ALWAYS)
        found = sample.load(duckdb, per_stratum=per_stratum)
    finally:
        duckdb.close()
    return {row["request_id"]: (row["endpoint"], row["prompt"], row["output"]) for row in found.iter_rows(named=True)}


def labelled(number, **fields):
    return call(number, endpoint="/answer" if number % 2 else "/search", **fields)


def test_the_sample_keeps_the_texts_of_so_many_calls_a_stratum_and_no_others(lake, tmp_path, take, small_sample):
    take(lake, write(tmp_path / "a.jsonl", *[labelled(n) for n in range(60)]))
    found = sampled(lake, small_sample)
    assert Counter(endpoint for endpoint, *_ in found.values()) == {"/answer": 5, "/search": 5}
    assert sorted(lake.frame("texts")["text"]) == sorted(text for _, *said in found.values() for text in said)


def test_the_sample_is_the_same_calls_however_the_files_are_split_and_ordered(tmp_path, take, small_sample):
    calls = [labelled(n) for n in range(60)]
    whole = [write(tmp_path / "whole.jsonl", *calls)]
    parts = [write(tmp_path / f"part-{n}.jsonl", *calls[n : n + 20]) for n in (40, 0, 20)]
    backwards = [write(tmp_path / "backwards.jsonl", *reversed(calls))]
    again = [*parts, write(tmp_path / "whole-again.jsonl", *calls, "")]
    gateway = [*whole, write(tmp_path / "gateway.jsonl", *[through_the_gateway(n) for n in range(60)])]
    without_texts = [*whole, write(tmp_path / "bare.jsonl", *[bare(n) for n in range(100, 160)])]
    runs = [[whole], [parts], [[part] for part in parts], [backwards], [again], [gateway], [without_texts]]
    found = []
    for number, run in enumerate(runs):
        lake = Lake.temporary(tmp_path / f"lake-{number}")
        for files in run:
            take(lake, *files)
        found.append({key: said for key, said in sampled(lake, small_sample).items() if said[1]})
    assert {len(each) for each in found} == {10}
    assert all(said == (said[0], said[1], said[1].replace("question", "answer")) for said in found[0].values())
    assert all(each == found[0] for each in found)


def constant(number, file=0):
    """A call whose log bears the same provider id in every record."""
    return labelled(100 * file + number, response=call(100 * file + number)["response"] | {"id": "constant"})


def test_calls_that_share_one_id_are_sampled_like_any_others(lake, tmp_path, take, small_sample):
    take(lake, write(tmp_path / "a.jsonl", *[constant(n) for n in range(60)]))
    found = sampled(lake, small_sample)
    assert Counter(endpoint for endpoint, *_ in found.values()) == {"/answer": 5, "/search": 5}
    assert all(prompt and output for _, prompt, output in found.values())
    assert lake.frame("texts").height <= 2 * 2 * (small_sample + 1)


def test_two_calls_of_one_id_far_apart_are_told_apart_and_one_call_in_two_files_is_not():
    rows = [
        {"call_key": f"{2 + 2 * (n % 7):016d}{0:016d}", "prompt_hash": n, "input_tokens": 1, "usage_source": "reported"}
        for n in range(14)
    ]
    batch = pa.RecordBatch.from_pylist([{**row, "started_at": datetime.fromisoformat("2026-10-01")} for row in rows])
    reuse = sampling.Reuse()
    keys = [reuse.sample_keys(batch.slice(at, 1), np.array([0])).item() for at in range(14)]
    assert keys[:7] == sampling.Reuse().sample_keys(batch.slice(0, 7), np.zeros(7, int)).tolist()
    assert len(set(keys)) == 14
    in_other_files = sampling.Reuse().sample_keys(batch, np.arange(14))
    assert in_other_files.tolist() == keys[:7] * 2
    assert sampling.Reuse().sample_keys(batch, np.zeros(14, int)).tolist() == keys


@pytest.mark.parametrize(
    ("told", "is_one"),
    [
        ([(7, 4, "estimated"), (7, 100, "reported")], True),
        ([(7, None, None), (7, 100, "reported"), (7, 4, "estimated")], True),
        ([(7, 90, "reported"), (7, None, None), (7, 100, "reported")], False),
        ([(7, 4, "estimated"), (8, 100, "reported")], False),
    ],
)
def test_a_call_delivered_before_its_usage_was_known_is_sampled_as_one(told, is_one):
    at = datetime.fromisoformat("2026-10-01")
    names = ("prompt_hash", "input_tokens", "usage_source")
    rows = [{"call_key": f"{2:016d}{0:016d}", "started_at": at, **dict(zip(names, one, strict=True))} for one in told]
    reuse = sampling.Reuse()
    keys = {key for row in rows for key in reuse.sample_keys(pa.RecordBatch.from_pylist([row], BARE), np.array([0]))}
    assert (len(keys) == 1) == is_one
    together = sampling.Reuse().sample_keys(pa.RecordBatch.from_pylist(rows, BARE), np.zeros(len(rows), int))
    assert set(together.tolist()) == keys


BARE = pa.schema(
    [
        schema.REQUEST_ROWS.field(name)
        for name in ("call_key", "started_at", "prompt_hash", "input_tokens", "usage_source")
    ]
)


def test_ten_nights_keep_no_more_texts_than_one_night_of_all_their_calls_would_need(tmp_path, take, small_sample):
    nightly, at_once = Lake.temporary(tmp_path / "nightly"), Lake.temporary(tmp_path / "at-once")
    nights = [
        write(tmp_path / f"{night}.jsonl", *[labelled(100 * night + n) for n in range(30)]) for night in range(10)
    ]
    for night in nights:
        take(nightly, night)
    take(at_once, *nights)
    assert sampled(nightly, small_sample) == sampled(at_once, small_sample)
    # Two strata of five calls of two texts. A later night keeps what lies below the bar of the nights before it:
    # about 5/n of the n-th night, 5 (1 + 1/2 + ... + 1/10) = 15 in all, against 50 without a bar.
    assert at_once.frame("texts").height == 2 * 5 * 2
    assert nightly.frame("texts").height <= 2 * 22 * 2


def bare(number):
    """A call of which the log shows no text."""
    return labelled(number, request={"model": "gpt-4o"})


def test_all_keeps_each_message_once_however_often_it_was_sent(tmp_path, take):
    greeting = {"model": "gpt-4o", "messages": [{"role": "system", "content": "be brief"}]}
    path = tmp_path / "lake"
    for run in range(3):
        log = write(tmp_path / f"{run}.jsonl", *[call(n, request=greeting) for n in range(run * 10, run * 10 + 10)])
        take(Lake.open(path, create=True, text="all"), log)
    kept = asked(path, "select kind, role, text from texts")
    assert kept.filter(pl.col("kind") == "system").rows() == [("system", "system", "be brief")]
    assert kept.height == 1 + 30


def test_none_keeps_no_text_at_all_not_even_of_what_is_quarantined(tmp_path, take):
    path = tmp_path / "lake"
    log = write(tmp_path / "a.jsonl", call(1), '{"timestamp": "a confidential remark')
    take(Lake.open(path, create=True, text="none"), log)
    stored = json.dumps([Lake.open(path).frame(table).to_dicts() for table in TABLES], default=str)
    assert "question" not in stored
    assert "confidential" not in stored
    assert asked(path, "select line, head from quarantine").rows() == [(2, None)]
    assert merged(Lake.open(path))["prompt_hash"].is_not_null().all()


# --- secrets --------------------------------------------------------------------------------------

SECRETS = {
    "openai": "sk-proj-" + "a1B2" * 6,
    "anthropic": "sk-ant-api03-" + "a1_B" * 8,
    "stripe": "sk_live_" + "a1B2" * 6,
    "groq": "gsk_" + "a1B2" * 8,
    "xai": "xai-" + "a1B2" * 8,
    "perplexity": "pplx-" + "a1B2" * 8,
    "huggingface": "hf_" + "a1B2" * 8,
    "replicate": "r8_" + "a1B2" * 8,
    "google": "AIza" + "a1B2" * 9,
    "google token": "ya29." + "a1B2" * 9,
    "aws": "AKIA" + "A1B2" * 4,
    "bedrock": "ABSK" + "A1b/" * 9,
    "github": "ghp_" + "a1B2" * 9,
    "github, fine-grained": "github_pat_" + "a1B2" * 9,
    "gitlab": "glpat-" + "a1B2" * 5,
    "slack": "xoxb-" + "12-a1B2" * 4,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-" + "a1B2" * 9,
    "digitalocean": "dop_v1_" + "a1b2" * 16,
    "json web token": ".".join(["eyJ" + "a1B2" * 4] * 3),
    "bearer": "Bearer " + "a1B2" * 6,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\na1B2\nc3D4\n-----END RSA PRIVATE KEY-----",
    "private key, cut off": "-----BEGIN PRIVATE KEY-----\na1B2c3D4",
    "password": "password = a1B2c3D4e5",
    "api key by name": '"api_key": "a1B2c3D4e5"',
    "url": "https://me:a1B2c3D4@db.example/x",
}
SECRET = r"[aA]1_?[bB][2/]?|c3D4"


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_masked_and_the_words_around_it_stay(kind):
    said = mask(f"before {SECRETS[kind]} after" if "cut off" not in kind else f"before {SECRETS[kind]}")
    assert not re.search(SECRET, said)
    assert said.startswith("before ")
    assert "[secret]" in said
    assert said.endswith(" after") or "cut off" in kind


@pytest.mark.parametrize(
    "text",
    [
        "ask-a-colleague-about-the-risk-of-this",
        "the password must be strong",
        "sk-...AbCd",
        "https://example.com:8080/a@b",
        "tokens: 1200, secret: no",
        "AKIA is a prefix",
    ],
)
def test_what_only_looks_a_little_like_a_secret_stays(text):
    assert mask(text) == text


def test_no_secret_reaches_the_lake(tmp_path, take):
    everything = "\n".join(SECRETS.values())
    labels = dict.fromkeys(
        ("endpoint", "team", "project", "environment", "user", "session_id", "trace_id", "api_key_id"), everything
    )
    asked_for = {
        "model": "gpt-4o",
        "system": everything,
        "messages": [{"role": "user", "content": everything}],
        "tools": [{"type": "function", "function": {"name": "f", "description": everything}}],
    }
    told = call(1)["response"] | {"choices": [{"message": {"role": "assistant", "content": everything}}]}
    log = write(
        tmp_path / "a.jsonl",
        call(1, request=asked_for, response=told, tags={"note": everything, "api_key": "a1B2c3D4e5"}, **labels),
        call(2, error={"type": SECRETS["openai"], "message": everything}),
        *[f"{{torn {secret}" for secret in SECRETS.values() if "\n" not in secret],
    )
    lake = Lake.open(tmp_path / "lake", create=True, text="all")
    take(lake, log)
    shown = {table: json.dumps(lake.frame(table).to_dicts(), default=str) for table in TABLES}
    for table, stored in shown.items():
        assert not re.search(r"a1B2|A1B2|a1_B|A1b/|c3D4", stored), table
    assert json.loads(merged(lake)["tags"][0])["api_key"] == "[secret]"
    assert lake.frame("quarantine").height == len([s for s in SECRETS.values() if "\n" not in s])


def test_a_raw_api_key_becomes_a_name_and_two_keys_stay_two(lake, tmp_path, take):
    keys = [SECRETS["openai"], SECRETS["openai"] + "x", SECRETS["openai"], "web-team", None]
    take(lake, write(tmp_path / "a.jsonl", *[call(n, api_key_id=key) for n, key in enumerate(keys)]))
    one, two, again, named, none = merged(lake)["api_key_id"].to_list()
    assert re.fullmatch("key-[0-9a-f]{8}", one)
    assert re.fullmatch("key-[0-9a-f]{8}", two)
    assert one == again != two
    assert (named, none) == ("web-team", None)


# --- one call, one row ----------------------------------------------------------------------------


def test_a_call_in_two_files_is_one(lake, tmp_path, take):
    for name in "ab":
        take(lake, write(tmp_path / f"{name}.jsonl", call(1), call(2 if name == "a" else 3)))
    assert merged(lake)["request_id"].to_list() == ["call-1", "call-2", "call-3"]


@pytest.mark.parametrize("order", [("plain", "gateway"), ("gateway", "plain")])
def test_a_call_in_two_systems_has_the_best_of_both(lake, tmp_path, take, order):
    write(tmp_path / "plain.jsonl", call(1))
    write(tmp_path / "gateway.jsonl", through_the_gateway(1))
    for name in order:
        take(lake, tmp_path / f"{name}.jsonl")
    [row] = merged(lake).to_dicts()
    assert row["source"] == "plain_jsonl"
    assert (row["input_tokens"], row["output_tokens"]) == (1_000, 100)  # the provider's, not the gateway's 999 and 99
    assert (row["team"], row["api_key_id"]) == ("search", "web")
    assert row["endpoint"] == "/answer"
    assert row["reported_cost_usd"] == Decimal("0.5")


def test_a_gateways_counts_stand_where_the_provider_gave_none(lake, tmp_path, take):
    silent = call(1)["response"] | {"usage": None}
    write(tmp_path / "plain.jsonl", call(1, response=silent))
    write(tmp_path / "gateway.jsonl", through_the_gateway(1))
    take(lake, tmp_path / "plain.jsonl", tmp_path / "gateway.jsonl")
    [row] = merged(lake).to_dicts()
    assert (row["input_tokens"], row["output_tokens"], row["usage_source"]) == (999, 99, "reported")


def test_two_calls_that_share_a_home_made_id_stay_two(lake, tmp_path, take):
    calls = [nameless(n) | {"request_id": "job-7"} for n in (1, 2)]
    take(lake, write(tmp_path / "a.jsonl", *calls))
    ids = merged(lake)["request_id"].to_list()
    assert len(set(ids)) == 2
    assert all(name.startswith("job-7#") for name in ids)


def test_equal_calls_without_an_id_stay_two_and_are_warned_about_with_their_dollars(tmp_path):
    paths = [write(tmp_path / f"{n}.jsonl", nameless(1), nameless(10 + n), call(20)) for n in range(2)]
    run = pipeline.run(AuditConfig(paths=tuple(map(str, paths)), levers=("failed_calls",)))
    run.close()
    [said] = [warning for warning in run.report["warnings"] if warning["kind"] == "likely_duplicates"]
    assert run.report["totals"]["requests"] == 2 * 2 + 1
    assert said["text"].startswith("1 calls equal another file's call")
    assert said["usd"] == Decimal("0.0035")  # 1,000 tokens at $2.50 and 100 at $10.00 a million


def test_calls_on_a_seat_have_a_list_value_and_neither_spend_nor_saving(tmp_path):
    write(tmp_path / "logs" / "plain.jsonl", call(1), call(1, request_id="again", response=call(2)["response"]))
    write(tmp_path / "logs" / "gateway.jsonl", through_the_gateway(7))
    config = AuditConfig(paths=(str(tmp_path / "logs"),), billing_modes={"plain_jsonl": "subscription"})
    run = pipeline.run(config)
    run.close()
    totals = run.report["totals"]
    # The gateway's call: 999 tokens at $2.50 and 99 at $10.00 a million. The two on the seat: $0.0035 each.
    assert totals["cost_usd"] == totals["list_usd"] == Decimal("0.0034875")
    assert totals["unmetered_list_usd"] == Decimal("0.0070")
    assert totals["requests"] == 3
    assert run.report["findings"] == []


# --- which files ------------------------------------------------------------------------------------


def found(spool, *paths):
    files, left_out = find([str(path) for path in paths], spool)
    return [(file.shown, file.named) for file in files], left_out


def test_what_clouds_write_beside_their_exports_is_no_log(tmp_path):
    beside = [
        "harbor-cur2-Manifest.json",
        "manifest.json",
        "manifest.json.out",
        "_SUCCESS",
        "amazon-bedrock-logs-permission-check",
    ]
    for name in [*beside, "harbor-cur2-00001.csv"]:
        (tmp_path / name).write_text("{}")
    files, left_out = found(tmp_path, tmp_path)
    assert [shown.rpartition("/")[2] for shown, _ in files] == ["harbor-cur2-00001.csv"]
    assert sorted(name.rpartition("/")[2] for name in left_out) == sorted(beside)


def test_a_folder_holds_logs_and_what_is_left_out_is_said(tmp_path):
    a = write(tmp_path / "logs" / "deep" / "a.jsonl", call(1))
    readme = write(tmp_path / "logs" / "README.md", "# Logs")
    write(tmp_path / "logs" / ".hidden" / "b.jsonl", call(1))
    assert found(tmp_path, tmp_path / "logs") == ([(str(a), False)], [str(readme)])
    assert found(tmp_path, readme) == ([(str(readme), True)], [])


def test_a_glob_means_what_it_means_in_a_shell(tmp_path):
    a, b = (write(tmp_path / "logs" / name, call(1)) for name in ("2026-10/a.jsonl", "b.jsonl"))
    assert found(tmp_path, tmp_path / "logs" / "*") == ([(str(a), False), (str(b), False)], [])
    assert found(tmp_path, tmp_path / "**" / "a.jsonl") == ([(str(a), False)], [])
    with pytest.raises(AuditError, match=r"\*\.zst: no file matches\. .*logs holds: 2026-10, b\.jsonl"):
        found(tmp_path, tmp_path / "logs" / "*.zst")


def test_a_file_named_besides_its_folder_counts_as_named(tmp_path):
    a = write(tmp_path / "logs" / "a.jsonl", call(1))
    assert found(tmp_path, tmp_path / "logs", a) == ([(str(a), True)], [])
    assert found(tmp_path, a, tmp_path / "logs") == ([(str(a), True)], [])


def test_a_pipe_is_read_once_and_whole(lake, tmp_path, take):
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    content = "".join(json.dumps(call(n)) + "\n" for n in range(3))
    writer = threading.Thread(target=pipe.write_text, args=(content,))
    writer.start()
    take(lake, pipe)
    writer.join()
    assert merged(lake).height == 3
