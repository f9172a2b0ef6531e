"""Promises of a report against later calls: sums worked out by hand on planted logs."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import record, write_log
from typer.testing import CliRunner

from llmaudit.cli import app
from llmaudit.lake import Lake, decisions
from llmaudit.lake.decisions import Decision
from llmaudit.replay import promises

MODEL = "gpt-4o-2024-08-06"
FIRST, LATER = datetime(2026, 10, 1, 8, tzinfo=UTC), datetime(2026, 10, 8, 8, tzinfo=UTC)


def calls(start, endpoint, different, repeats):
    """Calls of $0.0035: so many different questions, then the first of them so often again."""
    asked = [*range(different), *([0] * repeats)]
    return [
        record(
            f"{endpoint}-{start:%d}-{place}",
            (start + timedelta(seconds=2 * place)).isoformat(),
            text=f"Which box of {endpoint} holds {number}?",
            endpoint=endpoint,
        )
        for place, number in enumerate(asked)
    ]


THEN = [call for endpoint in ("/faq", "/slow", "/gone") for call in calls(FIRST, endpoint, 40, 20)]
"""Of each endpoint 60 calls cost 0.2100; 20 repeats are 0.0700, and 40 calls, 0.1400, are useful."""

NOW = [
    *calls(LATER, "/faq", 80, 4),
    *calls(LATER, "/slow", 40, 20),
    *calls(LATER, "/gone", 5, 0),
    *calls(LATER, "/new", 40, 2),
]


def run(*told):
    return CliRunner().invoke(app, [str(part) for part in told], standalone_mode=False)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A report, a finding called done, a look too early, and a look once later calls have come in."""
    folder = tmp_path_factory.mktemp("promises")
    lake, report = folder / "lake", folder / "then.json"
    then, now = write_log(folder / "then.jsonl", THEN), write_log(folder / "now.jsonl", NOW)
    assert run("report", then, "--lake", lake, "--text", "none", "-o", report, "--quiet").exit_code == 0
    decisions.decide(Lake.open(lake), Decision(f"exact_duplicates|/slow|{MODEL}", "done", FIRST.date(), "ann", ""))
    early = run("verify", "--baseline", report, "--lake", lake)
    assert run("ingest", now, "--lake", lake, "--quiet").exit_code == 0
    before = Lake.open(lake).frame("finding_calls")
    late = run("verify", "--baseline", report, "--lake", lake, "-o", folder / "verify.json")
    return {
        "early": early,
        "late": late,
        "found": json.loads((folder / "verify.json").read_text()),
        "untouched": Lake.open(lake).frame("finding_calls").equals(before),
    }


def line(story, endpoint):
    [found] = [row for row in story["found"]["findings"] if row["id"] == f"exact_duplicates|{endpoint}|{MODEL}"]
    return found


def test_a_promise_that_came_true_for_the_most_part_is_scaled_to_the_later_volume(story):
    faq = line(story, "/faq")
    # then 0.0700 of waste to 0.1400 of use; now 80 useful calls, 0.2800: twice as much, so 0.1400 was promised.
    # 4 repeats, 0.0140, are left: 0.1260 or 90 % came true
    assert (faq["scale"], faq["promised_usd"], faq["left_usd"], faq["realised_usd"]) == (2, 0.14, 0.014, 0.126)
    assert (faq["verdict"], faq["share"], faq["then_usd"]["expected"]) == ("realised", 0.9, 0.07)


def test_a_finding_called_done_that_is_not_is_named_and_ends_in_one(story):
    slow = line(story, "/slow")
    # 40 useful calls as then, and the 20 repeats are still there
    assert (slow["verdict"], slow["status"], slow["promised_usd"], slow["realised_usd"]) == ("not yet", "done", 0.07, 0)
    assert story["late"].return_value == 1
    assert f"exact_duplicates|/slow|{MODEL} is called done, and later calls do not show it." in story["late"].output


def test_an_endpoint_without_enough_later_calls_cannot_be_told(story):
    gone = line(story, "/gone")
    assert (gone["verdict"], gone["realised_usd"]) == ("cannot tell", None)
    assert gone["reason"] == "the endpoint has 5 later calls, fewer than 30"


def test_the_sums_are_of_what_could_be_told(story):
    sums = story["found"]["totals"]
    # 0.1400 + 0.0700 promised, 0.1260 came true, 0.0140 + 0.0700 is left; seven days from the first later one:
    # 0.1260 x 30.4375 / 7 = 0.547875 a month
    assert [sums[name] for name in ("promised_usd", "realised_usd", "left_usd")] == [0.21, 0.126, 0.084]
    assert (sums["cannot_tell_usd"], sums["monthly_realised_usd"]) == (0.07, 0.547875)
    said = story["late"].output
    assert "Promised $0.21 for the later calls: $0.13 has come true ($0.55 a month), $0.084 is left to save." in said
    assert "Of $0.070 promised then nothing can be said." in said


