"""Bad input: whatever a file looks like, every record of it is kept, merged, counted as no call, or quarantined with its place."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmaudit import engine, queries, schema, sources
from llmaudit.errors import AuditError
from llmaudit.lake import TABLES, Lake
from llmaudit.lake.intake import ingest
from llmaudit.sources.base import Peek, Source
from llmaudit.sources.reader import (
    HEAD_BYTES,
    MOST_LINES_OF_A_RECORD,
    Reading,
    ReadOptions,
    _from,
    fits_together,
    read,
    read_together,
)


def call(number, **fields):
    response = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"message": {"role": "assistant", "content": f"answer {number}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1_000 + number, "completion_tokens": 100},
    }
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
    at = f"2026-10-01T12:{number // 60:02d}:{number % 60:02d}Z"
    return {
        "timestamp": at,
        "request_id": f"call-{number}",
        "request": request,
        "response": response,
        "status": 200,
        **fields,
    }


def line(number, **fields):
    return json.dumps(call(number, **fields)).encode()


class Intake:
    """One lake, and what became of every file that it was given."""

    def __init__(self, folder: Path, text: str = "sample") -> None:
        self.folder = folder
        self.lake = Lake.temporary(folder / "lake", text)
        self.spool = folder / "spool"
        self.spool.mkdir(exist_ok=True)

    def write(self, name, content):
        path = self.folder / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def take(self, *paths, **options):
        taken = ingest(self.lake, [str(path) for path in paths], spool=self.spool, **options)
        self.check_nothing_is_lost()
        return taken

    def read(self, content, name="log.jsonl", **options):
        """Take in one file that the user named."""
        self.take(self.write(name, content), **options)
        return self

    def check_nothing_is_lost(self):
        quarantined = Counter(self.lake.frame("quarantine")["path"])
        kept = sum(
            (Counter(self.lake.frame(table)["source_file"]) for table in ("requests", "charges", "usage")), Counter()
        )
        for file in self.lake.ingests().to_dicts():
            not_calls = sum(json.loads(file["not_calls"]).values())
            assert file["rows_read"] == file["rows_kept"] + file["rows_merged"] + not_calls + file["rows_quarantined"]
            assert file["rows_quarantined"] == quarantined[file["path"]]
            assert file["rows_kept"] == kept[file["path"]]
        assert all(reason for reason in self.lake.frame("quarantine")["reason"])

    def rows(self):
        return self.lake.frame("requests").sort("source_file", "source_row").to_dicts()

    def ids(self):
        return [row["request_id"] for row in self.rows()]

    def refused(self):
        """(line, reason) of what was quarantined."""
        return [(row["line"], row["reason"]) for row in self.lake.frame("quarantine").sort("path", "line").to_dicts()]

    def heads(self):
        return self.lake.frame("quarantine").sort("path", "line")["head"].to_list()

    def calls(self):
        """Every call once, as a report sees them, without what says where it was read."""
        duckdb = engine.start("duckdb", {"threads": "1"})
        try:
            duckdb.attach("request_rows", self.lake.files("requests"), schema.REQUEST_ROWS)
            duckdb.put("batches", self.lake.ingests().select("batch_id", "path").to_arrow())
            if "source_modes" in queries.load("calls").listed("reads"):
                modes = pa.schema([("source", pa.string()), ("billing_mode", pa.string())])
                duckdb.put("source_modes", modes.empty_table())
            queries.run(duckdb, "same_spans")
            queries.run(duckdb, "calls", into="found", params={"since": "1970-01-01", "until": "2100-01-01"})
            found = pl.DataFrame(duckdb.fetch("found"))
        finally:
            duckdb.close()
        return found.drop("source_file", "source_row").sort("call_key").to_dicts()


@pytest.fixture
def intake(tmp_path):
    return Intake(tmp_path)


GOOD = line(1) + b"\n" + line(2) + b"\n"


# --- the whole file -----------------------------------------------------------------------------


def test_an_empty_file_that_the_user_named_is_an_error_that_says_so(intake):
    with pytest.raises(AuditError, match=r"log\.jsonl is empty"):
        intake.read(b"")


def test_an_empty_file_in_a_folder_is_quarantined_whole(intake):
    intake.write("a.jsonl", b"")
    good = intake.write("b.jsonl", GOOD)
    intake.take(good.parent)
    assert (intake.refused(), intake.ids()) == ([(None, "the file is empty")], ["call-1", "call-2"])


def test_a_wrong_path_says_what_is_there_instead(intake):
    intake.write("a.jsonl", GOOD)
    with pytest.raises(AuditError, match=r"b\.jsonl: no such file or folder\. .*logs holds: a\.jsonl\."):
        intake.take(intake.folder / "logs" / "b.jsonl")


def test_a_folder_of_nothing_but_strangers_is_an_error_that_shows_how_they_start(intake):
    for name in ("a.txt", "b.csv"):
        intake.write(name, b"hello, world\n")
    with pytest.raises(AuditError, match="none of 1 files is a log or bill that llmaudit knows") as error:
        intake.take(intake.folder / "logs")
    assert "a.txt: no source knows this file" in str(error.value)


def test_a_stranger_in_a_good_folder_is_quarantined_whole_and_the_rest_goes_on(intake):
    intake.write("a.txt", b"hello, world\n")
    good = intake.write("b.jsonl", GOOD)
    intake.take(good.parent)
    assert (intake.refused(), intake.heads()) == ([(None, "no source knows this file")], ["hello, world\n"])
    assert intake.ids() == ["call-1", "call-2"]


def test_a_stranger_that_the_user_named_is_an_error_that_names_the_known_sources(intake):
    with pytest.raises(
        AuditError, match=r"no source knows this file\. It starts with 'hello'\. Known sources: .*plain_jsonl"
    ):
        intake.read(b"hello")


class Twin(Source):
    name = "twin"

    def matches(self, peek: Peek) -> bool:
        return '"timestamp"' in peek.head


@pytest.fixture
def twin(monkeypatch):
    both = {**sources.registry(), "twin": Twin()}
    monkeypatch.setattr(sources, "registry", lambda: both)


@pytest.mark.usefixtures("twin")
def test_a_file_that_two_sources_claim_is_an_error_that_names_both_unless_the_user_picks(intake):
    with pytest.raises(AuditError, match=r"claimed by plain_jsonl and twin\. Pick one with --source NAME"):
        intake.read(GOOD)
    assert intake.read(GOOD, source="plain_jsonl").ids() == ["call-1", "call-2"]


@pytest.mark.usefixtures("twin")
def test_a_file_that_two_sources_claim_in_a_folder_is_quarantined_whole(intake):
    intake.write("a.jsonl", GOOD)
    costs = {
        "object": "page",
        "data": [{"object": "bucket", "start_time": 1781395200, "end_time": 1781481600, "results": []}],
    }
    intake.write("costs.json", json.dumps(costs).encode())
    intake.take(intake.folder / "logs")
    assert intake.refused() == [(None, "claimed by plain_jsonl and twin")]


def test_a_source_nobody_knows_is_an_error_that_lists_the_known_ones(intake):
    with pytest.raises(AuditError, match=r"No source called 'nginx'\. Known: .*claude_code"):
        intake.read(GOOD, source="nginx")


# --- records that are torn, mixed up or odd -----------------------------------------------------


def test_a_record_cut_in_the_middle_of_the_file_is_quarantined_with_line_reason_and_first_bytes(intake):
    torn = line(2)[:120]
    intake.read(line(1) + b"\n" + torn + b"\n" + line(3) + b"\n")
    assert intake.ids() == ["call-1", "call-3"]
    [(number, reason)] = intake.refused()
    assert number == 2
    assert reason.startswith("not JSON: Unterminated string")
    assert intake.heads() == [torn.decode()]


@pytest.mark.parametrize("length", [1, 2, 11, 40, 90, 100, 130, -1])
def test_a_record_cut_at_the_end_of_the_file_is_quarantined_wherever_it_was_cut(intake, length):
    intake.read(GOOD + line(3)[:length])
    assert intake.ids() == ["call-1", "call-2"]
    assert [number for number, _ in intake.refused()] == [3]


@pytest.mark.parametrize("place", range(3))
def test_a_record_cut_behind_an_open_brace_takes_no_other_record_with_it(intake, place):
    lines = [line(1), line(2), line(3)]
    lines.insert(place, b'{"timestamp": "2026-10-01T12:00:00Z", "request": {')
    intake.read(b"\n".join(lines), source="plain_jsonl")
    assert intake.ids() == ["call-1", "call-2", "call-3"]
    assert [number for number, _ in intake.refused()] == [place + 1]


def test_the_first_bytes_of_a_torn_record_are_few(intake):
    intake.read(GOOD + b'{"timestamp": "' + b"x" * 10_000)
    assert [len(head) for head in intake.heads()] == [HEAD_BYTES]


def test_many_torn_records_keep_each_its_own_line(intake):
    lines = [line(n) if n % 2 else line(n)[:60] for n in range(400)]
    intake.read(b"\n".join(lines))
    assert len(intake.ids()) == 200
    assert [number for number, _ in intake.refused()] == list(range(1, 401, 2))


def test_a_byte_order_mark_costs_no_record(intake):
    assert intake.read(b"\xef\xbb\xbf" + GOOD).ids() == ["call-1", "call-2"]
    assert intake.refused() == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_log_in_utf16_as_some_shells_write_it_is_read_whole(intake, encoding):
    text = ("\ufeff" if encoding == "utf-16-be" else "") + line(1).decode() + "\r\n" + line(2).decode() + "\r\n"
    assert intake.read(text.encode(encoding)).ids() == ["call-1", "call-2"]
    assert intake.refused() == []


def test_two_files_joined_with_their_byte_order_marks_cost_no_record(intake):
    assert intake.read(b"\xef\xbb\xbf" + line(1) + b"\n\xef\xbb\xbf" + line(2)).ids() == ["call-1", "call-2"]


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ud83d\\ud83d\\ude00", "\\uDE00\\uD83D"])
def test_half_a_surrogate_pair_is_mended_and_the_rest_of_the_record_kept(intake, half):
    messages = [{"role": "user", "content": "smile HERE \\ud83d \U0001f600 end"}]
    record = json.dumps(call(1, request={"model": "gpt-4o", "messages": messages}))
    intake.read(line(2) + b"\n" + record.replace("HERE", half).encode())
    assert (intake.ids(), intake.refused()) == (["call-2", "call-1"], [])
    [kept] = [text for text in intake.lake.frame("texts")["text"] if "smile" in text]
    assert "�" in kept
    assert kept.endswith("\\ud83d \U0001f600 end")


def test_a_byte_that_is_no_utf8_is_named_with_its_place(intake):
    intake.read(line(1) + b'\n{"timestamp": "2026\xff"}\n' + line(2))
    assert (intake.ids(), intake.refused()) == (["call-1", "call-2"], [(2, "not UTF-8: byte 0xff at 20")])


def test_a_line_of_thirty_megabytes_is_a_record_like_any_other(intake):
    long = line(2, request={"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * 6_000_000}]})
    intake.read(line(1) + b"\n" + long + b"\n" + line(3))
    assert intake.ids() == ["call-1", "call-2", "call-3"]
    assert intake.rows()[1]["prompt_bytes"] == 30_000_000


def test_a_long_line_beside_a_torn_one_is_kept(intake):
    long = line(2, request={"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * 4_000_000}]})
    intake.read(line(1)[:50] + b"\n" + long)
    assert (intake.ids(), len(intake.refused())) == (["call-2"], 1)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\n  \n\t\n", b",\n", b"\n,"])
def test_a_record_is_a_record_whatever_its_line_breaks(intake, newline):
    intake.read(newline.join(line(n) for n in range(5)) + newline)
    assert intake.ids() == [f"call-{n}" for n in range(5)]
    assert intake.refused() == []


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("indent", [0, 1, 2, "\t"])
def test_pretty_printed_objects_are_records(intake, newline, indent):
    text = "\n".join(json.dumps(call(n), indent=indent) for n in range(3)).encode()
    intake.read(text.replace(b"\n", newline))
    assert (intake.ids(), intake.refused()) == (["call-0", "call-1", "call-2"], [])


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_an_array_of_records_is_read_as_its_records(intake, indent):
    intake.read(json.dumps([call(n) for n in range(3)], indent=indent).encode())
    assert (intake.ids(), intake.refused()) == (["call-0", "call-1", "call-2"], [])


@pytest.mark.parametrize("text", [b"[\n%s,\n%s,\n%s\n]\n", b"[%s,\n %s\n ,%s]", b"%s %s%s", b"[%s]\n[%s, %s]\n"])
def test_records_are_found_however_they_are_strung_together(intake, text):
    intake.read(text % (line(0), line(1), line(2)))
    assert (intake.ids(), intake.refused()) == (["call-0", "call-1", "call-2"], [])


def test_objects_set_in_javascript_style_are_records(intake):
    objects = ["\n".join(json.dumps(call(n), indent=2).splitlines()[1:-1]) for n in range(3)]
    intake.read(("[{\n" + "\n}, {\n".join(objects) + "\n}]\n").encode())
    assert (intake.ids(), intake.refused()) == (["call-0", "call-1", "call-2"], [])


def test_an_array_that_breaks_off_keeps_the_records_before_the_break(intake):
    intake.read(json.dumps([call(n) for n in range(3)], indent=2).encode()[:-400])
    assert intake.ids() == ["call-0", "call-1"]
    assert len(intake.refused()) == 1


def test_a_pretty_printed_record_that_breaks_off_is_one_lost_record_and_the_next_is_kept(intake):
    pretty = [json.dumps(call(n), indent=2) for n in range(3)]
    torn = "\n".join(pretty[1].splitlines()[:-4])
    intake.read("\n".join([pretty[0], torn, pretty[2]]).encode())
    assert intake.ids() == ["call-0", "call-2"]
    assert [number for number, _ in intake.refused()] == [len(pretty[0].splitlines()) + 1]


def test_a_record_of_very_many_lines_is_given_up_and_the_next_is_kept(intake):
    endless = b'{"timestamp": [\n' + b"1,\n" * (MOST_LINES_OF_A_RECORD + 5)
    intake.read(line(1) + b"\n" + endless + line(2))
    assert intake.ids() == ["call-1", "call-2"]
    assert intake.refused()[0][0] == 2


@pytest.mark.parametrize(
    ("strange", "reason"),
    [(b'"a string"', "not an object but a string"), (b"12", "not an object but a number"), (b"null", "not an object but null"),
     (b"true", "not an object but true or false"), (b'["a", 1]', "not an object but an array of other things"), (b"INFO started", "not JSON: "),
     (b"{'a': 1}", "not JSON: "), (b'{"a": 1}}', "not JSON: "), (b"{" + b'"a":{' * 5_000 + b"}" * 5_001, "not JSON: nested too deeply")],
)  # fmt: skip
def test_a_line_that_is_no_record_is_quarantined_with_what_it_is(intake, strange, reason):
    intake.read(line(1) + b"\n" + strange + b"\n" + line(2))
    assert intake.ids() == ["call-1", "call-2"]
    assert all(number == 2 for number, _ in intake.refused())
    assert any(said.startswith(reason) for _, said in intake.refused())


def test_an_object_that_has_none_of_the_fields_is_quarantined(intake):
    intake.read(line(1) + b'\n{"level": "info"}\n' + line(2))
    assert (intake.ids(), intake.refused()) == (["call-1", "call-2"], [(2, "no readable time in timestamp: missing")])
    assert intake.heads() == ['{"level": "info"}\n']


def test_the_line_of_a_refused_record_counts_blank_lines_too(intake):
    intake.read(b"\n\n" + line(1) + b"\n\n" + line(2, timestamp="soon") + b"\n")
    assert intake.refused() == [(5, "no readable time in timestamp: soon")]
    assert intake.heads()[0].startswith('{"timestamp": "soon"')


def test_zero_bytes_left_by_a_crash_cost_no_record(intake):
    assert intake.read(line(1) + b"\n" + b"\x00" * 4_096 + b"\n" + line(2)).ids() == ["call-1", "call-2"]


# --- values in other types ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"prompt_tokens": 1001', b'"prompt_tokens": "1001"'), (b'"prompt_tokens": 1001', b'"prompt_tokens": 1001.0'),
     (b'"prompt_tokens": 1001', b'"prompt_tokens": 1.001e3'), (b'"status": 200', b'"status": "200"'), (b'"status": 200', b'"status": 200.0'),
     (b'"status": 200', b'"status": 200, "latency_ms": NaN'), (b'"status": 200', b'"status": 200, "status": 200'),
     (b'"status": 200', b'"status": 200, "team": null, "tags": null, "unheard_of": {"a": [1]}')],
)  # fmt: skip
def test_a_value_in_another_type_is_the_same_value(intake, old, new):
    assert old in line(1)
    intake.read(line(1).replace(old, new) + b"\n" + line(2))
    first = intake.rows()[0]
    assert (first["input_tokens"], first["http_status"], first["status"], intake.refused()) == (1_001, 200, "ok", [])


def test_usage_that_is_null_is_unknown_and_not_zero(intake):
    body = call(1)["response"] | {"usage": None, "choices": []}
    intake.read(
        line(1, request={"model": "gpt-4o"}, response=body)
        + b"\n"
        + line(2, request=None, response=body | {"id": "x"}, status=None)
    )
    assert [(row["input_tokens"], row["output_tokens"], row["usage_source"]) for row in intake.rows()] == [
        (None, None, None)
    ]
    assert intake.refused() == [(2, "neither usage nor texts")]


def test_texts_without_usage_are_counted_and_marked_as_estimated(intake):
    intake.read(line(1, response=call(1)["response"] | {"usage": None}))
    [row] = intake.rows()
    assert row["usage_source"] == "estimated"
    assert 0 < row["output_tokens"] <= row["input_tokens"] < 20


@pytest.mark.parametrize(
    "time", [1790856001, "1790856001", 1790856001000, 1790856001.0, "2026-10-01T12:00:01", "2026-10-01 14:00:01+02:00"]
)
def test_a_time_is_a_time_however_it_is_written(intake, time):
    assert intake.read(line(1, timestamp=time)).rows()[0]["started_at"].isoformat() == "2026-10-01T12:00:01"


def test_a_time_without_a_zone_is_of_the_zone_that_was_named(intake):
    [row] = intake.read(line(1, timestamp="2026-10-01T12:00:01"), timezone="America/New_York").rows()
    assert row["started_at"].isoformat() == "2026-10-01T16:00:01"


# --- packed files -------------------------------------------------------------------------------


def packed(name, content):
    return gzip.compress(content) if name.endswith(".gz") else pa.Codec("zstd").compress(content, asbytes=True)


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst"])
@pytest.mark.parametrize("torn", [b"", b'{"timestamp": "'])
def test_packed_files_are_read_like_plain_ones(intake, name, torn):
    intake.read(packed(name, GOOD + torn), name)
    assert (intake.ids(), len(intake.refused())) == (["call-1", "call-2"], 1 if torn else 0)


def test_a_packed_file_that_breaks_off_keeps_what_came_before_and_says_where_it_broke(intake):
    whole = b"\n".join(line(n, tags={"noise": f"{n * 7_919 % 65_537:x}" * 50}) for n in range(2_000))
    half = gzip.compress(whole)
    intake.read(half[: len(half) // 2], "log.jsonl.gz")
    kept = intake.ids()
    assert kept == [f"call-{n}" for n in range(len(kept))]
    assert 500 < len(kept) < 1_500
    [(number, reason)] = intake.refused()
    assert number == len(kept) + 1
    assert reason.startswith("the file breaks off: ")


@pytest.mark.parametrize("damage", ["cut", "bits"])
@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst"])
def test_a_damaged_packed_file_in_a_folder_does_not_stop_the_others(intake, name, damage):
    whole = packed(name, b"\n".join(line(n, tags={"noise": f"{n * 7_919 % 65_537:x}" * 50}) for n in range(2_000)))
    middle = len(whole) // 2
    intake.write(name, whole[:middle] if damage == "cut" else whole[:middle] + b"\xff" * 64 + whole[middle + 64 :])
    intake.write("other.jsonl", line(2_500))
    intake.take(intake.folder / "logs")
    assert "call-2500" in intake.ids()
    said = {reason.partition(" (")[0].partition(":")[0] for _, reason in intake.refused()}
    assert said & {"the file breaks off", "cannot be unpacked", "not JSON", "not UTF-8"}


@pytest.mark.parametrize("content", [b"not packed at all", bz2.compress(GOOD)])
def test_a_file_that_is_not_what_its_name_says_is_an_error_or_quarantined_whole(intake, content):
    bad = intake.write("bad.jsonl.gz", content)
    with pytest.raises(AuditError, match="cannot be unpacked"):
        intake.take(bad)
    intake.write("good.jsonl", GOOD)
    intake.take(bad.parent)
    assert intake.ids() == ["call-1", "call-2"]
    assert [reason.partition(" (")[0] for _, reason in intake.refused()] == ["cannot be unpacked"]


# --- again, twice, in parts ---------------------------------------------------------------------


def test_an_interrupted_run_leaves_nothing_behind_and_a_later_one_completes(intake):
    for number in range(3):
        intake.write(f"{number}.jsonl", line(number))

    def stop(name, size):
        if name.endswith("1.jsonl"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake.take(intake.folder / "logs", progress=stop)
    assert intake.rows() == []
    assert intake.lake.ingests().height == 0
    intake.take(intake.folder / "logs")
    assert intake.ids() == ["call-0", "call-1", "call-2"]


def test_a_run_interrupted_between_two_chunks_keeps_the_first_whole(intake, monkeypatch):
    monkeypatch.setattr("llmaudit.lake.intake.CHUNK_FILES", 2)
    for number in range(4):
        intake.write(f"{number}.jsonl", line(number))

    def stop(name, size):
        if name.endswith("3.jsonl"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake.take(intake.folder / "logs", progress=stop)
    assert intake.ids() == ["call-0", "call-1"]
    taken = intake.take(intake.folder / "logs")
    assert (len(taken.files), taken.known) == (2, 2)
    assert intake.ids() == ["call-0", "call-1", "call-2", "call-3"]


def test_the_same_content_under_two_names_is_read_once_and_accounted_for_twice(intake):
    intake.write("a.jsonl", GOOD)
    intake.write("b.jsonl", GOOD)
    intake.take(intake.folder / "logs")
    assert intake.ids() == ["call-1", "call-2"]
    assert [(row["rows_read"], row["rows_kept"], row["rows_merged"]) for row in intake.lake.ingests().to_dicts()] == [
        (2, 2, 0),
        (2, 0, 2),
    ]


def test_the_same_call_in_two_files_is_one_call(intake):
    intake.write("a.jsonl", line(1) + b"\n" + line(2))
    intake.write("b.jsonl", line(2) + b"\n" + line(3))
    intake.take(intake.folder / "logs")
    assert len(intake.rows()) == 4
    assert sorted(call["request_id"] for call in intake.calls()) == ["call-1", "call-2", "call-3"]


LOGS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["good", "torn", "odd"])), min_size=1, max_size=14)


def as_lines(log):
    made = {
        "good": line,
        "torn": lambda number: line(number)[:80],
        "odd": lambda number: line(number, timestamp="soon"),
    }
    return [made[kind](number) for number, kind in [(99, "good"), *log]]


def calls_of(folder, *runs):
    """What a report sees after the files of each run were taken in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    intake = Intake(folder)
    for number, run in enumerate(runs):
        for at, lines in enumerate(run):
            intake.write(f"{number}/{at}.jsonl", b"\n".join(lines))
        intake.take(intake.folder / "logs" / str(number))
    return intake.calls(), len(intake.refused())


