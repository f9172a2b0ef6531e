"""Schemas sent and never used: counted from the sample, taken off the cached tokens first."""

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
from small_logs import write_log

import llmaudit
from llmaudit.detectors.tools import schemas

NAMES = ["find_order", "refund", "lookup_parcel", "close_account", "send_gift"]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{name}: {'words about it ' * (10 + 5 * n)}",
            "parameters": {"type": "object"},
        },
    }
    for n, name in enumerate(NAMES)
]
USED = NAMES[:3]
SYSTEM = "You are the desk of a parcel shop. Use the tools."


def dialogue(number, rng, used, *, cached=0):
    """One session of two calls: the model calls a tool, then answers with its result."""
    name = rng.choice(used)
    call = {"id": "t1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    asked = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Where is parcel {number}?"}]
    told = [
        *asked,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "left"},
    ]
    answers = ({"content": None, "tool_calls": [call]}, {"content": "It has left."})
    for step, (messages, answer) in enumerate(zip((asked, told), answers, strict=True)):
        yield {
            "timestamp": f"2026-10-{1 + number % 14:02}T09:{number % 60:02}:{10 * step:02}Z",
            "request_id": f"r{number}-{step}",
            "endpoint": "/desk",
            "session_id": f"s{number}",
            "provider": "openai",
            "status": 200,
            "request": {"model": "gpt-4o-2024-08-06", "messages": messages, "tools": TOOLS},
            "response": {
                "id": f"c{number}-{step}",
                "model": "gpt-4o-2024-08-06",
                "choices": [{"message": {"role": "assistant", **answer}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": 900 + 10 * step,
                    "completion_tokens": 20,
                    "prompt_tokens_details": {"cached_tokens": cached},
                },
            },
        }


def desk(sessions, used=USED, **given):
    rng = random.Random(3)
    return [row for number in range(sessions) for row in dialogue(number, rng, used, **given)]


def finding(audit):
    return next((f for f in audit.data["findings"] if f["lever"] == "unused_tools"), None)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    with llmaudit.audit(
        write_log(tmp_path_factory.mktemp("desk") / "desk.jsonl", desk(60)), levers=["unused_tools"]
    ) as audit:
        yield audit


def test_the_tools_that_no_call_uses_are_named(audited):
    found = finding(audited)["evidence"]
    assert found["idle_tools"] == ["send_gift", "close_account"]
    assert (found["tools_offered"], found["tools_used"], found["tools_used_per_session"]) == (5, 3, 1.0)
    assert (found["sampled_calls"], found["sampled_sessions"]) == (120, 60)
    assert found["most_use_of_an_idle_tool"] == pytest.approx(3 / 120)


def test_the_saving_is_what_their_share_of_the_prompt_costs(audited):
    total = sum(len(json.dumps(tool).encode()) for tool in TOOLS)
    idle = sum(len(json.dumps(tool).encode()) for tool in TOOLS[3:])
    saved = Decimal(0)
    rows = audited.sql("select request_id, input_tokens, prompt_bytes from requests").iter_rows(named=True)
    for row in rows:
        tokens = row["input_tokens"] * idle // (row["prompt_bytes"] + total)
        saved += tokens * Decimal("0.0000025")
    assert finding(audited)["saving_usd"]["expected"] == saved.quantize(Decimal("0.000001"))
    assert saved > Decimal("0.05")  # 120 calls of 900 tokens, over a third of them idle schemas


def test_cached_schemas_save_what_the_cached_rate_costs(tmp_path):
    with llmaudit.audit(write_log(tmp_path / "desk.jsonl", desk(60, cached=800)), levers=["unused_tools"]) as audit:
        cached = finding(audit)["saving_usd"]["expected"]
    with llmaudit.audit(write_log(tmp_path / "desk.jsonl", desk(60)), levers=["unused_tools"]) as audit:
        assert cached == finding(audit)["saving_usd"]["expected"] / 2  # $1.25 instead of $2.50 a million


def test_pulled_twice_it_saves_nothing_more(audited):
    once = audited.what_if([llmaudit.UnusedTools()])["in_order_usd"].sum()
    assert once == finding(audited)["saving_usd"]["expected"]


@pytest.mark.parametrize(("sessions", "used"), [(20, USED), (60, NAMES)])
def test_few_calls_or_tools_all_used_give_no_finding(tmp_path, sessions, used):
    with llmaudit.audit(write_log(tmp_path / "desk.jsonl", desk(sessions, used)), levers=["unused_tools"]) as audit:
        assert finding(audit) is None


def test_without_texts_nothing_is_said_of_tools(tmp_path):
    with llmaudit.audit(write_log(tmp_path / "desk.jsonl", desk(60)), levers=["unused_tools"], text="none") as audit:
        assert finding(audit) is None


def test_tools_are_read_in_the_shape_of_any_provider():
    assert schemas('{"tools": [{"toolSpec": {"name": "a"}}]}').keys() == {"a"}
    assert schemas('[{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]').keys() == {"a", "b"}
    assert schemas('[{"type": "web_search_20250305", "name": "web_search"}]').keys() == {"web_search"}
    assert schemas('[{"type": "function", "name": "a"') == {}


# --- a public agent trace, where it is at hand


TAU = Path(__file__).parents[2] / "shared" / "traces" / "tau_bench_airline_gpt4o.json.gz"


def trace(path):
    """Every call of the trajectories: the messages before an answer, and the answer. Names of tools are those that were called."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        trajectories = json.load(file)
    calls = (c for t in trajectories for m in t["traj"] for c in m.get("tool_calls") or [])
    names = sorted({call["function"]["name"] for call in calls})
    offered = [
        {"type": "function", "function": {"name": name, "description": "x" * 80}} for name in [*names, "play_music"]
    ]
    for number, trajectory in enumerate(trajectories):
        messages = trajectory["traj"]
        for at, message in enumerate(messages):
            if message["role"] == "assistant":
                yield {
                    "timestamp": f"2026-10-{1 + number % 20:02}T{at // 60 % 24:02}:{at % 60:02}:00Z",
                    "request_id": f"r{number}-{at}",
                    "endpoint": "/airline",
                    "session_id": f"s{number}",
                    "provider": "openai",
                    "status": 200,
                    "request": {"model": "gpt-4o-2024-08-06", "messages": messages[:at], "tools": offered},
                    "response": {
                        "model": "gpt-4o-2024-08-06",
                        "choices": [{"message": message, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": len(json.dumps(messages[:at])) // 4 + 300, "completion_tokens": 20},
                    },
                }


@pytest.mark.slow
@pytest.mark.skipif(not TAU.exists(), reason="the public trace is not part of the repository")
def test_agents_of_a_public_trace_use_three_of_the_tools_they_are_offered(tmp_path):
    with llmaudit.audit(write_log(tmp_path / "tau.jsonl", trace(TAU)), levers=["unused_tools"]) as audit:
        found = finding(audit)["evidence"]
    assert found["idle_tools"] == ["play_music"]
    assert found["tools_used_per_session"] == 3.0
    assert found["sampled_sessions"] > 150
