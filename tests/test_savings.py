"""From run to run: decisions, sandboxes, comparisons, the calls behind a finding. And a log without waste."""

import json
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from small_logs import START, call, record, replay, write_log
from typer.testing import CliRunner

import llmaudit
from llmaudit import levers, savings
from llmaudit.cli import app
from llmaudit.config import AuditConfig
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError, UnknownName
from llmaudit.lake import Lake, decisions
from llmaudit.lake.decisions import Decision
from llmaudit.levers.exact_duplicates import ExactDuplicates
from llmaudit.levers.failed_calls import FailedCalls
from llmaudit.report.plain import plain
from llmaudit.report.sections.findings import terminal

FAQ = "exact_duplicates|/faq|gpt-4o-2024-08-06"
LOG = [
    record(1, "2026-10-01T08:00:00Z", text="Which box?"),
    record(2, "2026-10-01T08:01:00Z", text="Which box?"),
    record(3, "2026-10-01T08:02:00Z", text="Which box?"),
    record(4, "2026-10-01T08:03:00Z", text="Which lamp?", endpoint="/playground"),
    record(5, "2026-10-01T08:04:00Z", text="Which lamp?", endpoint="/playground"),
]
"""Three repeats at $0.0035: two in /faq, one in /playground."""


@pytest.fixture
def lake(tmp_path):
    log = write_log(tmp_path / "log.jsonl", LOG)
    llmaudit.audit(log, lake=tmp_path / "lake").close()
    return tmp_path / "lake"


def report(lake, **given):
    with llmaudit.open_lake(lake, levers=["exact_duplicates"], **given) as audit:
        return audit.data


def by_id(data):
    return {finding["id"]: finding for finding in data["findings"]}


def test_a_declined_finding_is_shown_apart_and_in_no_plan_until_its_time_is_over(lake):
    day = date(2026, 11, 1)
    decisions.decide(Lake.open(lake), Decision(FAQ, "declined", day, "ann", "answers must be fresh", date(2026, 12, 1)))
    held = report(lake, as_of=date(2026, 12, 1))
    assert held["plan"]["headline_saving_usd"] == Decimal("0.0035")
    declined = by_id(held)[FAQ]
    assert (declined["status"], declined["saving_usd"]["expected"]) == ("declined", Decimal("0.0070"))
    assert declined["decision"]["reason"] == "answers must be fresh"
    over = report(lake, as_of=date(2026, 12, 2))
    assert over["plan"]["headline_saving_usd"] == Decimal("0.0105")
    assert (by_id(over)[FAQ]["status"], by_id(over)[FAQ]["decision"]["status"]) == ("open", "declined")


def test_decisions_are_made_at_the_command_line_and_kept(lake):
    run = CliRunner().invoke
    assert run(app, ["findings", "accept", FAQ, "--lake", str(lake), "--owner", "ann"]).output == f"{FAQ}: accepted\n"
    assert by_id(report(lake))[FAQ]["status"] == "accepted"
    assert "accepted" in run(app, ["findings", "list", "--lake", str(lake)]).output
    assert run(app, ["findings", "reopen", FAQ, "--lake", str(lake)]).output == f"{FAQ}: open\n"
    assert by_id(report(lake))[FAQ]["status"] == "open"


def test_decisions_are_made_in_a_notebook_and_kept(lake):
    with llmaudit.open_lake(lake) as audit:
        audit.decide(FAQ, "declined", reason="answers must be fresh", until=date(2099, 12, 31))
        assert audit.data["plan"]["headline_saving_usd"] == Decimal("0.0105")
    held = report(lake)
    assert held["plan"]["headline_saving_usd"] == Decimal("0.0035")
    assert by_id(held)[FAQ]["decision"]["until"] == "2099-12-31"
    with llmaudit.open_lake(lake) as audit:
        audit.decide(FAQ, "open")
    assert report(lake)["plan"]["headline_saving_usd"] == Decimal("0.0105")


def test_a_decision_that_cannot_be_kept_in_a_notebook_says_why(lake, tmp_path):
    with llmaudit.open_lake(lake) as audit:
        with pytest.raises(UnknownName, match="No status called 'postponed'"):
            audit.decide(FAQ, "postponed")
        with pytest.raises(AuditError, match="until='soon' is no day"):
            audit.decide(FAQ, "accepted", until="soon")
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-01T08:00:00Z")])
    with llmaudit.audit(log) as audit, pytest.raises(AuditError, match="this audit has none"):
        audit.decide(FAQ, "accepted")