@pytest.mark.slow
@settings(max_examples=8)
@given(LOGS, LOGS)
def test_files_in_any_order_give_the_same_calls(tmp_path_factory, one, other):
    folder = tmp_path_factory.getbasetemp() / "order"
    assert calls_of(folder, [as_lines(one), [*as_lines(other), b""]]) == calls_of(
        folder, [[*as_lines(other), b""], as_lines(one)]
    )


@pytest.mark.slow
@settings(max_examples=8)
@given(LOGS)
def test_taking_a_file_in_twice_changes_nothing(tmp_path_factory, log):
    folder = tmp_path_factory.getbasetemp() / "twice"
    assert calls_of(folder, [as_lines(log)], [as_lines(log)]) == calls_of(folder, [as_lines(log)])


@pytest.mark.slow
@settings(max_examples=8)
@given(LOGS, st.integers(1, 14))
def test_splitting_a_file_in_two_changes_nothing(tmp_path_factory, log, at):
    folder = tmp_path_factory.getbasetemp() / "split"
    lines = as_lines(log)
    assert calls_of(folder, [lines]) == calls_of(folder, [lines[:at], [line(99), *lines[at:]]])


SAMPLES = Path(__file__).parents[1] / "sample_logs"


def one_by_one(source, files):
    return {
        number: [row for batch in read(source, *each) for row in batch.to_pylist()] for number, each in enumerate(files)
    }