def test_waste_where_nothing_was_promised_is_new(story):
    # two repeats at 0.0035
    assert story["found"]["new"] == [{"id": f"exact_duplicates|/new|{MODEL}", "saving_usd": 0.007}]


def test_a_lake_without_later_calls_names_the_next_move(story):
    assert story["early"].exit_code != 0
    assert "holds no calls from 2026-10-02 on" in str(story["early"].exception)


def test_verifying_leaves_the_lake_as_it_was(story):
    assert story["untouched"]


# --- the sums -------------------------------------------------------------------------------------

MONEY = st.integers(0, 10**6).map(lambda micros: micros / 10**6)


def report(findings, costs):
    return {
        "window": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-15T00:00:00Z", "days": 14, "month_factor": 2.0},
        "analyses": [{"id": lever, "status": "ran", "reason": None} for lever in "abc"],
        "spend": {"endpoint": [{"key": key, "requests": 100, "cost_usd": cost} for key, cost in costs.items()]},
        "findings": [
            {
                "id": f"{lever}|{endpoint}|{model}",
                "lever": lever,
                "endpoint": endpoint,
                "model": model,
                "grade": "A",
                "stage": "avoid",
                "status": "open",
                "saving_usd": {"low": saving / 2, "expected": saving, "high": saving * 2},
            }
            for (lever, endpoint, model), saving in findings.items()
        ],
    }


SITES = st.tuples(st.sampled_from("abc"), st.sampled_from(("/x", "/y", None)), st.sampled_from(("m", "n")))
FINDINGS = st.dictionaries(SITES, MONEY, max_size=8)
COSTS = st.fixed_dictionaries({key: st.integers(9, 99) for key in ("/x", "/y", None)})


@settings(max_examples=40)
@given(FINDINGS, COSTS, FINDINGS, COSTS)
def test_what_came_true_and_what_is_left_are_what_was_promised(then, costs, now, later):
    found = promises.kept(report(then, costs), report(now, later), [])
    sums = found["totals"]
    assert sums["realised_usd"] + sums["left_usd"] == sums["promised_usd"]
    for line in found["findings"]:
        assert line["realised_usd"] + line["left_usd"] == line["promised_usd"]
    assert sums["realised_usd"] == sum(line["realised_usd"] for line in found["findings"])
    still = sum(line["left_usd"] for line in found["findings"]) + sum(row["saving_usd"] for row in found["new"])
    assert abs(still - sum(Decimal(str(usd)) for usd in now.values())) <= Decimal("0.00001")


@pytest.mark.parametrize(
    ("left", "verdict"),
    [(0, "realised"), (20, "realised"), (21, "partly"), (80, "partly"), (81, "not yet"), (150, "not yet")],
)
def test_verdicts_change_at_four_fifths_and_at_a_fifth(left, verdict):
    site = ("a", "/x", "m")
    # 100 of waste to 200 of use, then and now, of which `left` is still there
    [line] = promises.kept(report({site: 100}, {"/x": 300}), report({site: left}, {"/x": 200 + left}), [])["findings"]
    assert (line["verdict"], line["realised_usd"]) == (verdict, 100 - left)
    assert line["within_promise"] == (left <= 50)  # at least half was promised


def test_prices_that_halve_halve_the_promise_and_not_the_verdict():
    site = ("a", "/x", "m")
    found = promises.kept(report({site: 2.0}, {"/x": 10}), report({site: 1.0}, {"/x": 5}), [])
    # then 2 of waste to 8 of use; now 1 to 4: nothing was done
    [line] = found["findings"]
    assert (line["promised_usd"], line["realised_usd"], line["verdict"]) == (1, 0, "not yet")


def test_waste_that_went_on_to_another_model_has_not_come_true():
    found = promises.kept(report({("a", "/x", "m"): 2.0}, {"/x": 10}), report({("a", "/x", "n"): 2.0}, {"/x": 10}), [])
    assert [(row["verdict"], row["left_usd"]) for row in found["findings"]] == [("not yet", 2)]
    assert found["new"] == []


def test_a_route_that_nobody_took_is_not_called_taken_because_the_lever_is_silent():
    before = report({("a", "/x", "m"): 2.0}, {"/x": 10})
    before["findings"][0]["stage"] = "route"
    models = [{"endpoint": "/x", "model": "m", "requests": 80}, {"endpoint": "/x", "model": "n", "requests": 20}]
    [line] = promises.kept(before, report({}, {"/x": 10}), models)["findings"]
    assert (line["verdict"], line["reason"][:28]) == ("cannot tell", "most calls still go to m, an")
    [line] = promises.kept(before, report({}, {"/x": 8}), models[1:])["findings"]
    assert line["verdict"] == "realised"
