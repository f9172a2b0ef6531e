"""The whole line: what `report.json` says of the samples, of small logs written out by hand, and of the development set."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import jsonschema
import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score
from small_logs import SAMPLES, record, sample_audit, write_log

import llmaudit
from llmaudit import assemble, pipeline, queries
from llmaudit import levers as registry
from llmaudit import report as reports
from llmaudit.config import AuditConfig
from llmaudit.errors import AuditError, UnknownName
from llmaudit.report.plain import plain

SCHEMA = json.loads(Path(reports.__file__).with_name("report.schema.json").read_text("utf-8"))
TRUTH = json.loads((Path(__file__).parent / "data" / "samples_truth.json").read_text("utf-8"))
DEVDATA = Path(__file__).parents[2] / "shared" / "devdata"
AS_OF = date(2026, 11, 1)
LEVERS = {
    *("failed_calls", "exact_duplicates", "semantic_duplicates", "right_size", "fine_tune", "self_host"),
    *("truncated_outputs", "unused_tools", "context_growth", "prompt_caching"),
    *("batchable", "service_tier", "reserved_capacity"),
}


def money(value):
    return sum((Decimal(str(v or 0)) for v in value), Decimal(0))


def report_of(path, **settings):
    """The report on some files, as report.json has it."""
    run = pipeline.run(AuditConfig(paths=(str(path),), as_of=AS_OF, **settings))
    run.close()
    return run.report


def json_of(path, **settings):
    return json.loads(reports.to_json(report_of(path, **settings)))


@pytest.fixture(scope="module")
def samples():
    return json.loads(reports.to_json(sample_audit().data))


@pytest.fixture
def small(tmp_path):
    """A fortnight of two calls a day; every third call fails after it was paid for, every fourth repeats the one before."""
    records = [
        record(
            n,
            f"2026-10-{n // 2 + 1:02}T{9 + n % 2:02}:00:00Z",
            text="What are your hours?" if n % 4 == 3 else f"Which box holds lamp {n}?",
            status=504 if n % 3 == 2 else 200,
            error="timeout" if n % 3 == 2 else None,
            endpoint=("/faq", "/boxes", None)[n % 3],
            team="shop" if n % 2 else None,
        )
        for n in range(28)
    ]
    return write_log(tmp_path / "small.jsonl", records)


# --- the samples ----------------------------------------------------------------------------------


def test_the_report_on_the_samples_is_what_the_schema_says(samples):
    jsonschema.validate(samples, SCHEMA)


def test_no_check_of_the_program_on_itself_fails(samples):
    assert not [said for said in samples["warnings"] if said["kind"] == "check_failed"]


def test_the_ledger_of_records_adds_up(samples):
    intake = samples["intake"]
    assert intake["rows_read"] == sum(intake[f"rows_{way}"] for way in ("kept", "merged", "not_calls", "quarantined"))
    assert sum(line["quarantined"] for line in intake["files"]) == intake["rows_quarantined"]
    assert sum(intake["not_calls"].values()) == intake["rows_not_calls"]


@pytest.mark.parametrize("dimension", [*assemble.DIMENSIONS, *assemble.FURTHER_DIMENSIONS, "day"])
def test_spend_adds_up_to_the_total_whichever_way_it_is_divided(dimension):
    report = sample_audit().data
    lines, totals = report["spend"][dimension], report["totals"]
    assert len({line["key"] for line in lines}) == len(lines)
    assert sum((line["cost_usd"] or Decimal(0) for line in lines), Decimal(0)) == totals["cost_usd"]
    for name in ("requests", "input_tokens", "output_tokens"):
        assert sum(line[name] for line in lines) == totals[name]
    assert sum(line["share"] or 0 for line in lines) == pytest.approx(1)


def test_token_classes_add_up_to_the_total():
    report = sample_audit().data
    assert sum(line["cost_usd"] for line in report["spend"]["token_class"]) == report["totals"]["cost_usd"]


def test_ways_of_pricing_add_up_to_the_total():
    totals = sample_audit().data["totals"]
    assert sum(totals["priced_by"].values()) == totals["cost_usd"]


def test_calls_that_nobody_claims_stand_under_null(samples):
    assert None in {line["key"] for line in samples["spend"]["team"]}


def test_every_call_lies_in_october(samples):
    window = samples["window"]
    assert (window["start"][:10], window["end"][:10], window["days"]) == tuple(TRUTH["window"].values())
    assert window["month_factor"] == pytest.approx(365.25 / 12 / 31)
    assert len(samples["spend"]["day"]) <= 31


def test_every_lever_of_the_design_is_accounted_for(samples):
    status = {line["id"]: line["status"] for line in samples["analyses"]}
    assert status.keys() >= LEVERS
    assert {name for name in LEVERS if status[name] != "not_built"} == set(registry.registry())
    assert all(line["reason"] for line in samples["analyses"] if line["status"] != "ran")


def test_every_finding_has_an_id_of_its_own_made_of_what_it_is_about(samples):
    ids = [finding["id"] for finding in samples["findings"]]
    assert len(set(ids)) == len(ids)
    for finding in samples["findings"]:
        assert finding["id"].split("|") == [finding["lever"], finding["endpoint"] or "", finding["model"] or ""]


def test_every_finding_shows_its_query_its_interval_and_its_sum(samples):
    for finding in samples["findings"]:
        saving, evidence = finding["saving_usd"], finding["evidence"]
        assert evidence["query"] in queries.names()
        assert saving["low"] <= saving["expected"] <= saving["high"]
        left = evidence["before_usd"] - evidence["after_usd"] - evidence.get("running_usd", 0)
        assert saving["expected"] == pytest.approx(left, abs=2e-6)
        factor = samples["window"]["month_factor"]
        assert finding["monthly_usd"] == pytest.approx(saving["expected"] * factor, abs=1e-6)


def test_findings_of_a_lever_add_up_to_its_step(samples):
    plan = samples["plan"]
    # those of grade A and B are found on what is left without an evaluation
    steps = {step["lever"]: step["in_order_usd"] for step in (*plan["with_evaluation"]["steps"], *plan["steps"])}
    assert {finding["lever"] for finding in samples["findings"]} <= steps.keys()
    for lever, step in steps.items():
        found = [f["saving_usd"]["expected"] for f in samples["findings"] if f["lever"] == lever]
        assert sum(found) == pytest.approx(step, abs=1e-6 * len(found))


@pytest.mark.parametrize("which", ["headline", "with_evaluation"])
def test_steps_of_the_plan_sum_to_its_saving_in_the_written_json(samples, which):
    plan = samples["plan"] if which == "headline" else samples["plan"]["with_evaluation"]
    saving = plan["headline_saving_usd"] if which == "headline" else plan["saving_usd"]
    for account in ("in_order_usd", "shapley_usd"):
        assert money(step[account] for step in plan["steps"]) == Decimal(str(saving))
    left = Decimal(str(samples["plan"]["baseline_usd"]))
    for step in plan["steps"]:
        left -= Decimal(str(step["in_order_usd"]))
        assert Decimal(str(step["after_usd"])) == left
    assert Decimal(str(plan["after_usd"])) == left


def test_the_headline_holds_no_lever_that_needs_an_acceptance_test(samples):
    assert {step["grade"] for step in samples["plan"]["steps"]} <= {"A", "B"}
    levers = [step["lever"] for step in samples["plan"]["with_evaluation"]["steps"]]
    assert levers == [name for name in registry.registry() if name in levers]


def test_findings_of_the_samples_stay_what_they_were(samples, golden):
    lines = [
        f"{f['lever']:18} {f['endpoint'] or '-':28} {f['model'] or '-':28} {f['requests']:5} {f['saving_usd']['expected']:.6f}"
        for f in sorted(samples["findings"], key=lambda f: f["id"])
    ]
    golden("findings/sample_logs.txt", "\n".join(lines) + "\n")


# --- small logs -----------------------------------------------------------------------------------


def test_equal_input_and_settings_give_equal_bytes(small):
    assert reports.to_json(report_of(small)) == reports.to_json(report_of(small))


def test_without_texts_the_money_is_the_same_and_no_endpoint_gets_a_verdict(small):
    bare, whole = report_of(small, text="none"), report_of(small)
    for section in ("totals", "duplicates", "window"):
        assert plain(bare[section]) == plain(whole[section])
    judged = {line["endpoint"]: line for line in bare["fine_tune"]}
    assert {None, "/faq", "/boxes"} == set(judged)
    for line in judged.values():
        assert (line["verdict"], line["reason_code"], line["agreement"]) == (None, "no_text", None)
        assert 'text = "none"' in line["reason"]
    assert not any(finding["lever"] in ("fine_tune", "right_size") for finding in bare["findings"])


def test_splitting_a_log_into_files_moves_no_number(small, tmp_path):
    lines = small.read_text("utf-8").splitlines(keepends=True)
    parts = tmp_path / "parts"
    parts.mkdir()
    for number, rows in enumerate((lines[20:], lines[:7], lines[7:20])):
        (parts / f"part-{number}.jsonl").write_text("".join(rows), "utf-8")
    whole, split = report_of(small), report_of(parts)
    for section in ("totals", "spend", "duplicates", "findings", "plan", "window"):
        assert plain(split[section]) == plain(whole[section])


@pytest.mark.slow
def test_every_engine_writes_the_same_report(small, engine):
    options = {"threads": "1"} if engine.name == "duckdb" else {}
    here, there = report_of(small), report_of(small, engine=engine.name, engine_options=options)
    assert here.pop("config_sha256") is not None
    assert there.pop("config_sha256") is not None  # the engine is a setting
    assert reports.to_json(there) == reports.to_json(here)


def test_the_small_log_costs_what_it_adds_up_to(small):
    report = report_of(small)
    # 28 calls of 0.0035; 9 of them failed after they were paid for; of the 7 that ask for the hours
    # 2 failed, and the others lie a day or more apart
    assert report["totals"]["cost_usd"] == 28 * Decimal("0.0035")
    assert report["totals"]["errors"] == 9
    saved = {step["lever"]: step["in_order_usd"] for step in report["plan"]["steps"]}
    assert {lever: usd for lever, usd in saved.items() if usd} == {"failed_calls": 9 * Decimal("0.0035")}
    assert "exact_duplicates" in saved


def test_days_and_window_are_local_across_the_end_of_summer_time(tmp_path):
    """In New York 1 November 2026 has 25 hours: from 04:00 UTC to 05:00 UTC of the next day."""
    times = ["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"]
    log = write_log(tmp_path / "log.jsonl", [record(n, at) for n, at in enumerate(times)])
    report = json_of(log, timezone="America/New_York")
    days = {line["key"]: line["requests"] for line in report["spend"]["day"]}
    assert days == {"2026-10-31": 1, "2026-11-01": 2, "2026-11-02": 1}
    window = report["window"]
    assert (window["start"], window["end"]) == ("2026-10-31T04:00:00Z", "2026-11-03T05:00:00Z")
    assert (window["days"], window["month_factor"], window["timezone"]) == (3, None, "America/New_York")


def test_the_window_asked_for_is_half_open(tmp_path):
    times = ["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"]
    log = write_log(tmp_path / "log.jsonl", [record(n, at) for n, at in enumerate(times)])
    report = json_of(log, timezone="America/New_York", since=date(2026, 11, 1), until=date(2026, 11, 2))
    assert report["totals"]["requests"] == 2
    assert report["window"]["start"] == "2026-11-01T04:00:00Z"
    assert report["window"]["end"] == "2026-11-02T05:00:00Z"


@pytest.mark.parametrize(("last", "factor"), [("06", None), ("07", 365.25 / 12 / 7)])
def test_a_month_is_made_of_seven_days_at_least(tmp_path, last, factor):
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-01T08:00:00Z"), record(2, f"2026-10-{last}T20:00:00Z")])
    report = json_of(log)
    assert report["window"]["month_factor"] == (factor and pytest.approx(factor))
    assert {f["monthly_usd"] is None for f in report["findings"]} <= {factor is None}


def test_a_model_without_a_price_costs_an_unknown_amount(tmp_path):
    unpriced = record(1, "2026-10-01T08:00:00Z", model="acme-large-7", provider="acme")
    log = write_log(tmp_path / "log.jsonl", [unpriced, record(2, "2026-10-01T09:00:00Z")])
    report = report_of(log)
    by_model = {line["key"]: line["cost_usd"] for line in report["spend"]["model"]}
    assert by_model == {"acme-large-7": None, "gpt-4o-2024-08-06": Decimal("0.0035")}
    assert report["totals"]["cost_usd"] == Decimal("0.0035")
    assert report["totals"]["unpriced_requests"] == 1
    unknown = report["totals"]["unpriced_usd"]
    assert 0 <= unknown["low"] < unknown["high"]
    [said] = [said for said in report["warnings"] if said["kind"] == "unpriced"]
    assert "acme-large-7" in said["text"]
    assert said["usd"] == unknown["high"]


def test_levers_can_be_chosen_and_left_out(small):
    status = {line["id"]: line for line in report_of(small, levers=("failed_calls",))["analyses"]}
    assert (status["failed_calls"]["status"], status["exact_duplicates"]["status"]) == ("ran", "skipped")
    assert "--levers" in status["exact_duplicates"]["reason"]
    plan = report_of(small, without=("failed_calls",))["plan"]
    pulled = {step["lever"] for step in plan["steps"]}
    assert ("exact_duplicates" in pulled, "failed_calls" in pulled) == (True, False)


@pytest.mark.slow
def test_the_cache_finding_uses_the_life_that_was_asked_for(small):
    day, week = (report_of(small, ttl_seconds=days * 86_400) for days in (1, 7))
    # the hours are asked for at 10:00 on every second day, by calls 3, 7, 15, 19 and 27, which were answered
    saved = [
        step["in_order_usd"] for r in (day, week) for step in r["plan"]["steps"] if step["lever"] == "exact_duplicates"
    ]
    assert saved == [0, 3 * Decimal("0.0035")]
    [finding] = [f for f in week["findings"] if f["lever"] == "exact_duplicates" and f["endpoint"] == "/faq"]
    assert finding["evidence"]["settings"] == {"ttl_seconds": "604800"}


@pytest.mark.slow
def test_an_endpoint_that_is_cheaper_where_it_is_does_not_move(samples):
    report = report_of(SAMPLES / "plain_jsonl", tuned_provider="openai", tuned_model="gpt-4-turbo")
    dearer = [line for line in report["fine_tune"] if line["reason_code"] == "dearer_tuned"]
    assert [line["verdict"] for line in dearer] == ["keep", "keep"]
    assert all(line["saving_usd"] is None and line["economics"]["targets"] for line in dearer)
    assert "fine_tune" not in {step["lever"] for step in report["plan"]["with_evaluation"]["steps"]}
    [said] = [line for line in report["analyses"] if line["id"] == "fine_tune"]
    assert said["reason"] == "every endpoint that could move is already cheaper where it is, or too small to pay back"


# --- what the user can mend -----------------------------------------------------------------------


def test_a_lever_nobody_knows_is_named_beside_those_there_are(small):
    with pytest.raises(
        UnknownName, match=r"No lever called 'magic'\. Known: .*exact_duplicates, failed_calls, fine_tune"
    ):
        report_of(small, levers=("magic",))


def test_a_tuned_model_without_a_price_is_said_before_the_work_begins(small):
    with pytest.raises(AuditError, match="tuned_model 'nobody-1' of tuned_provider 'nobody' has no price"):
        report_of(small, tuned_provider="nobody", tuned_model="nobody-1")


def test_a_run_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "poem.txt").write_text("no log at all\n")
    with pytest.raises(AuditError):
        report_of(tmp_path / "poem.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["poem.txt"]


# --- the development set --------------------------------------------------------------------------

needs_devdata = pytest.mark.skipif(not DEVDATA.exists(), reason="the development set is not beside this repository")


@pytest.fixture(scope="module")
def devtruth():
    return json.loads((DEVDATA / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def devlog():
    with llmaudit.audit(DEVDATA / "devlog.jsonl.gz", as_of=AS_OF) as audit:
        yield audit


def ids_of(audit, kind):
    return set(audit.sql(f"select request_id from duplicates where class = '{kind}'")["request_id"])


def flagged(truth, flag):
    return {request_id for request_id, row in truth["rows"].items() if flag in row["flags"]}


@needs_devdata
@pytest.mark.slow
def test_spend_of_the_development_set_is_the_truth_by_endpoint(devlog, devtruth):
    found = {line["key"]: line["cost_usd"] for line in devlog.data["spend"]["endpoint"]}
    found["total"] = devlog.data["totals"]["cost_usd"]
    assert found.keys() == devtruth["spend_usd"].keys()
    for name, usd in devtruth["spend_usd"].items():
        assert abs(found[name] - Decimal(usd)) <= Decimal("0.000001")


@needs_devdata
@pytest.mark.slow
def test_repeats_of_the_development_set_are_the_planted_ones_and_no_decoy(devlog, devtruth):
    assert ids_of(devlog, "cacheable") == flagged(devtruth, "cacheable")
    assert ids_of(devlog, "different_answer") == flagged(devtruth, "resampled") | flagged(devtruth, "nondeterministic")
    assert ids_of(devlog, "retry") == flagged(devtruth, "after_failure")
    assert ids_of(devlog, "empty_prompt") == flagged(devtruth, "empty")
    assert devlog.data["duplicates"]["cacheable_requests"] == devtruth["counts"]["cacheable"]
    assert devlog.data["totals"]["errors"] == devtruth["counts"]["failed"]


@needs_devdata
@pytest.mark.slow
def test_no_endpoint_of_the_development_set_moves_that_should_not(devlog, devtruth):
    moved = [line["endpoint"] for line in devlog.data["fine_tune"] if line["verdict"] == "move"]
    kinds = [devtruth["endpoints"][name]["kind"] for name in moved]
    assert kinds.count("not") == 0
    assert kinds.count("trap") <= 2
    assert kinds.count("movable") == 3


@needs_devdata
@pytest.mark.slow
def test_endpoints_are_found_without_labels(devtruth):
    with llmaudit.audit(DEVDATA / "devlog-unlabelled.jsonl.gz", as_of=AS_OF) as audit:
        found = audit.sql("select request_id, endpoint from requests where prompt_bytes > 0")
    true = [devtruth["rows"][request_id]["endpoint"] for request_id in found["request_id"]]
    assert adjusted_rand_score(true, found["endpoint"].fill_null("?").to_list()) >= 0.95
    assert found.select((pl.col("endpoint").is_not_null()).mean()).item() >= 0.95