def all_together(source, files):
    rows = {number: [] for number in range(len(files))}
    for numbers, batch in read_together(source, files):
        for number, row in zip(numbers.tolist(), batch.to_pylist(), strict=True):
            rows[number].append(row)
    return rows


def openings(paths):
    return [(path, Reading("x"), ReadOptions(content_hash=path.name)) for path in paths]


@pytest.mark.parametrize("name", ["plain_jsonl", "claude_code", "litellm_callback"])
def test_small_files_read_together_give_what_they_give_one_by_one(intake, name):
    nameless = line(7).replace(b'"id"', b'"no"').replace(b'"request_id"', b'"no"')
    odd = [
        GOOD,
        line(3)[:50] + b"\n" + line(4),
        b"\n",
        nameless,
        nameless,
        b"\xef\xbb\xbf" + line(5),
        line(6, timestamp="soon") + b"\n" + line(8),
    ]
    made = (
        [intake.write(f"{number}.jsonl", content) for number, content in enumerate(odd)]
        if name == "plain_jsonl"
        else []
    )
    paths = [*made, *sorted((SAMPLES / name).rglob("*.jsonl"))]
    apart, together = openings(paths), openings(paths)
    source = sources.by_name(name)
    assert all_together(source, together) == one_by_one(source, apart)
    assert [reading for _, reading, _ in together] == [reading for _, reading, _ in apart]


