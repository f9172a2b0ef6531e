"""The command: what is printed where, what is written, and which exit code ends it."""

import csv
import errno
import glob
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import jsonschema
import polars as pl
import pytest

from llmaudit import cli, levers, pipeline, report, sources

SAMPLES = Path(__file__).parents[1] / "sample_logs"
SCHEMA = json.loads(Path(report.__file__).with_name("report.schema.json").read_text("utf-8"))
COMMANDS = (
    ("report",),
    ("ingest",),
    ("query",),
    ("sources",),
    ("prices",),
    ("prices", "show"),
    ("prices", "upcoming"),
    ("prices", "lint"),
    ("prices", "diff"),
    ("prices", "update"),
    ("reconcile",),
    ("reprice",),
    ("init",),
    ("doctor",),
    ("verify",),
    ("forget",),
    ("findings",),
    ("export",),
    ("export", "focus"),
    ("export", "fine-tune"),
    ("export", "evals"),
)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def llmaudit(*arguments, stdin=b"", **environment):
    """Run the command as a shell would, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", ["llmaudit", *map(str, arguments)])
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        for name, value in {"COLUMNS": "100", **environment}.items():
            patched.setenv(name, str(value))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def refused(*arguments, **environment):
    """What is said to a user who can mend it."""
    ended = llmaudit(*arguments, **environment)
    assert ended.code == 2, ended
    assert not ended.out
    assert "Traceback" not in ended.err
    lines = [line for line in ended.err.splitlines() if not line.endswith(" ...")]
    assert lines[0].startswith("llmaudit: ")
    return "\n".join(lines).removeprefix("llmaudit: ")


def call(number, **fields):
    """1,000 tokens in and 100 out of gpt-4o: $0.0035 at list price."""
    return {
        "timestamp": f"2026-10-0{1 + number // 2}T{'10' if number % 2 else '23'}:30:00Z",
        "request_id": f"call-{number}",
        "endpoint": "/answer",
        "provider": "openai",
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]},
        "response": {
            "id": f"chatcmpl-{number}",
            "model": "gpt-4o-2024-08-06",
            "choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100},
        },
        "status": 200,
    } | fields


def text_of(records):
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)


@pytest.fixture
def log(tmp_path):
    """Six calls, two a day, on 1, 2 and 3 October."""
    path = tmp_path / "calls.jsonl"
    path.write_text(text_of(call(n) for n in range(6)), "utf-8")
    return path


@pytest.fixture
def torn_log(tmp_path):
    path = tmp_path / "torn.jsonl"
    path.write_text(text_of([call(0), '{"timestamp": ']), "utf-8")
    return path


@pytest.fixture
def lake(tmp_path, log):
    path = tmp_path / "lake"
    assert llmaudit("ingest", log, "--lake", path).code == 0
    return path


def reported(tmp_path, *arguments, **environment):
    """`report.json` of a run."""
    path = tmp_path / "reported.json"
    ended = llmaudit("report", *arguments, "-o", path, "--quiet", **environment)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    return json.loads(path.read_text("utf-8"))


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command):
    ended = llmaudit(*command, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: llmaudit {' '.join(command)}")
    assert not ended.err


def test_the_list_of_commands_is_whole():
    listed = re.findall(r"^  (\w+)  ", llmaudit("--help").out.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted({command[0] for command in COMMANDS})


@pytest.mark.parametrize("command", [(), ("prices",)], ids=["llmaudit", "prices"])
def test_no_command_at_all_shows_the_help(command):
    ended = llmaudit(*command)
    assert ended.code == 2
    assert ended.err.startswith("Usage: llmaudit")


# --- a report on the samples ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_samples(tmp_path_factory):
    """Every kind of sample, without the two large files."""
    folder = tmp_path_factory.mktemp("samples") / "logs"
    shutil.copytree(SAMPLES, folder, ignore=shutil.ignore_patterns("support-*", "catalog-*"))
    return folder


@pytest.fixture(scope="module")
def first(few_samples):
    """A report into a lake, in every format."""
    outputs = [few_samples.parent / f"report.{ending}" for ending in ("html", "json", "md")]
    written = [argument for path in outputs for argument in ("-o", path)]
    lake = few_samples.parent / "lake"
    return llmaudit("report", few_samples, "--lake", lake, "--as-of", "2026-11-01", *written), outputs, lake


def test_a_report_is_written_in_every_format_asked_for(first):
    ended, (page, data, text), _ = first
    assert ended.code == 0
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert text.read_text("utf-8").startswith("# ")
    jsonschema.validate(json.loads(data.read_text("utf-8")), SCHEMA)


def unnamed(value, schema, path=""):
    """Keys of a report that its schema has no word for, but for the evidence of a finding and an endpoint's profile."""
    schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    parts = [part for kind in ("anyOf", "allOf") for part in schema.get(kind, [])]
    parts = [schema, *(SCHEMA["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in parts)]
    if isinstance(value, list):
        items = next((part["items"] for part in parts if "items" in part), {})
        return {name for inner in value for name in unnamed(inner, items, f"{path}[]")}
    if not isinstance(value, dict) or any(part.get("type") == "object" and part.keys() <= OPEN for part in parts):
        return set()
    known = {name: inner for part in parts for name, inner in part.get("properties", {}).items()}
    others = next((part["additionalProperties"] for part in parts if "additionalProperties" in part), None)
    here = {f"{path}.{name}" for name in value if name not in known and others is None}
    return here.union(
        *(unnamed(value[n], known.get(n, others or {}), f"{path}.{n}") for n in value if n in known or others)
    )


OPEN = {"type", "description"}
"""What a schema says of an object whose keys are its own affair."""


def test_every_key_of_a_report_is_named_in_its_schema(first):
    _, (_, data, _), _ = first
    assert unnamed(json.loads(data.read_text("utf-8")), SCHEMA) == set()


def test_the_summary_fits_one_screen_and_names_what_was_written(first):
    ended, outputs, _ = first
    lines = ended.out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert all(any(path.name in line for line in lines) for path in outputs)
    assert re.fullmatch(r"Quarantined +1 record", lines[-1])


def test_without_a_terminal_progress_is_plain_lines_on_standard_error(first):
    ended, *_ = first
    assert ended.err.splitlines()[0] == "Reading files ..."
    assert all(re.fullmatch(r"[A-Z][a-z ]+ \.\.\.", line) for line in ended.err.splitlines())


@pytest.mark.slow
def test_a_report_on_all_the_samples_is_one_screen_and_valid(tmp_path):
    ended = llmaudit("report", SAMPLES, "-o", tmp_path / "report.json", "--as-of", "2026-11-26", COLUMNS="80")
    assert ended.code == 0
    assert len(ended.out.splitlines()) <= 24
    tutorial = (SAMPLES.parent / "docs" / "tutorial.md").read_text("utf-8")
    said = [line for line in ended.out.splitlines() if not line.startswith("Written")]
    assert "\n".join(said) in tutorial
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text("utf-8")), SCHEMA)


def test_a_query_sees_the_endpoints_and_the_money_of_the_report(first):
    _, (_, data, _), lake = first
    ended = llmaudit(
        "query",
        "select endpoint, count(*) as requests, sum(cost_usd) as cost_usd from requests group by endpoint",
        "--lake",
        lake,
        "--format",
        "json",
    )
    spend = json.loads(data.read_text("utf-8"))["spend"]["endpoint"]
    wanted = {row["key"]: (row["requests"], row["cost_usd"]) for row in spend}
    found = {row["endpoint"]: (row["requests"], row["cost_usd"]) for row in json.loads(ended.out)["rows"]}
    assert {key: count for key, (count, _) in found.items()} == {key: count for key, (count, _) in wanted.items()}
    for key, (_, usd) in wanted.items():  # the report rounds to a millionth
        assert found[key][1] == pytest.approx(usd, abs=1e-6)
    assert any(key and not key.startswith("/") for key in found), "no endpoint was discovered"


def test_a_lake_reported_again_without_its_files_gives_the_same_report(first, tmp_path):
    _, (_, data, _), lake = first
    again = reported(tmp_path, "--lake", lake, "--as-of", "2026-11-01")
    once = json.loads(data.read_text("utf-8"))
    for told in (once, again):  # which documents lay beside the logs, only the run that read them knows
        told["warnings"] = [said for said in told["warnings"] if said["kind"] != "left_out"]
    assert again == once


# --- exit codes -------------------------------------------------------------------------------------


def test_quarantined_records_are_counted_on_the_last_line_and_break_nothing(torn_log):
    ended = llmaudit("report", torn_log)
    assert ended.code == 0
    assert re.fullmatch(r"Quarantined +1 record", ended.out.splitlines()[-1])


def test_strict_makes_a_quarantined_record_an_exit_code(torn_log, tmp_path):
    assert llmaudit("report", torn_log, "--strict", "--quiet").code == 1
    ended = llmaudit("ingest", torn_log, "--lake", tmp_path / "lake", "--strict")
    assert ended.code == 1
    assert ended.out.splitlines()[-1] == "2 records = 1 kept + 0 merged + 0 not calls + 1 quarantined"


def test_strict_says_nothing_against_a_clean_log(log):
    assert llmaudit("report", log, "--strict", "--quiet").code == 0


def test_strict_may_stand_in_the_config(torn_log, tmp_path):
    config = tmp_path / "llmaudit.toml"
    config.write_text("strict = true")
    assert llmaudit("ingest", torn_log, "--lake", tmp_path / "lake", "--config", config).code == 1


def test_a_bug_of_ours_keeps_its_traceback(log, monkeypatch):
    def broken(*arguments, **named):
        raise RuntimeError("the sum of the parts")

    monkeypatch.setattr(pipeline, "run", broken)
    ended = llmaudit("report", log)
    assert ended.code == 70
    assert "Traceback" in ended.err
    assert "RuntimeError: the sum of the parts" in ended.err
    assert "this is our bug, not yours" in ended.err.splitlines()[-1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_no_bug_of_ours_whoever_ran_into_it(log, monkeypatch, number):
    def wrapped(*arguments, **named):
        raise RuntimeError("the writer shut down") from OSError(number, os.strerror(number))

    monkeypatch.setattr(pipeline, "run", wrapped)
    assert refused("report", log).startswith(f"a file could not be written: {os.strerror(number)}. Make room, or name")


INTERRUPTED = """
import os, signal
from llmaudit import cli
from llmaudit.lake import intake
intake.CHUNK_FILES = 2
take = intake._Batch.take
def slow(batch, group, *further):
    if any(job.file.shown.endswith("5.jsonl") for job in group.jobs):
        os.kill(os.getpid(), signal.SIGINT)
    take(batch, group, *further)
intake._Batch.take = slow
cli.main()
"""


def test_an_interrupted_run_is_completed_by_the_same_command(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for n in range(8):
        (logs / f"{n}.jsonl").write_text(text_of(call(n, timestamp=f"2026-10-01T0{n}:00:00Z") for _ in range(3)))
    command = ["ingest", logs, "--lake", tmp_path / "lake"]
    stopped = subprocess.run([sys.executable, "-c", INTERRUPTED, *command], capture_output=True, text=True, check=False)
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith("llmaudit: interrupted. What was committed to a lake stays")
    assert asked(tmp_path / "lake", "select count(*) as files from ingests") == [{"files": 4}]
    assert llmaudit(*command).out.startswith("Files: 4 read, 4 in the lake already.")
    assert llmaudit("ingest", logs, "--lake", tmp_path / "straight").code == 0
    sql = "select request_id, endpoint, cost_usd, source_file from requests order by request_id"
    assert asked(tmp_path / "lake", sql) == asked(tmp_path / "straight", sql)
    assert len(asked(tmp_path / "lake", sql)) == 8


def asked(lake, sql):
    ended = llmaudit("query", sql, "--lake", lake, "--format", "json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["rows"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("sources",), id="sources"),
        pytest.param(("query", "select range from range(100000)", "--format", "csv"), id="query"),
        pytest.param(("report",), id="report", marks=pytest.mark.slow),
    ],
)
def test_nobody_reading_on_is_no_error(arguments, lake):
    """As in `llmaudit query ... | head`: the reader has gone before all is written."""
    reader, writer = os.pipe()
    os.close(reader)
    named = [] if arguments[0] == "sources" else ["--lake", lake]
    command = [sys.executable, "-m", "llmaudit.cli", *arguments, *named]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.returncode == 0, ended.stderr
    assert all(line.endswith(" ...") for line in ended.stderr.splitlines()), ended.stderr


# --- what the user can mend -----------------------------------------------------------------------------


def test_a_wrong_path_names_what_is_there(log):
    said = refused("report", log.with_name("cals.jsonl"))
    assert said.startswith(f"{log.with_name('cals.jsonl')}: no such file or folder.")
    assert "holds: calls.jsonl" in said


@pytest.mark.parametrize("option", ["--since", "--until", "--as-of"])
def test_a_day_that_is_none_names_its_option(log, option):
    assert refused("report", log, option, "2026-13-01").startswith(f"{option} 2026-13-01: not a day. Write it as")


def test_an_empty_window_is_said_before_any_work(log):
    said = refused("report", log, "--since", "2026-10-02", "--until", "2026-10-02")
    assert said == "--since 2026-10-02 is not before --until 2026-10-02: the window is empty."


def test_a_day_before_all_time_is_named(log):
    said = refused("report", log, "--since", "0001-01-01", "--timezone", "Asia/Tokyo")
    assert said == "0001-01-01: no day that a log could be of."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--levers", "exact_duplicats"), "No lever called 'exact_duplicats'. Known: batchable,"),
        (("--without", "nothing"), "No lever called 'nothing'. Known: batchable,"),
        (("--source", "langsmith"), "No source called 'langsmith'. Known: anthropic_batch,"),
        (("--timezone", "Berlin"), "No timezone called 'Berlin'. Use a name such as UTC, Europe/Berlin"),
        (("--timezone", "Europe"), "No timezone called 'Europe'. Use a name such as"),
        (("--keep-steps",), "--keep-steps leaves its tables in the lake: name one with --lake DIR."),
        (("--config", "nowhere.toml"), "nowhere.toml: cannot be read (No such file or directory)."),
        (("-o", "report.pdf"), "report.pdf: a report is written as .html, .json or .md, not .pdf."),
        (("-o", "report"), "report: a report is written as .html, .json or .md, not without an ending."),
        (("-o", "no/report.json"), "no/report.json: there is no folder no. Create it, or"),
    ],
)
def test_a_name_nobody_knows_is_named_with_those_there_are(log, arguments, said):
    assert refused("report", log, *arguments).startswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "--engine", "polars"), r"Invalid value for '--engine': .*'polars' is not one of 'duckdb', 'spark'"),
        (
            ("report", "--tex", "all"),
            r"No such option: --tex \(Possible options: --text.*\)\. Try: llmaudit report --help",
        ),
        (("ingst",), r"No such command 'ingst'\. Did you mean 'ingest', 'init', 'findings'\? Try: llmaudit --help"),
        (("query",), r"Missing argument 'sql'\. Try: llmaudit query --help"),
        (("ingest", "a.jsonl"), r"Missing option '--lake'\. Try: llmaudit ingest --help"),
    ],
)
def test_a_mistyped_command_says_where_to_look(arguments, said):
    assert re.match(said, refused(*arguments))


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("speed = 9", "No setting in {} called 'speed'. Known: allocation,"),
        ("text = ", "{}: not TOML: "),
        ("since = '2026-10-01'", "{}: since = '2026-10-01' should be a day without quotes"),
        ("since = 2026-10-01T00:00:00", "{}: since = datetime"),
        ("levers = 'exact_duplicates'", "{}: levers = 'exact_duplicates' should be a list of names"),
        ("without = [1]", "{}: without = [1] should be a list of names"),
        ("ttl_seconds = '3600'", "{}: ttl_seconds = '3600' should be a whole number of seconds."),
        ("strict = 1", "{}: strict = 1 should be true or false."),
        ("timezone = 3", "{}: timezone = 3 should be text in quotes"),
        ("text = 'everything'", "text = 'everything' is not one of sample, all, none."),
        ("billing_modes = {plain_jsonl = 'seat'}", "No billing mode called 'seat'. Known: free, metered,"),
        ("billing_modes = {claude_cod = 'subscription'}", "No source of billing_modes called 'claude_cod'. Known: "),
        ("sample_rates = {langfus = 0.1}", "No source of sample_rates called 'langfus'. Known: "),
        ("engine_options = {memory_limit = 'much'}", "engine_options cannot be set ("),
        ("engine_options = {threads = 'all'}", "engine_options cannot be set (invalid literal for int"),
        ("billing_modes = 'seat'", "{}: billing_modes = 'seat' should be a table"),
    ],
)
def test_a_config_that_cannot_be_meant_is_named_with_its_key(log, tmp_path, toml, said):
    config = tmp_path / "llmaudit.toml"
    config.write_text(toml)
    assert refused("report", log, "--config", config).startswith(said.format(config))


