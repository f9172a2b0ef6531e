"""After a move: dollars by hand, what fell back, whether the answers are the same, and what had been promised."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import jsonschema
import polars as pl
import pytest
from test_cli import SCHEMA, llmaudit

from llmaudit import open_lake
from llmaudit.detectors.migrations import on_near_equal_inputs, on_the_same_prompts, paired

START = datetime.fromisoformat("2026-10-01T09:00:00")
THINGS = ("lamp", "chair", "kettle", "bicycle", "carpet", "mirror", "guitar", "blanket", "toaster", "ladder")
OLD, NEW = "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"
"""A million tokens in and out: $2.50 and $10.00; $0.15 and $0.60."""


def call(number, model, question, answer, *, hours=None, system="Name the intent of this message.", **fields):
    """1,000 tokens in, 100 out: $0.0035 of the old model, $0.00021 of the new one."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return {
        "timestamp": f"{START + timedelta(hours=number if hours is None else hours):%Y-%m-%dT%H:%M:%SZ}",
        "request_id": f"c{number}",
        "endpoint": "/intent",
        "provider": "openai",
        "request": {"model": model, "messages": messages},
        "response": {
            "model": model,
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 100},
        },
        **fields,
    }


def question(n):
    return f"{THINGS[n % 10]} {'abcdefghij'[n // 10] * 6} number{n} {THINGS[(n * 7 + 3) % 10] * 2}"


def label(n):
    return ("refund", "exchange")[n % 2]


def before():
    return [call(n, OLD, question(n), label(n)) for n in range(30)]


def after():
    """30 calls of the new model: the first 25 ask what was asked before, two of them answered otherwise; four fall back, two never left."""
    asked = [*range(25), *range(30, 35)]
    moved = [
        call(100 + n, NEW, question(n), {0: "exchange", 1: "Exchange."}.get(n, label(n)) if n != 2 else "other")
        for n in asked
    ]
    again = [call(200 + n, OLD, question(n), label(n), hours=100 + n) for n in range(4)]
    stayed = [call(300 + n, OLD, question(40 + n), label(n)) for n in range(2)]
    return [*moved, *again, *stayed]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrations")
    write(folder / "before.jsonl", before())
    write(folder / "after.jsonl", after())
    ended = llmaudit(
        "report", folder / "before.jsonl", "-o", folder / "before.json", "--as-of", "2026-10-03", "--quiet"
    )
    assert ended.code == 0, ended
    then = json.loads((folder / "before.json").read_text("utf-8"))
    # As a report of thirty calls cannot: $0.105 spent, of which $0.0735 to be saved (70 %), between 60 % and 80 %.
    then["fine_tune"] = [
        {
            "endpoint": "/intent",
            "cost_usd": 0.105,
            "saving_usd": {"low": 0.063, "expected": 0.0735, "high": 0.084},
            "agreement": {"estimate": 0.9, "low": 0.8, "high": 0.95, "baseline": 0.5, "n": 30},
        }
    ]
    (folder / "then.json").write_text(json.dumps(then), "utf-8")
    write(folder / "all.jsonl", [*before(), *after()])
    outputs = ("-o", folder / "now.json", "-o", folder / "now.html", "-o", folder / "now.md")
    ended = llmaudit(
        *("report", folder / "all.jsonl", *outputs, "--compare", folder / "then.json", "--lake", folder / "lake"),
        *("--as-of", "2026-10-20", "--quiet"),
    )
    assert ended.code == 0, ended
    return folder, json.loads((folder / "now.json").read_text("utf-8"))


def write(path, calls):
    path.write_text("".join(f"{json.dumps(each)}\n" for each in calls), "utf-8")


def test_realised_dollars_count_what_fell_back_twice_and_what_stayed_not_at_all(audited):
    _, report = audited
    [row] = report["migrations"]
    assert (row["old_model"], row["new_model"]) == (OLD, NEW)
    assert row["since"] == "2026-10-05T13:00:00"  # 100 hours on
    assert (row["asked_requests"], row["moved_requests"]) == (30, 30)
    assert (row["fell_back_requests"], row["stayed_requests"]) == (4, 2)
    assert row["fell_back_share"] == pytest.approx(4 / 30)
    assert row["before_usd"] == 0.105  # 30 x 0.0035
    assert row["cost_usd"] == 0.0203  # 30 x 0.00021 + 4 x 0.0035
    assert row["saving_usd"] == 0.0847