def test_only_small_plain_files_of_lines_are_read_together(intake, monkeypatch):
    monkeypatch.setattr("llmaudit.sources.reader.SMALL_FILE_BYTES", len(GOOD))
    plain, bill = sources.by_name("plain_jsonl"), sources.by_name("openai_costs")
    small, large, packed_up = (
        intake.write("a.jsonl", GOOD),
        intake.write("b.jsonl", GOOD + b"\n"),
        intake.write("c.jsonl.gz", b""),
    )
    assert [fits_together(plain, path) for path in (small, large, packed_up)] == [True, False, False]
    assert not fits_together(bill, small)


# --- privacy ------------------------------------------------------------------------------------

PLANTED = "heliotrope"
KEY = "sk-proj-" + "a1B2c3D4" * 4


def every_cell(lake):
    """Every value of every Parquet file of the lake, as text and as bytes."""
    for table in TABLES:
        for path in lake.files(table):
            for column in pl.read_parquet(path).iter_columns():
                yield (
                    table,
                    column.name,
                    "".join(f"{value}" for value in column.explode() if value is not None)
                    if (column.dtype == pl.List)
                    else "".join(f"{value}" for value in column if value is not None),
                )


def with_words(word):
    messages = [{"role": "system", "content": f"You {word}."}, {"role": "user", "content": f"Ask {word}"}]
    asked = {"model": "gpt-4o", "messages": messages, "tools": [{"function": {"name": f"tool_{word}"}}], "stop": [word]}
    body = call(1)["response"] | {"choices": [{"message": {"content": f"Say {word}"}}]}
    records = [call(1, request=asked, response=body), call(2, request=asked, timestamp=f"no time {word}")]
    return "\n".join(json.dumps(record) for record in records).encode() + f'\n{{"torn": "{word}'.encode()