def test_what_the_command_line_says_goes_before_the_config(log, tmp_path):
    config = tmp_path / "llmaudit.toml"
    config.write_text('since = 2026-11-01\nlevers = ["nothing"]\ntimezone = "Europe/Berlin"')
    arguments = ("--config", config, "--since", "2026-10-02", "--until", "2026-10-04", "--levers", "failed_calls")
    window = reported(tmp_path, log, *arguments)["window"]
    assert (window["start"], window["end"]) == ("2026-10-01T22:00:00Z", "2026-10-03T22:00:00Z")


def test_an_output_that_cannot_be_written_is_named(log, tmp_path):
    (tmp_path / "folder.json").mkdir()
    assert refused("report", log, "-o", tmp_path / "folder.json").endswith(
        "this is a folder. Name a file in it with -o."
    )
    assert "there is no folder" in refused("report", log, "-o", log / "report.json")


def test_a_folder_that_is_no_lake_says_how_to_make_one(tmp_path, log):
    for arguments in (("report",), ("query", "select 1")):
        said = refused(*arguments, "--lake", tmp_path / "nowhere")
        assert said.endswith(f"Make one with: llmaudit ingest LOGS --lake {tmp_path / 'nowhere'}")
    assert not (tmp_path / "nowhere").exists()
    assert "is a file, so it cannot be a lake" in refused("ingest", log, "--lake", log)


