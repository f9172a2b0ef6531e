"""The acceptance test of a tuned model: its size and rule by exact sums, its asserts run as promptfoo runs them, its record."""

import hashlib
import json
import shutil
import subprocess
from math import comb
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import llmaudit, refused
from test_export_fine_tune import call, lake_of, rows

from llmaudit import open_lake
from llmaudit.detectors.answers import pairs_of
from llmaudit.export import acceptance, evals, promptfoo

PUBLISHED = json.loads((Path(__file__).parent / "data/published/promptfoo.json").read_text("utf-8"))
PLAYER = """
const agree = require(process.argv[1]);
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const run = ([assertion, output]) => {
  if (assertion.type === "equals") return new Function("output", `return ${assertion.transform}`)(output) === assertion.value;
  return agree[assertion.value.split(":").pop()](output, { config: assertion.config }).pass;
};
console.log(JSON.stringify(asked.map(run)));
"""


def chance(cases, least, share):
    """P(at least so many of so many), written out."""
    return sum(comb(cases, k) * share**k * (1 - share) ** (cases - k) for k in range(least, cases + 1))


# --- the rule -----------------------------------------------------------------------------------------


def test_no_wrong_case_of_59_proves_95_percent_and_58_do_not():
    # 0.95 ^ 59 = 0.0485, 0.95 ^ 58 = 0.0510
    assert acceptance.least_passing(59, 0.95) == 59
    assert acceptance.least_passing(58, 0.95) is None
    assert acceptance.lower_bound(59, 59) == pytest.approx(0.05 ** (1 / 59))


@settings(max_examples=40)
@given(st.integers(1, 300), st.sampled_from([0.6, 0.8, 0.9, 0.95]), st.sampled_from([0.9, 0.95]))
def test_the_fewest_that_pass_are_the_fewest_that_prove_the_floor(cases, floor, confidence):
    least = acceptance.least_passing(cases, floor, confidence)
    proving = [k for k in range(cases + 1) if acceptance.lower_bound(k, cases, confidence) >= floor]
    assert least == min(proving, default=None)
    if least is not None:
        assert chance(cases, least, floor) <= 1 - confidence + 1e-12
        assert chance(cases, least - 1, floor) > 1 - confidence - 1e-12


def test_the_sample_is_the_smallest_with_the_power_asked_for():
    found = acceptance.smallest(0.9, 0.95, 0.8)
    assert (found.cases, found.least) == (179, 168)
    assert chance(179, 168, 0.95) >= 0.8
    assert all(acceptance.rule(cases, 0.9, 0.95).power < 0.8 for cases in range(1, 179))


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"floor": 95}, "a share between 0 and 1"),
        ({"floor": 0.95, "expected": 0.95}, "is not above --floor"),
        ({"floor": 0.95, "expected": 0.951}, "takes more than 20,000 cases"),
    ],
)
def test_terms_that_cannot_be_met_are_refused(terms, said):
    with pytest.raises(evals.AuditError, match=said):
        evals.settle(material(10), evals.Terms(**terms))


def test_a_model_that_contradicts_itself_is_not_asked_for_more_than_it_gives():
    rule, _ = evals.settle(material(400, self_agreement=0.9, repeats=200), evals.Terms())
    assert (rule.floor, rule.expected) == (0.855, 0.8775)  # 0.95 x 0.9, and halfway from there to 0.9
    few, _ = evals.settle(material(400, self_agreement=0.9, repeats=20), evals.Terms())
    assert few.floor == 0.95


def material(count, **about):
    cases = [
        {
            "case": f"c{n}",
            "messages": [{"role": "user", "content": f"q{n}"}],
            "answer": {"role": "assistant", "content": "ab"[n % 2]},
            "input_tokens": 10,
            "output_tokens": 1,
        }
        for n in range(count)
    ]
    usual = {"self_agreement": None, "repeats": 0, "held_out_sha256": "0"}
    return evals.Material("/x", "openai", "gpt-4o-2024-08-06", cases, **{**usual, **about})


# --- the files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evals")
    lake = lake_of(folder, [call(n, answer=("Refund.", "exchange")[n % 2]) for n in range(60)])
    ended = llmaudit("export", "fine-tune", "/intent", "--lake", lake, "-o", folder / "tuning")
    assert ended.code == 0, ended
    ended = llmaudit(
        *("export", "evals", "/intent", "--from", folder / "tuning", "-o", folder / "test"),
        *("--floor", 0.8, "--expected", 0.99, "--as-of", "2026-11-26"),
    )
    assert ended.code == 0, ended
    return folder / "test", ended