def test_the_promise_is_a_share_of_what_the_calls_would_have_cost(audited):
    _, report = audited
    [row] = report["migrations"]
    # 30 calls would have cost 0.105 again: the promise of then holds dollar for dollar.
    assert row["promised_saving_usd"] == {"low": 0.063, "expected": 0.0735, "high": 0.084}
    assert row["promise"] == "kept"  # 0.0847 is above 0.063
    assert row["promised_agreement"]["estimate"] == 0.9


def test_answers_to_the_same_prompt_are_compared_but_for_their_spelling(audited):
    _, report = audited
    [row] = report["migrations"]
    # 25 prompts twice: 0 and 2 were answered otherwise, 1 only spelled otherwise.
    assert (row["agreement"]["estimate"], row["agreement"]["n"]) == (23 / 25, 25)
    assert row["agreement"]["low"] == pytest.approx(0.7397, abs=1e-4)  # Clopper-Pearson, 23 of 25
    assert row["agreement"]["high"] == pytest.approx(0.9902, abs=1e-4)


def test_the_report_shows_it_on_every_page_and_meets_its_schema(audited):
    folder, report = audited
    jsonschema.validate(report, SCHEMA)
    assert {a["id"]: a["status"] for a in report["analyses"]}["migrations"] == "ran"
    for name in ("now.html", "now.md"):
        assert "After a move" in (folder / name).read_text("utf-8")


def test_a_notebook_has_the_same_rows(audited):
    folder, report = audited
    with open_lake(folder / "lake", as_of="2026-10-20", compare=folder / "then.json") as audit:
        [row] = audit.migrations().to_dicts()
    assert row["saving_usd"] == Decimal("0.0847")
    assert row["promised_usd"] == Decimal("0.0735")
    assert row["agreement"] == report["migrations"][0]["agreement"]["estimate"]


def test_without_a_move_the_analysis_says_so(audited):
    folder, _ = audited
    report = json.loads((folder / "before.json").read_text("utf-8"))
    assert report["migrations"] == []
    [line] = [a for a in report["analyses"] if a["id"] == "migrations"]
    assert line["reason"] == "no endpoint went on on a model whose calls cost less than half"


def test_a_model_without_a_price_moved_too_but_nothing_is_known_of_its_dollars(tmp_path):
    mine = [call(100 + n, "mine-v1", question(n), label(n), provider=None) for n in range(25)]
    write(tmp_path / "log.jsonl", [*before(), *mine])
    ended = llmaudit("report", tmp_path / "log.jsonl", "-o", tmp_path / "now.json", "--as-of", "2026-10-20", "--quiet")
    assert ended.code == 0, ended
    [row] = json.loads((tmp_path / "now.json").read_text("utf-8"))["migrations"]
    assert (row["new_model"], row["cost_usd"], row["saving_usd"], row["promise"]) == ("mine-v1", None, None, None)
    assert row["before_usd"] == 0.0875  # 25 x 0.0035
    assert row["agreement"]["estimate"] == 1


def sampled(model, system, questions, answers):
    return pl.DataFrame(
        {
            "status": "ok",
            "model": model,
            "started_at": START,
            "call_key": f"{model}{n:03}",
            "system": system,
            "prompt": asked,
            "output": answer,
        }
        for n, (asked, answer) in enumerate(zip(questions, answers, strict=True))
    )


def test_near_equal_inputs_are_compared_under_other_instructions_too():
    questions = [question(n) for n in range(12)]
    old = sampled(OLD, "You are a careful assistant. Name the intent.", questions, map(label, range(12)))
    new = sampled(NEW, "Intent?", questions[:10], ["other", *map(label, range(1, 10))])
    found = on_near_equal_inputs(pl.concat([old, new]), OLD, NEW)
    assert (found.estimate, found.n) == (0.9, 10)
    assert on_near_equal_inputs(old, OLD, NEW) is None


def test_a_pair_of_answers_that_no_text_explains_is_no_agreement():
    pairs = pl.DataFrame(
        {"endpoint": "/x", "old_output_hash": [1, 1, 2], "new_output_hash": [1, 2, 3], "prompts": [8, 1, 1]}
    )
    assert on_the_same_prompts(pairs, {1: "Refund.", 2: "refund"})["/x"] == paired(9, 10)
    assert on_the_same_prompts(pairs, {})["/x"] == paired(8, 10)
    assert paired(0, 0) is None