def test_a_lake_keeps_the_texts_it_was_made_to_keep(lake, log):
    assert "keeps text = 'sample', not 'all'" in refused("report", log, "--lake", lake, "--text", "all")


# --- which logs ---------------------------------------------------------------------------------------


def test_without_a_path_the_logs_of_coding_agents_are_found_and_said(few_samples, tmp_path):
    home = tmp_path / "home [of] Größe"
    shutil.copytree(few_samples / "claude_code", home / ".claude" / "projects")
    (home / ".claude" / "projects" / "empty.jsonl").touch()
    ended = llmaudit("report", HOME=home)
    assert ended.code == 0
    assert ended.err.splitlines()[0] == ("No path given: reading coding-agent logs in ~/.claude/projects/**/*.jsonl")
    assert "claude-code" in ended.out
    assert re.fullmatch(r"Quarantined +1 record", ended.out.splitlines()[-1]), "the empty file stops nothing"


def test_without_a_path_and_without_such_logs_the_next_move_is_named(tmp_path):
    said = refused("report", HOME=tmp_path)
    assert said.startswith("Nothing to audit: name a file or folder, or --lake DIR.")
    assert "~/.claude/projects" in said


def test_a_lake_named_in_the_config_is_reported(lake, tmp_path):
    config = tmp_path / "llmaudit.toml"
    config.write_text('lake = "lake"')
    assert reported(tmp_path, "--config", config, HOME=tmp_path)["totals"]["requests"] == 6