def test_the_test_is_settled_before_the_run_with_size_rule_and_cost(written):
    folder, ended = written
    said = json.loads((folder / "acceptance.json").read_text("utf-8"))
    # 0.8 ^ 14 = 0.044 is the first power of 0.8 under 0.05; a model at 0.99 gets 14 of 14 with 0.869.
    assert said["rule"] == {
        "floor": 0.8,
        "expected": 0.99,
        "confidence": 0.95,
        "cases": 14,
        "least": 14,
        "power": pytest.approx(0.99**14),
    }
    assert (said["spare_cases"], said["rerun_days"]) == (4, 30)
    # 14 calls of 60 tokens in and 4 out: gpt-4o at $2.50 and $10 a million, llama 3.1 8b at $0.02 and $0.06.
    assert [(run["run"], run["cost_usd"]) for run in said["cost"]["runs"]] == [
        ("tuned", pytest.approx(14 * (60 * 0.02e-6 + 4 * 0.06e-6), abs=1e-6)),
        ("today", pytest.approx(14 * (60 * 2.5e-6 + 4 * 10e-6), abs=1e-6)),
    ]
    for name, sha in said["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha
    assert "passes if at least 14 of 14 cases agree" in ended.out
    assert list(said["record"]) == list(evals.RECORD)
    assert said["held_out_sha256"] == hashlib.sha256((folder.parent / "tuning/held-out.jsonl").read_bytes()).hexdigest()


def test_the_config_is_one_that_promptfoo_publishes(written):
    folder, _ = written
    config = yaml.safe_load((folder / "promptfooconfig.yaml").read_text("utf-8"))
    jsonschema.validate(config, PUBLISHED["config"])
    assert (folder / config["tests"].removeprefix("file://")).is_file()
    for test in rows(folder / "tests.jsonl"):
        jsonschema.validate(test, PUBLISHED["test"])
    for form, answer in (("json", '{"a": 1}'), ("number", "12.5"), ("long_text", "So it is."), ("tool_call", "")):
        for test in promptfoo.as_tests([answered(answer)], form):
            jsonschema.validate(test, PUBLISHED["test"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "promts": []}, PUBLISHED["config"])


def test_without_an_earlier_export_the_same_cases_are_chosen(written):
    folder, _ = written
    terms = ("--floor", 0.8, "--expected", 0.99, "--as-of", "2026-11-26")
    ended = llmaudit(
        "export", "evals", "/intent", "--lake", folder.parent / "lake", "-o", folder.parent / "own", *terms
    )
    assert ended.code == 0, ended
    cases = {row["case"] for row in rows(folder.parent / "own/held-out.jsonl")}
    assert cases <= {f"c{n}" for n in range(42, 60)}


def test_exports_of_two_kinds_do_not_share_a_folder_and_a_changed_one_is_refused(written, tmp_path):
    folder, _ = written
    said = refused("export", "evals", "/intent", "--lake", folder.parent / "lake", "-o", folder.parent / "tuning")
    assert "holds another export (llmaudit fine-tune export)" in said
    copy = shutil.copytree(folder.parent / "tuning", tmp_path / "copy")
    (copy / "held-out.jsonl").write_text("", "utf-8")
    assert "it was changed or lost" in refused("export", "evals", "/intent", "--from", copy, "-o", tmp_path / "out")


def test_a_notebook_writes_the_same_files(written, tmp_path):
    folder, _ = written
    with open_lake(folder.parent / "lake", as_of="2026-11-26", levers=["failed_calls"]) as audit:
        audit.export_fine_tune("/intent", tmp_path / "tuning")
        audit.export_evals("/intent", tmp_path / "test", exported=tmp_path / "tuning", terms=evals.Terms(0.8, 0.99))
    for name in ("acceptance.json", "tests.jsonl"):
        assert (tmp_path / "test" / name).read_bytes() == (folder / name).read_bytes()


# --- results ------------------------------------------------------------------------------------------


def results(folder, wrong=(), left_out=(), run="tuned"):
    """As `promptfoo eval -o results.json` writes them."""
    made = [
        {
            "success": test["metadata"]["case"] not in wrong,
            "provider": {"id": "openai:chat:mine", "label": run},
            "testCase": {"metadata": test["metadata"]},
        }
        for test in rows(folder / "tests.jsonl")
        if test["metadata"]["case"] not in left_out
    ]
    path = folder.parent / "results.json"
    path.write_text(json.dumps({"results": {"version": 3, "results": made}}), "utf-8")
    return path


def test_a_passed_test_is_signed_with_the_hashes_of_what_was_run(written):
    folder, _ = written
    path = results(folder)
    ended = llmaudit(
        *("export", "evals", "/intent", "-o", folder, "--check", path, "--who", "Ann Lee", "--as-of", "2026-12-01")
    )
    assert (ended.code, "PASSED" in ended.out) == (0, True)
    [record] = rows(folder / "acceptance-records.jsonl")
    assert tuple(record) == evals.RECORD
    assert record["agreement_low"] == pytest.approx(0.05 ** (1 / 14), abs=1e-6)
    assert (record["who"], record["when"], record["result"], record["agreed"]) == (
        "Ann Lee",
        "2026-12-01",
        "passed",
        14,
    )
    assert record["results_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["tests_sha256"] == hashlib.sha256((folder / "tests.jsonl").read_bytes()).hexdigest()


def test_one_wrong_case_of_fourteen_fails_and_nobody_need_sign(written):
    folder, _ = written
    first = rows(folder / "tests.jsonl")[0]["metadata"]["case"]
    ended = llmaudit("export", "evals", "/intent", "-o", folder, "--check", results(folder, wrong=[first]))
    assert ended.code == 1
    assert "13 of 14 cases agree; at least 14 had to." in ended.out
    assert "Not signed" in ended.out
    low = acceptance.lower_bound(13, 14)
    assert f"Agreement is at least {low:.2%}" in ended.out


def test_a_model_that_could_not_be_asked_is_told_from_one_that_answers_otherwise(written, tmp_path):
    folder = shutil.copytree(written[0], tmp_path / "test")
    first, second = (test["metadata"]["case"] for test in rows(folder / "tests.jsonl")[:2])
    path = results(folder, wrong=[first, second])
    made = json.loads(path.read_text("utf-8"))
    for each in made["results"]["results"]:
        if not each["success"]:  # 1: an assert failed; 2: no answer
            each["failureReason"] = 2 if each["testCase"]["metadata"]["case"] == second else 1
    path.write_text(json.dumps(made), "utf-8")
    ended = llmaudit("export", "evals", "/intent", "-o", folder, "--check", path, "--who", "Ann Lee")
    assert ended.code == 1
    assert "12 of 14 cases agree" in ended.out
    assert "1 cases got no answer and count as no agreement. Ask them again: promptfoo eval --retry-errors" in ended.out
    assert rows(folder / "acceptance-records.jsonl")[-1]["unanswered"] == 1


def test_cases_that_are_left_out_or_of_another_run_prove_nothing(written):
    folder, _ = written
    first = rows(folder / "tests.jsonl")[0]["metadata"]["case"]
    said = refused("export", "evals", "/intent", "-o", folder, "--check", results(folder, left_out=[first]))
    assert f"1 of 14 cases have no result of 'tuned', among them {first}" in said
    said = refused("export", "evals", "/intent", "-o", folder, "--check", results(folder, run="today"))
    assert "It has results of today: say which with --run." in said
    assert (
        llmaudit(
            "export", "evals", "/intent", "-o", folder, "--check", folder.parent / "results.json", "--run", "today"
        ).code
        == 0
    )


def test_results_of_another_tool_are_lines_of_case_and_agreed(written):
    folder, _ = written
    path = folder.parent / "own.jsonl"
    path.write_text(
        "".join(
            json.dumps({"case": t["metadata"]["case"], "agreed": True}) + "\n" for t in rows(folder / "tests.jsonl")
        ),
        "utf-8",
    )
    assert llmaudit("export", "evals", "/intent", "-o", folder, "--check", path).code == 0
    path.write_text("no results", "utf-8")
    assert "no results that can be read" in refused("export", "evals", "/intent", "-o", folder, "--check", path)


# --- when an answer agrees ----------------------------------------------------------------------------


def answered(answer, **about):
    return {
        "case": "c1",
        "messages": [{"role": "user", "content": "q"}],
        "answer": {"role": "assistant", "content": answer, **about},
        "output_tokens": 3,
    }


def agrees(form, pairs):
    """Whether each given answer agrees with the logged one, by the asserts as promptfoo would run them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("asserts are JavaScript, and there is no node on the PATH")
    asked, owners = [], []
    for at, (logged, output) in enumerate(pairs):
        [test] = promptfoo.as_tests([logged], form)
        for assertion in test["assert"]:
            if assertion["type"] != "is-json":
                asked.append([assertion, output])
                owners.append(at)
    script = Path(promptfoo.__file__).with_name(promptfoo.AGREE)
    ran = subprocess.run(
        [node, "-e", PLAYER, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    passed = [True] * len(pairs)
    for at, is_right in zip(owners, json.loads(ran.stdout), strict=True):
        passed[at] &= is_right
    return passed


def test_prose_where_json_or_a_call_is_due_does_not_agree_and_is_no_error():
    assert agrees("json", [(answered(logged), "I cannot.") for logged in ('{"a": 1}', "{}")]) == [False, False]


def test_labels_agree_whatever_their_case_and_full_stop():
    pairs = [(answered("Where is it."), got) for got in ("where is it", " WHERE IS  IT. ", "where is", "where is it?")]
    assert agrees("closed_label", pairs) == [True, True, False, False]


def test_numbers_agree_to_half_a_unit_of_their_last_place():
    pairs = [(answered("$1,250.5"), got) for got in ("1250.5", "1,250.54 $", "1250.56", "about 1250.5")]
    assert agrees("number", pairs) == [True, True, False, False]
    assert agrees("number", [(answered("42"), "42.0"), (answered("42"), "42.1")]) == [True, False]


def test_tool_calls_agree_in_any_order_and_shape():
    made = [{"function": {"name": "find", "arguments": '{"id": 7, "deep": {"a": 1}}'}}]
    logged = answered("", tool_calls=made)
    same = [{"type": "function", "function": {"name": "find", "arguments": '{"deep": {"a": 1}, "id": 7}'}}]
    other = [{"function": {"name": "find", "arguments": '{"id": 8, "deep": {"a": 1}}'}}]
    assert agrees("tool_call", [(logged, same), (logged, other), (logged, "no call")]) == [True, False, False]


VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "X ", "two words", ""])
OBJECTS = st.dictionaries(
    st.sampled_from("abc"),
    VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.sampled_from("de"), VALUES, max_size=2),
    max_size=3,
)


@settings(max_examples=8)
@given(st.lists(st.tuples(OBJECTS, OBJECTS), min_size=10, max_size=40))
def test_json_agrees_where_its_values_by_field_are_those_of_the_student(pairs):
    texts = [(json.dumps(one), json.dumps(other)) for one, other in [*pairs, *((one, one) for one, _ in pairs)]]
    wanted = [pairs_of(one) == pairs_of(other) for one, other in texts]
    assert agrees("json", [(answered(one), other) for one, other in texts]) == wanted


def test_fenced_json_and_objects_agree_too():
    logged = answered('{"a": 1}')
    assert agrees("json", [(logged, '```json\n{"a": 1}\n```'), (logged, {"a": 1}), (logged, "sorry")]) == [
        True,
        True,
        False,
    ]


def test_the_shape_is_what_all_logged_answers_have_in_common():
    [test, _] = promptfoo.as_tests([answered('{"a": "x", "b": 2}'), answered('{"a": null, "b": 2.5, "c": []}')], "json")
    assert test["assert"][0]["value"] == {
        "type": "object",
        "properties": {"a": {"type": ["null", "string"]}, "b": {"type": "number"}, "c": {"type": "array"}},
        "required": ["a", "b"],
    }


def test_what_calls_say_is_no_template():
    [test] = promptfoo.as_tests(
        [{**answered("{{x}}"), "messages": [{"role": "user", "content": "{{chat}} {% if %}"}]}], "closed_label"
    )
    assert "{{" not in test["vars"]["chat"]
    assert json.loads(test["vars"]["chat"])[0]["content"] == "{{chat}} {% if %}"
    assert test["assert"][0]["value"] == "{% raw %}{{x}}{% endraw %}"


def test_free_text_is_left_to_a_judge():
    [test] = promptfoo.as_tests([answered("It rains because of the warm front.")], "long_text")
    [assertion] = test["assert"]
    assert assertion["type"] == "llm-rubric"
    assert "It rains because of the warm front." in assertion["value"]
