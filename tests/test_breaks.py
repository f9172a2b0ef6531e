"""What breaks a prompt early: named with its kinds, its place and its example, and only where something is worth mending."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import llmaudit
from llmaudit.detectors.breaks import Break, Prompt, find

SHARED = Path(__file__).parents[2] / "shared" / "devdata"
START = datetime.fromisoformat("2026-10-01T09:00:00")
RULES = " ".join(f"Rule {n}: answer the {n}th kind of question in {n + 2} short words." for n in range(40))
QUESTIONS = [f"Where does the {name} go?" for name in ("lamp", "chair", "box", "rope", "kite", "bell", "drum", "shoe")]


def prompts(*systems: str, **more: object) -> list[Prompt]:
    return [
        Prompt(START + timedelta(minutes=n), None, (("system", system), ("message 1", question)))
        for n, (system, question) in enumerate(zip(systems, QUESTIONS, strict=False))
    ]


def found(*systems: str) -> Break | None:
    return next(find("/ask", "m", prompts(*systems)), None)


@pytest.mark.parametrize(
    ("varying", "kinds"),
    [
        (lambda n: f"2026-10-0{n + 1}T08:3{n}:11.2{n}Z", "time"),
        (lambda n: f"{8 + n}:1{n} pm", "time"),
        (lambda n: f"{1_790_000_000 + n}", "time"),
        (lambda n: f"2026-10-0{n + 1}", "date"),
        (lambda n: f"4a5fd23{n}-7714-f5fe-4d3b-287e0163031{n}", "id"),
        (lambda n: f"req_72c931e{n}", "id"),
        (lambda n: f"u{n}@example.org", "user"),
        (lambda n: f"{n + 1}", "number"),
        (lambda n: f"2026-10-0{n + 1}T08:3{n}:11Z of 4a5fd23{n}-7714-f5fe-4d3b-287e0163031{n}", "time id"),
        (lambda n: ["Anna", "Bert", "Cleo", "Dora", "Emil", "Fritz", "Gerd", "Hugo"][n], "varying_text"),
    ],
)
def test_what_varies_is_named(varying, kinds):
    one = found(*(f"Known: {varying(n)} here.\n{RULES}" for n in range(8)))
    assert (one.kinds, one.place, one.byte_offset) == (kinds, "system", len("Known: "))


def test_a_kind_is_seen_with_the_words_before_it_that_do_not_vary():
    one = found(*(f"Today is October {n + 1}.\n{RULES}" for n in range(8)))
    assert (one.kinds, one.byte_offset) == ("date", len("Today is October "))


def test_the_offset_counts_bytes_and_the_example_shows_what_varies():
    one = found(*(f"Zürich, 2026-10-01T08:3{n}:00Z.\n{RULES}" for n in range(8)))
    assert one.byte_offset == len("Zürich, ".encode())
    assert one.example.startswith("Zürich, 2026-10-01T08:30:00Z.\nRule 0")


def test_the_static_text_before_and_after_is_what_mending_would_share():
    one = found(*(f"{RULES} Now {n}:00. {RULES}" for n in range(10, 18)))
    assert 0.97 < one.static_bytes / (2 * len(RULES)) <= 1.02
    assert one.byte_offset == len(f"{RULES} Now ")


def test_a_question_at_the_end_breaks_nothing():
    assert found(*(RULES for _ in range(8))) is None
    assert found(*(f"{RULES} Now 1{n}:00." for n in range(8))) is None


def test_prompts_that_share_nothing_have_nothing_to_mend():
    assert found(*(f"{n} " + " ".join(f"word{n}{k}" for k in range(400)) for n in range(8))) is None


def test_a_break_inside_a_later_message_is_placed_there():
    calls = [
        Prompt(START, None, (("system", "Be brief."), ("message 1", f"Ticket 55120{n}1\n{RULES}"))) for n in range(8)
    ]
    [one] = find("/ask", "m", calls)
    assert (one.place, one.byte_offset, one.kinds) == ("message 1", len("Ticket "), "id")


def test_tools_in_another_order_are_a_break_that_costs_the_whole_opening():
    tools = [
        {"name": f"tool_{n}", "description": f"Does the {n}th thing there is to do. {RULES[:90]}"} for n in range(6)
    ]
    calls = [
        Prompt(
            START, None, (("tools", json.dumps(tools[n:] + tools[:n])), ("system", RULES), ("message 1", QUESTIONS[n]))
        )
        for n in range(6)
    ]
    [one] = find("/ask", "m", calls)
    assert (one.kinds, one.place) == ("tools_order", "tools")
    assert one.static_bytes >= len(json.dumps(tools)) + len(RULES)


def test_keys_in_another_order_are_named():
    facts = {f"fact_{n}": f"value {n} of many, {n * 7} in all" for n in range(30)}
    turned = [json.dumps(dict(list(facts.items())[n:] + list(facts.items())[:n])) for n in range(6)]
    assert found(*turned).kinds == "key_order"


def test_examples_in_another_order_are_named():
    lines = [f"Input: thing number {n} of the list\nOutput: label {n % 7}" for n in range(20)]
    turned = ["\n\n".join(lines[3 * n :] + lines[: 3 * n]) for n in range(6)]
    assert found(*turned).kinds == "examples_order"


def test_two_templates_of_one_endpoint_are_looked_at_apart():
    french = RULES.replace("answer", "réponds").replace("question", "demande").replace("short words", "mots brefs")
    calls = [
        Prompt(START + timedelta(minutes=n), n % 2, (("system", f"At 1{n}:00. {french if n % 2 else RULES}"),))
        for n in range(10)
    ]
    assert sorted(one.template_hash for one in find("/ask", "m", calls)) == [0, 1]


def test_three_calls_are_too_few_to_say():
    assert list(find("/ask", "m", prompts(*(f"At 1{n}:00. {RULES}" for n in range(3))))) == []


# --- the development set ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slots(tmp_path_factory):
    """The audit of the one endpoint of the development log that something breaks, if the set is on this machine."""
    if not SHARED.exists():
        pytest.skip("the development set is not on this machine")
    import gzip

    path = tmp_path_factory.mktemp("slots") / "log.jsonl"
    with gzip.open(SHARED / "devlog.jsonl.gz", "rt") as lines:
        path.write_text("".join([line for line in lines if '"/assistant/slots"' in line][:400]), "utf-8")
    with llmaudit.audit(path, levers=("prompt_caching",)) as audit:
        yield audit.data


@pytest.mark.slow
def test_the_development_logs_breaker_is_found(slots):
    truth = json.loads((SHARED / "truth.json").read_text("utf-8"))["breaker"]
    [row] = slots["prompt_caching"]
    assert row["endpoint"] == truth["endpoint"]
    assert row["break"]["kinds"] == truth["kind"]
    assert (row["break"]["where"], row["break"]["byte_offset"]) == ("system", truth["byte_offset"])
    assert row["break"]["example"].startswith("Current time: 2026-10-")


def test_mending_it_is_worth_half_the_price_of_what_is_static(slots):
    [row] = slots["prompt_caching"]
    [finding] = slots["findings"]
    assert row["read_share_now"] == 0
    assert 0.85 < row["read_share_possible"] < 0.96
    assert row["saving_usd"] == finding["saving_usd"]["expected"]
    # reads are charged $1.25 a million instead of $2.50
    read_tokens = row["read_share_possible"] * slots["totals"]["input_tokens"]
    assert float(row["saving_usd"]) == pytest.approx(read_tokens * 1.25e-6, rel=1e-6)


def test_traffics_read_share_is_the_true_one():
    if not SHARED.exists():
        pytest.skip("the development set is not on this machine")
    truth = json.loads((SHARED / "truth.json").read_text("utf-8"))["traffic"]
    with llmaudit.audit(SHARED / "traffic.jsonl.gz", levers=("prompt_caching",)) as audit:
        [row] = audit.data["prompt_caching"]
    assert row["read_share_possible"] == pytest.approx(truth["read_share_possible"], abs=1e-5)
    assert row["break"] is None