def test_a_log_may_come_by_standard_input(log, tmp_path):
    path = tmp_path / "report.json"
    ended = llmaudit("report", "-", "-o", path, stdin=log.read_bytes())
    assert ended.code == 0
    found = json.loads(path.read_text("utf-8"))
    assert found["totals"]["requests"] == 6
    assert [file["path"] for file in found["intake"]["files"]] == ["standard input"]


def test_a_glob_in_quotes_is_a_glob(log, tmp_path):
    (tmp_path / "other.txt").write_text("not a log")
    ended = llmaudit("ingest", f"{glob.escape(str(tmp_path))}/c*.jsonl", "--lake", tmp_path / "lake")
    assert ended.out.splitlines() == [
        "Files: 1 read, 0 in the lake already.",
        "6 records = 6 kept + 0 merged + 0 not calls + 0 quarantined",
    ]


def test_ingest_counts_the_files_of_this_run_only(lake, log):
    again = llmaudit("ingest", log, "--lake", lake)
    assert again.out.splitlines() == [
        "Files: 0 read, 1 in the lake already.",
        "0 records = 0 kept + 0 merged + 0 not calls + 0 quarantined",
    ]
    log.write_text(log.read_text() + text_of([call(6)]))
    grown = llmaudit("ingest", log, "--lake", lake)
    assert grown.out.splitlines()[1] == "7 records = 7 kept + 0 merged + 0 not calls + 0 quarantined"