@pytest.mark.parametrize("mode", ["none", "sample", "all"])
def test_text_none_leaves_no_word_of_a_prompt_or_answer_in_any_file(tmp_path, mode):
    intake = Intake(tmp_path, mode)
    intake.read(with_words(PLANTED))
    found = {(table, column) for table, column, values in every_cell(intake.lake) if PLANTED in values}
    if mode == "none":
        assert found <= {("quarantine", "reason")}
    else:
        assert ("texts", "text") in found
    assert intake.rows()[0]["prompt_hash"] is not None


@pytest.mark.parametrize("mode", ["none", "sample", "all"])
def test_a_secret_is_masked_in_every_mode(tmp_path, mode):
    intake = Intake(tmp_path, mode)
    intake.read(with_words(KEY))
    assert not [column for column in every_cell(intake.lake) if KEY[8:24] in column[2]]


# --- long prompts ----------------------------------------------------------------------------------


def long_prompts(folder):
    rules = [{"type": "text", "text": "Be kind. " * 2_000, "cache_control": {"type": "ephemeral"}}]
    file = folder / "long.jsonl"
    file.write_bytes(b"\n".join(line(n, request={"model": "gpt-4o", "system": rules}) for n in range(600)))
    return file


def test_prompts_that_need_more_memory_than_the_usual_are_read_once_and_in_order(tmp_path):
    file = long_prompts(tmp_path)
    reading = Reading("plain_jsonl")
    options = ReadOptions(memory_limit="200MB")
    rows = pa.Table.from_batches(read(sources.by_name("plain_jsonl"), file, reading, options))
    assert rows["provider_id"].to_pylist() == [f"chatcmpl-{n}" for n in range(600)]
    assert (reading.rows_read, reading.rows_kept) == (600, 600)


@pytest.mark.parametrize("together", [False, True])
def test_a_file_that_the_machine_has_no_memory_for_is_named_with_what_to_do(tmp_path, monkeypatch, together):
    monkeypatch.setattr("llmaudit.sources.reader.memory_bytes", lambda: 2**28)
    file, source = long_prompts(tmp_path), sources.by_name("plain_jsonl")
    opened = (file, Reading("plain_jsonl"), ReadOptions(memory_limit="200MB"))
    with pytest.raises(
        AuditError, match=r"long\.jsonl: .* more memory than 190\.7 MiB; .* 60% of .* 0\.2 GiB\. Cut it"
    ):
        list(read_together(source, [opened]) if together else read(source, *opened))


def test_rows_that_were_given_before_memory_ran_out_are_not_given_again():
    batches = pa.table({"n": range(10)}).to_batches(max_chunksize=4)
    assert [row["n"] for batch in _from(6, batches) for row in batch.to_pylist()] == [6, 7, 8, 9]
    assert [row["n"] for batch in _from(8, batches) for row in batch.to_pylist()] == [8, 9]