def test_what_nobody_found_cannot_be_decided(lake):
    with pytest.raises(AuditError, match=r"No finding called 'exact_duplicates\|/fax\|m'.*exact_duplicates\|/faq"):
        decisions.decide(Lake.open(lake), Decision("exact_duplicates|/fax|m", "accepted", date(2026, 11, 1)))
    with pytest.raises(AuditError, match="Declining needs a reason"):
        decisions.decide(Lake.open(lake), Decision(FAQ, "declined", date(2026, 11, 1)))
    with pytest.raises(AuditError, match="Nothing was decided"):
        decisions.reopen(Lake.open(lake), FAQ)


def test_a_sandbox_counts_in_the_totals_and_in_no_finding(lake):
    whole, without = report(lake), report(lake, sandbox=["/playground"])
    assert whole["totals"]["cost_usd"] == without["totals"]["cost_usd"] == Decimal("0.0175")
    assert whole["plan"]["headline_saving_usd"] - without["plan"]["headline_saving_usd"] == Decimal("0.0035")
    assert [f["endpoint"] for f in without["findings"]] == ["/faq"]
    [said] = [warning for warning in without["warnings"] if warning["kind"] == "sandbox"]
    assert (said["text"][:25], said["usd"]) == ("2 calls of /playground ar", Decimal("0.0070"))


def test_every_finding_leads_to_its_calls(lake):
    with llmaudit.open_lake(lake) as audit:
        for finding in audit.data["findings"]:
            calls = audit.calls(finding["id"])
            assert calls.height == finding["requests"]
            assert (calls["before_usd"] - calls["after_usd"]).sum() == finding["saving_usd"]["expected"]
        assert audit.calls(FAQ)["request_id"].to_list() == ["call-2", "call-3"]
    kept = Lake.open(lake).frame("finding_calls")
    assert set(kept["finding_id"]) == {f["id"] for f in audit.data["findings"] if f["requests"]}


def test_scenarios_stand_beside_each_other(lake):
    with llmaudit.open_lake(lake) as audit:
        found = audit.compare({"minute": [ExactDuplicates(60)], "hour": [ExactDuplicates(), FailedCalls()]})
    # within a minute of the first: the second call of either endpoint; within the hour all three
    assert found.select("scenario", "saving_usd").rows() == [("hour", Decimal("0.0105")), ("minute", Decimal("0.0070"))]


def test_a_later_report_says_what_became_of_the_findings(lake, tmp_path):
    with llmaudit.open_lake(lake) as audit:
        earlier = audit.report(tmp_path / "last.json")
    later = report(lake, compare=earlier, sandbox=["/playground"])["findings_compared"]
    assert [line["id"] for line in later["gone"]] == ["exact_duplicates|/playground|gpt-4o-2024-08-06"]
    assert later["new"] == []
    assert json.dumps(later, default=str)
    told = terminal({**json.loads(earlier.read_text()), "findings_compared": plain(later)})
    assert [[text for text, _ in one.parts] for one in told[-2:]] == [
        ["0 new, 1 gone, 0 changed of the findings"],
        ["gone: exact_duplicates|/playground|gpt-4o-2024-08-06, $0.0035 then, $0 now"],
    ]


def test_the_same_findings_have_not_changed():
    finding = {"id": "a", "saving_usd": {"low": 1, "expected": 2, "high": 3}, "status": "open"}
    assert savings.compared({"findings": [finding]}, [finding]) == {"new": [], "gone": [], "changed": []}
    dearer = {**finding, "saving_usd": {"low": 3, "expected": 4, "high": 5}}
    [line] = savings.compared({"findings": [finding]}, [dearer])["changed"]
    assert (line["before_usd"], line["after_usd"]) == (2, 4)


# --- a log without waste ----------------------------------------------------------------------------


def clean(number):
    """A question of its own to a cheap model in daytime, answered at once, streamed to somebody who waits."""
    return call(
        number,
        number * 977,
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini",
        model="gpt-4o-mini",
        endpoint="/chat",
        prompt_hash=1_000 + number,
        output_hash=1_000 + number,
        session_id=f"s{number}",
        user_id=f"u{number % 7}",
        stream=True,
        finish_reason="stop",
        service_tier="standard",
        duration_ms=900.0 + number,
        first_token_ms=200.0,
        input_tokens=300 + number % 11,
        output_tokens=60,
        prompt_bytes=1_200,
        output_bytes=240,
        max_output_tokens=400,
    )