def test_quiet_prints_nothing(log, lake):
    for arguments in (("report", log), ("ingest", log, "--lake", lake)):
        assert llmaudit(*arguments, "--quiet") == Ended(0, "", "")


# --- which calls, which levers ------------------------------------------------------------------------


def test_days_are_those_of_the_zone(log, tmp_path):
    found = reported(tmp_path, log, "--timezone", "Asia/Tokyo")
    # 10:30 and 23:30 in UTC are 19:30 of the same and 8:30 of the next day in Tokyo
    assert {row["key"]: row["requests"] for row in found["spend"]["day"]} == {
        "2026-10-01": 1,
        "2026-10-02": 2,
        "2026-10-03": 2,
        "2026-10-04": 1,
    }
    assert found["window"]["timezone"] == "Asia/Tokyo"
    assert (found["window"]["start"], found["window"]["end"]) == ("2026-09-30T15:00:00Z", "2026-10-04T15:00:00Z")


def test_the_window_is_half_open_and_the_report_speaks_from_its_day(log, tmp_path):
    found = reported(tmp_path, log, "--since", "2026-10-02", "--until", "2026-10-03", "--as-of", "2026-11-01")
    assert found["totals"]["requests"] == 2
    assert found["window"]["days"] == 1
    assert found["generated_at"] == "2026-11-01T00:00:00Z"


