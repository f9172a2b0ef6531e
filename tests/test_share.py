"""A report to give away: nothing of it tells on anybody, whatever the log holds."""

import io
import json

import jsonschema
import pytest
from rich.console import Console
from test_cli import SCHEMA, llmaudit
from test_export_focus import call

from llmaudit import config, pipeline, report

SECRET = [
    "zebra-prompt",
    "zebra-answer",
    "zebra.user@example.com",
    "zebra-user-7",
    "zebra-key-name",
    "org-zebra",
    "sess-zebra",
    "zebra-folder",
    "zebra-tag",
    "sk-zebrazebrazebrazebra123",
]
"""Each stands somewhere in the log, and one is the folder that the log lies in."""


def nasty(number, **fields):
    messages = [
        {
            "role": "system",
            "content": "You are zebra-prompt, the helper of zebra.user@example.com. Answer in one word.",
        },
        {"role": "user", "content": f"zebra-prompt {number} wants sk-zebrazebrazebrazebra123"},
    ]
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
    body = {
        "model": "gpt-4o-2024-08-06",
        "usage": usage,
        "choices": [{"message": {"role": "assistant", "content": "zebra-answer"}}],
    }
    return call(
        number,
        user="zebra.user@example.com" if number % 2 else "zebra-user-7",
        session_id="sess-zebra",
        account_id="org-zebra",
        api_key_id="zebra-key-name",
        tags={"customer": "zebra-tag"},
        request={"model": "gpt-4o", "temperature": 0, "messages": messages},
        response=body,
        **fields,
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zebra-folder") / "zebra-folder"
    folder.mkdir()
    calls = [nasty(n % 9, request_id=f"r{n}") for n in range(40)] + [
        nasty(n, request_id=f"q{n}", endpoint=None) for n in range(30)
    ]
    lone = [{"role": "system", "content": "Sort zebra-prompt letters by their colour, please."}]
    for n in range(30):
        other = nasty(n, request_id=f"o{n}", endpoint=None)
        other["request"]["messages"] = [*lone, {"role": "user", "content": f"letter {n}"}]
        calls.append(other)
    calls += [nasty(1, request_id="e1", status=500, error="zebra-answer went wrong")]
    text = "".join(json.dumps(line) + "\n" for line in calls) + '{"zebra-prompt": broken\n'
    (folder / "zebra-folder log.jsonl").write_text(text, "utf-8")
    (folder / "zebra-folder.md").write_text("zebra-prompt", "utf-8")
    return folder


@pytest.fixture(scope="module")
def run(log):
    sharing = {"by": ["user_id", "tags.customer", "endpoint"]}
    found = pipeline.run(config.load(None, paths=(str(log),), allocation=sharing))
    yield found
    found.close()


def told_everywhere(shared):
    screen = io.StringIO()
    report.to_terminal(shared, Console(file=screen, width=300))
    return {
        "json": report.to_json(shared),
        "html": report.to_html(shared),
        "md": report.to_markdown(shared),
        "terminal": screen.getvalue(),
    }


def test_nothing_of_the_log_is_told(run):
    for where, text in told_everywhere(run.shareable()).items():
        assert not [word for word in SECRET if word.lower() in text.lower()], where


def test_the_whole_report_does_tell(run):
    text = report.to_json(run.report)
    assert {"zebra.user@example.com", "zebra-user-7", "zebra-key-name", "zebra-folder", "zebra-tag"} <= {
        w for w in SECRET if w in text
    }


def test_every_amount_is_still_there_and_the_shape_is_the_same(run):
    whole, shared = run.report, json.loads(report.to_json(run.shareable()))
    jsonschema.validate(shared, SCHEMA)
    assert shared["totals"] == json.loads(report.to_json(whole))["totals"]
    assert [row["cost_usd"] for row in shared["spend"]["user_id"]] == [
        float(row["cost_usd"]) for row in whole["spend"]["user_id"]
    ]
    assert len(shared["findings"]) == len(whole["findings"])


def test_labelled_endpoints_stay_and_those_named_after_prompts_do_not(run):
    names = [row["key"] for row in run.shareable()["spend"]["endpoint"]]
    assert "/faq" in names
    assert any(name and name.startswith("endpoint-") for name in names)


def test_a_name_has_one_pseudonym_in_all_places(run):
    shared = run.shareable()
    users = {row["key"] for row in shared["spend"]["user_id"]}
    [by_user] = [table for table in shared["allocation"] if table["by"] == "user_id"]
    assert {row["key"] for row in by_user["rows"]} == users == {"user-1", "user-2"}


@pytest.mark.slow
def test_the_pseudonyms_of_a_lake_last(log, tmp_path):
    names = []
    for at in (1, 2):
        ended = llmaudit("report", log, "--lake", tmp_path / "lake", "--share", "-o", tmp_path / f"{at}.json")
        assert ended.code == 0, ended
        assert not [word for word in SECRET if word in ended.out]
        names.append(
            [row["key"] for row in json.loads((tmp_path / f"{at}.json").read_text("utf-8"))["spend"]["user_id"]]
        )
    assert names[0] == names[1]
    assert all(name.startswith("user-") and len(name) == 15 for name in names[0])