@pytest.mark.parametrize("name", levers.registry())
def test_a_log_without_waste_yields_nothing(name):
    engine = DuckDB(threads=1)
    rows = [clean(number) for number in range(200)]
    replayed = replay(engine, rows)
    spent = sum(row["cost_usd"] for row in engine.fetch("money").to_pylist())
    plan = replayed.plan([levers.make(name, {})], spent)
    engine.close()
    assert abs(plan.saving_usd) < spent / 200


CACHED, BATCHED, CHATS, RETRIEVED, AGENTS = "cached already", "batched already", "chats", "retrieved texts", "agents"
HABITS = (CACHED, BATCHED, CHATS, RETRIEVED, AGENTS)
TOOLS = ("search", "read", "run")


def said(dice, count):
    words = "river stone copper window market paper signal orange garden valley engine pocket silver mirror candle"
    return " ".join(dice.choices(words.split(), k=count))


def frugal(habit, dice):
    """Ten days of calls that nothing could have made cheaper: each asks something of its own, agents use all their tools."""
    rules = {"role": "system", "content": said(dice, 1_500 if habit == CACHED else 30)}
    for number in range(200):
        at = START + timedelta(days=number // 20, seconds=70 * (number % 20) + dice.uniform(0, 60))
        messages = [rules, {"role": "user", "content": said(dice, 400 if habit == RETRIEVED else 40)}]
        for turn in range(4 if habit in (CHATS, AGENTS) else 1):
            answer = asks_tool(number, turn) if habit == AGENTS and turn < 3 else spoken(dice)
            yield sent(habit, f"{number}-{turn}", at, messages, answer)
            next_up = {"role": "user"} if answer["content"] else {"role": "tool", "tool_call_id": f"t{number}-{turn}"}
            messages = [*messages, answer, {**next_up, "content": said(dice, 25)}]
            at += timedelta(seconds=dice.uniform(2, 40))


def spoken(dice):
    return {"role": "assistant", "content": said(dice, 30)}


def asks_tool(number, turn):
    asked = {"name": TOOLS[(number + turn) % 3], "arguments": "{}"}
    call_of = {"id": f"t{number}-{turn}", "type": "function", "function": asked}
    return {"role": "assistant", "content": None, "tool_calls": [call_of]}


def sent(habit, name, at, messages, answer):
    tokens = sum(len(str(message)) // 4 for message in messages)
    cached = tokens // 128 * 128 if habit == CACHED and name != "0-0" else 0
    tools = [{"type": "function", "function": {"name": tool, "description": f"{tool} things"}} for tool in TOOLS]
    counts = {"prompt_tokens": tokens, "completion_tokens": 60, "prompt_tokens_details": {"cached_tokens": cached}}
    body = {"id": f"chatcmpl-{name}", "model": "gpt-4o-mini", "choices": [{"message": answer}], "usage": counts}
    return record(
        0,
        f"{at.isoformat()}Z",
        request={"model": "gpt-4o-mini", "messages": messages, **({"tools": tools} if habit == AGENTS else {})},
        response={**body, **({"service_tier": "batch"} if habit == BATCHED else {})},
        request_id=name,
        session_id=f"s{name.split('-')[0]}" if habit in (CHATS, AGENTS) else None,
        latency_ms=900,
    )


@pytest.mark.parametrize("habit", HABITS)
def test_habits_that_cost_no_more_than_they_must_yield_nothing(tmp_path, habit):
    log = write_log(tmp_path / "log.jsonl", frugal(habit, random.Random(20)))
    with llmaudit.audit(log) as audit:
        spent, plan = audit.data["totals"]["cost_usd"], audit.data["plan"]
        assert spent > 0
        assert audit.data["intake"]["rows_quarantined"] == 0
        found = sum(finding["saving_usd"]["expected"] for finding in audit.data["findings"])
    assert max(found, plan["headline_saving_usd"], plan["with_evaluation"]["saving_usd"]) < spent / 200


def test_sandbox_takes_a_list_of_endpoints():
    assert AuditConfig(sandbox=("/playground",)).sandbox == ("/playground",)