def test_a_window_without_calls_is_an_empty_report_and_no_bug(log, tmp_path):
    found = reported(tmp_path, log, "--since", "2027-01-01")
    assert (found["totals"]["requests"], found["totals"]["cost_usd"]) == (0, 0)
    jsonschema.validate(found, SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "pulled"),
    [
        (("--levers", "failed_calls"), {"failed_calls"}),
        (("--without", "failed_calls,fine_tune"), set(levers.registry()) - {"failed_calls", "fine_tune"}),
    ],
)
def test_levers_are_pulled_as_asked(log, tmp_path, arguments, pulled):
    found = reported(tmp_path, log, *arguments)
    headline = {name for name in pulled if levers.by_name(name).grade != "C"}
    assert {step["lever"] for step in found["plan"]["steps"]} == headline
    left_out = {line["id"] for line in found["analyses"] if line["reason"] == "left out by --levers or --without"}
    assert left_out == set(levers.registry()) - pulled


@pytest.mark.slow
def test_the_same_input_and_config_give_the_same_bytes(log, tmp_path):
    once, again = tmp_path / "once.json", tmp_path / "again.json"
    for path in (once, again):
        assert llmaudit("report", log, "-o", path, "--as-of", "2026-11-01", "--quiet").code == 0
    assert once.read_bytes() == again.read_bytes()


def test_steps_are_kept_as_tables_anyone_can_open(lake, tmp_path):
    reported(tmp_path, "--lake", lake, "--keep-steps")
    steps = {path.stem: pl.read_parquet(path) for path in (lake / "steps").glob("*.parquet")}
    assert {"calls", "requests", "totals", "spend"} <= set(steps)
    assert steps["requests"].height == 6
    assert steps["requests"]["cost_usd"].sum() == Decimal("0.0210")


# --- query --------------------------------------------------------------------------------------------

SPEND = "select endpoint, count(*) as calls, sum(cost_usd) as cost_usd from requests group by endpoint"


def test_a_query_answers_in_every_format(lake, tmp_path):
    table = llmaudit("query", SPEND, "--lake", lake)
    assert table.code == 0
    assert re.search(r"/answer +┆ 6 +┆ 0\.021", table.out)
    assert table.out.splitlines()[-1] == "1 row"
    assert llmaudit("query", SPEND, "--lake", lake, "--format", "csv").out == (
        "endpoint,calls,cost_usd\n/answer,6,0.021000000000\n"
    )
    assert asked(lake, SPEND) == [{"endpoint": "/answer", "calls": 6, "cost_usd": 0.021}]
    file = tmp_path / "spend.parquet"
    assert llmaudit("query", SPEND, "--lake", lake, "--format", "parquet", "-o", file) == Ended(0, "", "")
    assert pl.read_parquet(file).rows() == [("/answer", 6, Decimal("0.021"))]


def test_the_ending_of_the_output_is_its_format(lake, tmp_path):
    for ending, read in {"parquet": pl.read_parquet, "csv": pl.read_csv}.items():
        assert llmaudit("query", SPEND, "--lake", lake, "-o", tmp_path / f"spend.{ending}").code == 0
        assert read(tmp_path / f"spend.{ending}")["calls"].to_list() == [6]
    assert "no format goes by this ending" in refused("query", SPEND, "--lake", lake, "-o", tmp_path / "spend.xlsx")


@pytest.mark.parametrize("table", ["requests", "charges", "usage", "texts", "ingests", "quarantine"])
def test_every_column_of_every_table_can_be_written_as_text(lake, table):
    rows = asked(lake, f"select * from {table}")
    lines = list(csv.DictReader(io.StringIO(llmaudit("query", f"from {table}", "--lake", lake, "--format", "csv").out)))
    assert len(lines) == len(rows)
    if table == "requests":
        by_id = {row["request_id"]: row for row in rows}
        assert {line["request_id"]: json.loads(line["message_hashes"]) for line in lines} == {
            name: row["message_hashes"] for name, row in by_id.items()
        }
        assert all(line["prompt_sketch"] == by_id[line["request_id"]]["prompt_sketch"] for line in lines)


def test_amounts_keep_their_last_digit_in_json(lake):
    assert asked(lake, "select cast(0.0000005 as decimal(38, 12)) as cost_usd") == [{"cost_usd": 5e-07}]


def test_sql_that_cannot_run_says_why_and_which_tables_there_are(lake):
    tables = "Tables: requests, charges, usage, prices, texts, ingests, quarantine, finding_calls, decisions."
    for sql, why in {
        "select * from invoices": "invoices",
        "selec 1": "selec",
        "select nope from requests": "nope",
    }.items():
        first_line, second_line = refused("query", sql, "--lake", lake).splitlines()
        assert why in first_line
        assert second_line == tables


def test_parquet_is_not_printed_and_no_work_is_done_for_it(tmp_path):
    said = refused("query", "select 1", "--lake", tmp_path / "nowhere", "--format", "parquet")
    assert said == "Parquet is no text: name a file with -o FILE."


def test_the_output_of_a_query_is_looked_at_before_the_work(tmp_path):
    for path, why in {tmp_path / "no" / "a.csv": "there is no folder", tmp_path: "this is a folder"}.items():
        assert why in refused("query", "select 1", "--lake", tmp_path / "nowhere", "-o", path)


# --- lists ----------------------------------------------------------------------------------------------


def test_sources_lists_every_source_with_its_table():
    listed = {line.split()[0]: line.split()[1] for line in llmaudit("sources").out.splitlines()}
    assert listed == {name: source.table for name, source in sources.registry().items()}


def test_prices_of_a_model_are_shown_a_million_tokens_with_their_source():
    ended = llmaudit("prices", "show", "gpt-4o-2024-08-06", COLUMNS="250")
    assert ended.code == 0
    head, *lines = [[cell.strip() for cell in re.split("[│┆]", line)] for line in ended.out.splitlines() if "┆" in line]
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    [ours, *_] = [row for row in rows if row["provider"] == "openai" and row["tier"] == "standard"]
    assert (float(ours["input"]), float(ours["output"]), float(ours["cache_read"])) == (2.5, 10.0, 1.25)
    assert ours["source"]


def test_prices_of_what_is_not_billed_by_the_token_are_for_one():
    out = llmaudit("prices", "show", "gpt-4o").out
    assert " 0.0025 " in out, "a file search is $2.50 for a thousand"
    assert " 2500.0 " not in out


def test_a_model_without_a_price_is_named_beside_its_like():
    said = refused("prices", "show", "gpt-4oo")
    assert said.startswith("No model called 'gpt-4oo' in the price book of ")
    assert "Close: gpt-4o," in said
    assert refused("prices", "show", "xyzzy").startswith("No model called 'xyzzy'")
