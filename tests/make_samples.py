"""Compose sample_logs/: one month of LLM calls of Harbor & Pine, an invented shop for garden furniture.

`python tests/make_samples.py` rewrites sample_logs/ and tests/data/samples_truth.json. Same code, same bytes: every
call site has its own seeded dice, ids are hashes of names, and only the standard library is used. What is planted is
written to the truth file as it is planted; sample_logs/README.md says it in words.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sample_texts as words

HERE = Path(__file__).parent
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 31

# US dollars per million tokens: input, cache read, cache write, long cache write, output. List prices of October 2026,
# the same on every day of it; read from genai-prices 0.2.3 (https://github.com/pydantic/genai-prices) on 2026-11-21.
RATES: dict[str, tuple[str, str, str, str, str]] = {
    "gpt-4o-2024-08-06": ("2.5", "1.25", "2.5", "2.5", "10"),
    "gpt-4o-mini-2024-07-18": ("0.15", "0.075", "0.15", "0.15", "0.6"),
    "gpt-4.1-mini-2025-04-14": ("0.4", "0.1", "0.4", "0.4", "1.6"),
    "gpt-5-mini-2025-08-07": ("0.25", "0.025", "0.25", "0.25", "2"),
    "gpt-5.6-terra": ("2", "0.2", "2.5", "2.5", "12"),
    "gpt-5.6-luna": ("0.2", "0.02", "0.25", "0.25", "1.2"),
    "gpt-6.1-sol": ("2", "0.1", "2.5", "2.5", "10"),
    "gpt-6-luna": ("0.1", "0.01", "0.125", "0.125", "0.5"),
    "text-embedding-3-small": ("0.02", "0.02", "0.02", "0.02", "0"),
    "claude-sonnet-5-5": ("2", "0.1", "2.5", "4", "10"),
    "claude-haiku-5-5": ("0.1", "0.01", "0.125", "0.2", "0.5"),
    "claude-opus-5-5": ("4", "0.2", "5", "8", "20"),
}
TEAM_PROJECT = {"support": "proj_support", "catalog": "proj_catalog", "content": "proj_content", "data": "proj_data"}
OFFICE = (0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 11, 9, 6, 8, 10, 10, 8, 5, 3, 2, 2, 1, 0, 0)
CUSTOMERS = (1, 0, 0, 0, 0, 1, 2, 4, 6, 7, 7, 7, 7, 6, 6, 7, 7, 7, 8, 9, 9, 7, 4, 2)
WEEK = (1.0, 1.05, 1.0, 0.95, 0.85, 0.3, 0.25)
BYTES_PER_TOKEN = 4.2
"""Token counts in the samples are estimates, not a tokenizer's."""


@dataclass(frozen=True)
class Usage:
    """Tokens as in the canonical table: input includes the cache, output includes reasoning."""

    input: int
    output: int = 0
    read: int = 0
    write: int = 0
    write_long: int = 0
    reasoning: int = 0

    def cost(self, model: str) -> Decimal:
        fresh, read, write, write_long, output = (Decimal(rate) for rate in RATES[model])
        paid = (self.input - self.read - self.write) * fresh + self.read * read + self.output * output
        return (paid + (self.write - self.write_long) * write + self.write_long * write_long) / 1_000_000


@dataclass(frozen=True)
class Call:
    """One call. `usage` is None where the log has none; `model` is the billed one."""

    site: str
    request_id: str
    at: datetime
    provider: str
    model: str
    request: dict[str, Any]
    response: Any
    usage: Usage | None
    latency_ms: int
    team: str | None
    user: str | None = None
    session: str | None = None
    status: int = 200
    error: Any = None
    ttft_ms: int | None = None
    labelled: bool = True

    def cost(self) -> Decimal:
        return self.usage.cost(self.model) if self.usage else Decimal(0)


@dataclass
class Truth:
    """What is planted, by request id."""

    cacheable: dict[str, str] = field(default_factory=dict)
    identical_sampled: dict[str, str] = field(default_factory=dict)
    nondeterministic: list[str] = field(default_factory=list)
    resampled: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    failed: dict[str, str | None] = field(default_factory=dict)
    failed_but_billed: list[str] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    without_usage: list[str] = field(default_factory=list)
    gateway_cache_hits: dict[str, str] = field(default_factory=dict)
    in_two_logs: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)


class Dice:
    """Chance that is the same on every Python: only `Random.random()` is drawn."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"harbor and pine {name}").random

    def upto(self, n: int) -> int:
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        return low + self.upto(high - low + 1)

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.upto(len(items))]

    def chance(self, share: float) -> bool:
        return self._random() < share

    def weighted(self, weights: Sequence[float]) -> int:
        left = self._random() * sum(weights)
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return len(weights) - 1

    def skewed(self, low: int, high: int) -> int:
        """Mostly near `low`, now and then near `high`, like a latency."""
        return low + int((high - low) * self._random() * self._random() * self._random())

    def fill(self, text: str) -> str:
        """Put a fresh word or number into every {blank}."""
        blanks = {
            "product": self.pick(words.PRODUCTS),
            "city": self.pick(words.CITIES),
            "name": self.pick(words.NAMES),
            "material": self.pick(words.MATERIALS),
            "colour": self.pick(words.COLOURS),
            "order": f"HP-{self.between(40_000, 89_999)}",
            "amount": str(self.between(21, 190)),
            "day": str(self.between(2, 28)),
        }
        for name, value in blanks.items():
            text = text.replace("{" + name + "}", value)
        return text

    def times(self, n: int, hours: Sequence[float]) -> list[datetime]:
        """`n` moments of the month with the week's rhythm, in order."""
        weekdays = [WEEK[(FIRST + timedelta(days=day)).weekday()] for day in range(DAYS)]
        found = []
        for _ in range(n):
            start = FIRST + timedelta(days=self.weighted(weekdays), hours=self.weighted(hours))
            found.append(start + timedelta(milliseconds=self.upto(3_590_000)))
        return sorted(found)


def tokens(text: str) -> int:
    return round(len(text.encode()) / BYTES_PER_TOKEN)


def prompt_tokens(*texts: str) -> int:
    return 3 + sum(4 + tokens(text) for text in texts)


def digest(name: str, size: int = 24) -> str:
    return hashlib.sha256(f"harbor and pine {name}".encode()).hexdigest()[:size]


def later(at: datetime, ms: int) -> datetime:
    return at + timedelta(milliseconds=ms)


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- provider bodies ------------------------------------------------------------------------------


def system_user(system: str, user: Any) -> list[dict[str, Any]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def chat_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def chat_body(
    name: str, at: datetime, model: str, text: str | None, usage: Usage, finish: str = "stop", **message: Any
) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {
        "id": f"chatcmpl-{digest(name)}",
        "object": "chat.completion",
        "created": int(at.timestamp()),
        "model": model,
        "service_tier": "default",
        "choices": [choice],
        "usage": chat_usage(usage),
    }


def chat_chunks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The same answer as the chunks of a stream, usage in the last one."""
    head = {key: body[key] for key in ("id", "created", "model", "service_tier")} | {"object": "chat.completion.chunk"}
    pieces = body["choices"][0]["message"]["content"].split(" ")
    deltas = [{"content": piece if place == 0 else f" {piece}"} for place, piece in enumerate(pieces)]
    deltas[0]["role"] = "assistant"
    chunks = [head | {"choices": [{"index": 0, "delta": d, "finish_reason": None}], "usage": None} for d in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": body["choices"][0]["finish_reason"]}
    return [*chunks, head | {"choices": [end], "usage": None}, head | {"choices": [], "usage": body["usage"]}]


def chat_sse(body: dict[str, Any]) -> str:
    return "".join(f"data: {compact(chunk)}\n\n" for chunk in chat_chunks(body)) + "data: [DONE]\n\n"


def messages_usage(usage: Usage) -> dict[str, Any]:
    """Anthropic counts the cache beside input_tokens, not inside."""
    return {
        "input_tokens": usage.input - usage.read - usage.write,
        "cache_creation_input_tokens": usage.write,
        "cache_read_input_tokens": usage.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.write - usage.write_long,
            "ephemeral_1h_input_tokens": usage.write_long,
        },
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def messages_body(
    name: str, model: str, content: list[dict[str, Any]], usage: Usage, stop: str = "end_turn"
) -> dict[str, Any]:
    return {
        "id": f"msg_{digest(name)}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": messages_usage(usage),
    }


def messages_sse(body: dict[str, Any]) -> str:
    """The same answer as Anthropic's event stream: a provisional output count first, the final one in message_delta."""
    start = body | {"content": [], "stop_reason": None, "usage": body["usage"] | {"output_tokens": 1}}
    text = body["content"][0]["text"]
    half = len(text) // 2
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[:half]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[half:]}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": body["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": body["usage"]["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {compact(event)}\n\n" for event in events)


def responses_body(name: str, at: datetime, model: str, output: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
    return {
        "id": f"resp_{digest(name)}",
        "object": "response",
        "created_at": int(at.timestamp()),
        "status": "completed",
        "model": model,
        "service_tier": "default",
        "output": output,
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.read, "cache_write_tokens": usage.write},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        },
    }


def output_text(name: str, text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "type": "message",
        "id": f"out_{digest(name, 12)}",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


# --- failures -------------------------------------------------------------------------------------

RATE_LIMIT = {
    "message": "Rate limit reached for requests",
    "type": "requests",
    "param": None,
    "code": "rate_limit_exceeded",
}
SERVER_ERROR = {
    "message": "The server had an error while processing your request",
    "type": "server_error",
    "param": None,
    "code": None,
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def failing(call: Call, truth: Truth, status: int, error: Any, response: Any = None) -> Call:
    """The same request shortly before, refused; the given call is the retry that went well."""
    failed = replace(
        call,
        request_id=f"{call.request_id}-try1",
        at=later(call.at, -(900 if status == 429 else 4_000)),
        response=response,
        usage=None,
        latency_ms=140 if status == 429 else 2_600,
        ttft_ms=None,
        status=status,
        error=error,
    )
    truth.failed[failed.request_id] = call.request_id
    return failed


# --- call sites: each yields the calls of the month -------------------------------------------------


def route(truth: Truth) -> Iterator[Call]:
    """Ticket routing: a closed label, learnable from the words; one answer in forty is the neighbouring label."""
    dice, labels = Dice("route"), sorted(words.TICKETS)
    seen: set[str] = set()
    for n, at in enumerate(dice.times(410, CUSTOMERS)):
        label = labels[dice.weighted([5, 8, 9, 14, 10, 9, 7])]
        text = ticket(dice, label)
        while text in seen:
            text = ticket(dice, label)
        seen.add(text)
        if n == 77:
            text += " I also pasted my API key by mistake: sk-test-0000FAKE0000FAKE0000FAKE0000FAKE, please remove it."
        answer = words.CONFUSED.get(label, label) if dice.chance(0.025) else label
        call = chat_call("/support/route", n, at, "gpt-4o", words.ROUTE_SYSTEM, text, answer, dice, max_tokens=5)
        if n == 77:
            truth.secret.append(call.request_id)
        if n % 53 == 20:
            yield failing(call, truth, 429, RATE_LIMIT)
        if n in (101, 333):
            body = {
                "error": RATE_LIMIT
                | {
                    "message": "Invalid 'max_tokens': integer below minimum value.",
                    "type": "invalid_request_error",
                    "code": "integer_below_min_value",
                }
            }
            bad = replace(
                call,
                request_id=f"{call.request_id}-bad",
                at=later(call.at, -60_000),
                request=call.request | {"max_tokens": 0},
                response=body,
                usage=None,
                latency_ms=45,
                status=400,
                error=body["error"]["message"],
            )
            truth.failed[bad.request_id] = None
            yield bad
        yield call
        if n % 61 == 30:
            yield again(call, f"{call.request_id}-again", later(call.at, dice.between(9_000, 48_000)), truth)


def ticket(dice: Dice, label: str) -> str:
    problems, details = words.TICKETS[label]
    body = [dice.pick(problems), dice.pick(details)]
    if dice.chance(0.3):
        body.append(dice.pick(details))
    for _ in range(dice.upto(3)):
        body.insert(dice.upto(len(body) + 1), dice.pick(words.FILLERS))
    return " ".join(dice.fill(part) for part in [dice.pick(words.GREETINGS), *dict.fromkeys(body)] if part)


SNAPSHOT = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
}


def chat_call(
    site: str, n: int, at: datetime, model: str, system: str, user: Any, answer: str, dice: Dice, **params: Any
) -> Call:
    """One OpenAI chat call at temperature 0, unless `params` say otherwise."""
    request_id = f"{site.strip('/').replace('/', '-')}-{n:04d}"
    billed = SNAPSHOT.get(model, model)
    said = user if isinstance(user, str) else "".join(part["text"] for part in user)
    finish = params.pop("finish", "stop")
    team, user_id = params.pop("team", "support"), params.pop("who", f"cust-{dice.between(1, 400):03d}")
    usage = Usage(prompt_tokens(system, said), tokens(answer) + 1)
    return Call(
        site=site,
        request_id=request_id,
        at=at,
        provider="openai",
        model=billed,
        request={"model": model, "messages": system_user(system, user), "temperature": 0, **params},
        response=chat_body(request_id, at, billed, answer, usage, finish),
        usage=usage,
        latency_ms=dice.skewed(260, 2_900) + 11 * usage.output,
        team=team,
        user=user_id,
    )


def again(call: Call, request_id: str, at: datetime, truth: Truth) -> Call:
    """The same request and the same answer once more: what a response cache would have saved."""
    truth.cacheable[request_id] = call.request_id
    body = call.response | {"id": f"chatcmpl-{digest(request_id)}", "created": int(at.timestamp())}
    return replace(call, request_id=request_id, at=at, response=body, latency_ms=call.latency_ms + 37)


def faq(truth: Truth) -> Iterator[Call]:
    """Frequent questions at temperature 0, with two busy hours; a few answers differ; a tone test samples on purpose."""
    dice = Dice("faq")
    busy = [
        FIRST + timedelta(days=d, hours=h, seconds=dice.upto(3_300)) for d, h in ((5, 9), (20, 17)) for _ in range(26)
    ]
    plain = [(at, dice.weighted([1 / (k + 1) for k in range(len(words.FAQ))])) for at in dice.times(128, CUSTOMERS)]
    asked = sorted(plain + [(at, dice.upto(3)) for at in busy])
    first: dict[int, str] = {}
    variants = iter(words.FAQ_VARIANTS)
    for n, (at, which) in enumerate(asked):
        question, answer = words.FAQ[which]
        differs = which in first and n % 29 == 17
        if differs:
            answer = next(variants) + answer
        call = chat_call("/support/faq", n, at, "gpt-4o-mini", words.FAQ_SYSTEM, question, answer, dice, max_tokens=160)
        if differs:
            truth.nondeterministic.append(call.request_id)
        elif which in first:
            truth.cacheable[call.request_id] = first[which]
        first.setdefault(which, call.request_id)
        yield call
    yield from tone_test(truth, dice)


def tone_test(truth: Truth, dice: Dice) -> Iterator[Call]:
    question, answer = words.FAQ[1]
    start = FIRST + timedelta(days=12, hours=14)
    for n in range(10):
        text = answer if n in (0, 6) else f"Option {n}: {answer.lower()}"
        at = later(start, 61_000 * n)
        call = chat_call(
            "/support/faq",
            900 + n,
            at,
            "gpt-4o-mini",
            words.FAQ_SYSTEM,
            question,
            text,
            dice,
            max_tokens=160,
            temperature=0.8,
            who="u-ines",
        )
        if n == 6:
            truth.identical_sampled[call.request_id] = "support-faq-0900"
        elif n:
            truth.resampled.append(call.request_id)
        yield call


def widget(truth: Truth) -> Iterator[Call]:
    """The chat widget's bug: an empty message is sent when a visitor only opens it."""
    dice = Dice("widget")
    for n, at in enumerate(dice.times(13, CUSTOMERS)):
        request_id = f"support-widget-{n:04d}"
        usage = Usage(7, 9)
        truth.empty.append(request_id)
        yield Call(
            "/support/widget",
            request_id,
            at,
            "openai",
            "gpt-4o-mini-2024-07-18",
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ""}], "temperature": 0},
            chat_body(request_id, at, "gpt-4o-mini-2024-07-18", words.WIDGET_ANSWER, usage),
            usage,
            dice.skewed(250, 900),
            "support",
            f"visitor-{n:02d}",
        )


ORDER_TOOL = {
    "type": "function",
    "name": "lookup_order",
    "description": "Status of an order by its number",
    "parameters": {
        "type": "object",
        "properties": {"order": {"type": "string"}},
        "required": ["order"],
        "additionalProperties": False,
    },
}
PREFIX = prompt_tokens(words.HANDBOOK, compact(ORDER_TOOL))


def assist(truth: Truth) -> Iterator[Call]:
    """Questions of agents over the handbook: OpenAI Responses, a long steady prefix, prompt caching, tool calls.

    gpt-5.6-terra until the 15th, gpt-5.6-luna from the 16th.
    """
    dice = Dice("assist")
    last: datetime | None = None
    for n, start in enumerate(dice.times(27, OFFICE)):
        model = "gpt-5.6-terra" if start < FIRST + timedelta(days=15) else "gpt-5.6-luna"
        session = f"desk-{n:03d}"
        warm = last is not None and start - last < timedelta(minutes=30)
        for call in conversation(dice, session, start, model, warm=warm, tool=n % 5 == 2):
            yield call
            last = call.at


def conversation(dice: Dice, session: str, at: datetime, model: str, *, warm: bool, tool: bool) -> Iterator[Call]:
    topic, agent = dice.pick(sorted(words.ASSIST_TURNS)), f"u-{dice.pick(words.NAMES).lower()}"
    turns, history = words.ASSIST_TURNS[topic], []
    passages = "\n".join(f"- {dice.fill(p)}" for p in words.PASSAGES[topic])
    known = PREFIX if warm else 0
    for n, (ask, reply) in enumerate(turns[: dice.between(2, len(turns))]):
        question = dice.fill(ask) if n else f"Passages:\n{passages}\n\nQuestion: {dice.fill(ask)}"
        history.append({"role": "user", "content": [{"type": "input_text", "text": question}]})
        steps: list[dict[str, Any]] = []
        if tool and n == 0:
            call_id = f"call_{digest(session, 16)}"
            steps = [
                {
                    "type": "function_call",
                    "call_id": call_id,
                    "name": "lookup_order",
                    "arguments": compact({"order": dice.fill("{order}")}),
                }
            ]
            yield response_call(dice, f"{session}-{n}t", session, at, model, agent, history, steps, known)
            known, at = PREFIX + prompt_tokens(*map(compact, history)), later(at, 3_400)
            history += [
                *steps,
                {
                    "type": "function_call_output",
                    "call_id": call_id,
                    "output": compact({"status": "in transit", "last_scan": dice.pick(words.CITIES)}),
                },
            ]
        answer = dice.fill(reply)
        yield response_call(
            dice, f"{session}-{n}", session, at, model, agent, history, [output_text(f"{session}-{n}", answer)], known
        )
        known = PREFIX + prompt_tokens(*map(compact, history))
        history.append({"role": "assistant", "content": [{"type": "output_text", "text": answer}]})
        at = later(at, dice.between(35_000, 260_000))


def response_call(dice: Dice, name: str, session: str, at: datetime, model: str, agent: str, history: list[Any], output: list[dict[str, Any]], known: int) -> Call:  # fmt: skip
    asked = PREFIX + prompt_tokens(*map(compact, history))
    reasoning = dice.skewed(40, 420)
    usage = Usage(
        asked, reasoning + tokens(compact(output)) // 2 + 4, read=known, write=asked - known, reasoning=reasoning
    )
    request = {
        "model": model,
        "instructions": words.HANDBOOK,
        "input": list(history),
        "tools": [ORDER_TOOL],
        "max_output_tokens": 800,
        "reasoning": {"effort": "low"},
    }
    body = responses_body(name, at, model, output, usage)
    return Call(
        "/support/assist",
        f"support-assist-{name}",
        at,
        "openai",
        model,
        request,
        body,
        usage,
        dice.skewed(900, 7_000),
        "support",
        agent,
        session,
    )


SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "product",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "material": {"type": "string"},
                "colour": {"type": "string"},
                **{key: {"type": ["number", "null"]} for key in ("width_cm", "depth_cm", "height_cm", "weight_kg")},
            },
            "required": ["name", "material", "colour", "width_cm", "depth_cm", "height_cm", "weight_kg"],
            "additionalProperties": False,
        },
    },
}


def extract(truth: Truth) -> Iterator[Call]:
    """Supplier texts to JSON. Six times the caller gave up while the answer was on its way: paid for, and asked again."""
    dice = Dice("extract")
    for n, at in enumerate(dice.times(120, OFFICE)):
        text, answer = supplier_text(dice)
        call = chat_call(
            "/catalog/extract",
            n,
            at,
            "gpt-4.1-mini",
            words.EXTRACT_SYSTEM,
            text,
            answer,
            dice,
            response_format=SCHEMA,
            team="catalog",
            who="svc-importer",
        )
        if n % 20 == 9:
            slow_id = f"{call.request_id}-slow"
            asked_at = later(at, -32_000)
            body = call.response | {"id": f"chatcmpl-{digest(slow_id)}", "created": int(asked_at.timestamp())}
            slow = replace(
                call,
                request_id=slow_id,
                at=asked_at,
                response=body,
                latency_ms=30_000,
                status=504,
                error={"type": "timeout", "message": "caller gave up after 30 s"},
            )
            truth.failed[slow_id] = call.request_id
            truth.failed_but_billed.append(slow_id)
            yield slow
        if n == 64:
            yield failing(call, truth, 500, SERVER_ERROR)
        if n in (30, 75):
            form = chat_sse if n == 30 else chat_chunks
            truth.streamed.append(call.request_id)
            call = replace(
                call,
                request=call.request | {"stream": True, "stream_options": {"include_usage": True}},
                response=form(call.response),
                ttft_ms=310,
            )
        if n == 88:
            refusal = "I cannot help with that."
            usage = Usage(call.usage.input, 9) if call.usage else None
            truth.refused.append(call.request_id)
            call = replace(
                call,
                usage=usage,
                response=chat_body(call.request_id, at, call.model, None, usage or Usage(0), refusal=refusal),
            )
        yield call


def supplier_text(dice: Dice) -> tuple[str, str]:
    size = {
        "w": dice.between(30, 220),
        "d": dice.between(25, 120),
        "h": dice.between(18, 240),
        "kg": dice.between(2, 64),
    }
    found = {
        "product": dice.pick(words.PRODUCTS),
        "material": dice.pick(words.MATERIALS),
        "colour": dice.pick(words.COLOURS),
    }
    opening, extras = dice.pick(words.EXTRACT_OPENINGS), dice.fill(dice.pick(words.EXTRACT_EXTRAS))
    sized = dice.chance(0.85)
    text = (
        opening.format(**found) + (" " + dice.pick(words.EXTRACT_SIZES).format(**size) if sized else "") + " " + extras
    )
    numbers = dict(zip(("width_cm", "depth_cm", "height_cm", "weight_kg"), size.values(), strict=True))
    answer = {"name": found["product"], "material": found["material"], "colour": found["colour"]}
    return text, compact(answer | (numbers if sized else dict.fromkeys(numbers)))


def nightly_tags(truth: Truth) -> Iterator[Call]:
    """A job that asks for the same tags every night, whether the product changed or not."""
    dice = Dice("nightly tags")
    first: dict[str, str] = {}
    n = 0
    for night in range(DAYS):
        for k, product in enumerate(words.PRODUCTS[:7]):
            at = FIRST + timedelta(days=night, hours=2, minutes=10, seconds=5 * k, milliseconds=dice.upto(900))
            text = f"{product}. {words.MATERIALS[k]}, {words.COLOURS[k]}." + (
                " Now with cushion." if k == 2 and night >= 11 else ""
            )
            tags = [product.split()[-1].lower(), words.MATERIALS[k], words.COLOURS[k], "garden", "outdoor"]
            differs = k == 4 and night in (6, 13, 22)
            answer = compact(tags[: 2 + (night % 3)] + ["summer", f"set {night}"]) if differs else compact(tags)
            call = chat_call(
                "/catalog/nightly-tags",
                n,
                at,
                "gpt-4.1-mini",
                words.TAGS_SYSTEM,
                text,
                answer,
                dice,
                max_tokens=60,
                team="catalog",
                who="svc-nightly",
            )
            n += 1
            if differs:
                truth.nondeterministic.append(call.request_id)
            elif text in first:
                truth.cacheable[call.request_id] = first[text]
            first.setdefault(text, call.request_id)
            if night == 16 and k < 3:
                yield failing(call, truth, 503, SERVER_ERROR)
            yield call


RECORD_TOOL = {
    "name": "record_notice",
    "description": "Store what a supplier announces",
    "input_schema": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": sorted(kind for kind, _ in words.MAILS)},
            "product": {"type": "string"},
        },
        "required": ["kind", "product"],
    },
}


def supplier_mail(truth: Truth) -> Iterator[Call]:
    """Mails of suppliers through Anthropic's tools: the answer is a tool call."""
    dice = Dice("supplier mail")
    for n, at in enumerate(dice.times(44, OFFICE)):
        kind, mail = dice.pick(words.MAILS)
        product = dice.pick(words.PRODUCTS)
        text = dice.fill(f"{dice.pick(words.GREETINGS)} {mail.replace('{product}', product)} Regards, {{name}}".strip())
        request_id = f"catalog-supplier-mail-{n:04d}"
        content = [
            {
                "type": "tool_use",
                "id": f"toolu_{digest(request_id, 16)}",
                "name": "record_notice",
                "input": {"kind": kind, "product": product},
            }
        ]
        usage = Usage(
            prompt_tokens(words.MAIL_SYSTEM, text, compact(RECORD_TOOL)) + 310, tokens(compact(content)) // 2 + 12
        )
        request = {
            "model": "claude-haiku-5-5",
            "max_tokens": 300,
            "temperature": 0,
            "system": words.MAIL_SYSTEM,
            "tools": [RECORD_TOOL],
            "tool_choice": {"type": "tool", "name": "record_notice"},
            "messages": [{"role": "user", "content": text}],
        }
        call = Call(
            "/catalog/supplier-mail",
            request_id,
            at,
            "anthropic",
            "claude-haiku-5-5",
            request,
            messages_body(request_id, "claude-haiku-5-5", content, usage, "tool_use"),
            usage,
            dice.skewed(500, 2_400),
            "catalog",
            "svc-mailbox",
        )
        if n == 31:
            yield failing(call, truth, 529, OVERLOADED["error"], OVERLOADED)
        yield call


def summarise(truth: Truth) -> Iterator[Call]:
    """Journal articles to a few free sentences: system as a string first, as blocks from the 16th; text as string or parts."""
    dice = Dice("summarise")
    for n, at in enumerate(dice.times(84, OFFICE)):
        order = sorted(range(len(words.ARTICLE_SENTENCES)), key=lambda _: dice.upto(10**6))[: dice.between(5, 9)]
        article = [dice.fill(words.ARTICLE_SENTENCES[k]) for k in order]
        answer = " ".join(article[:2]).replace(" is ", " remains ").replace("The garden of", "The yard of")
        cut = n % 12 == 5
        if cut:
            answer = answer[: len(answer) * 2 // 3]
        yield summary_call(dice, n, at, " ".join(article), answer, truth, cut=cut)


def summary_call(dice: Dice, n: int, at: datetime, article: str, answer: str, truth: Truth, *, cut: bool) -> Call:
    request_id, model = f"content-summarise-{n:04d}", "claude-sonnet-5-5"
    blocks = at >= FIRST + timedelta(days=15)
    system: Any = (
        [{"type": "text", "text": words.SUMMARY_SYSTEM, "cache_control": {"type": "ephemeral"}}]
        if blocks
        else words.SUMMARY_SYSTEM
    )
    content: Any = [{"type": "text", "text": "Article:"}, {"type": "text", "text": article}] if n % 3 == 1 else article
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": 60 if cut else 400,
        "system": system,
        "messages": [{"role": "user", "content": content}],
    }
    usage = Usage(prompt_tokens(words.SUMMARY_SYSTEM, article), 60 if cut else tokens(answer) + 3)
    body: Any = messages_body(
        request_id, model, [{"type": "text", "text": answer}], usage, "max_tokens" if cut else "end_turn"
    )
    call = Call(
        "/content/summarise",
        request_id,
        at,
        "anthropic",
        model,
        request,
        body,
        usage,
        dice.skewed(1_200, 6_500),
        "content",
        f"u-{dice.pick(words.NAMES[:5]).lower()}",
    )
    if cut:
        truth.truncated.append(request_id)
    if n == 40:
        truth.streamed.append(request_id)
        return replace(call, request=request | {"stream": True}, response=messages_sse(body), ttft_ms=640)
    if n in (50, 51, 52):
        truth.without_usage.append(request_id)
        return replace(call, usage=None, response={key: body[key] for key in body if key != "usage"})
    if n == 60:
        truth.refused.append(request_id)
        refused = Usage(usage.input, 4)
        return replace(call, usage=refused, response=messages_body(request_id, model, [], refused, "refusal"))
    return call


def embed(truth: Truth) -> Iterator[Call]:
    """Search index: every changed product text is embedded. The vectors are not logged."""
    dice = Dice("embed")
    for n, at in enumerate(dice.times(96, OFFICE)):
        texts = [supplier_text(dice)[0] for _ in range(dice.between(1, 3))]
        request_id, model = f"catalog-embed-{n:04d}", "text-embedding-3-small"
        usage = Usage(sum(map(tokens, texts)))
        body = {
            "object": "list",
            "data": [],
            "model": model,
            "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        }
        yield Call(
            "/catalog/embed",
            request_id,
            at,
            "openai",
            model,
            {"model": model, "input": texts if len(texts) > 1 else texts[0], "encoding_format": "float"},
            body,
            usage,
            dice.skewed(60, 380),
            "catalog",
            "svc-indexer",
        )


def notes_app(truth: Truth) -> Iterator[Call]:
    """An app that logs neither endpoint nor team: two call sites, one with a date and a run number in its system prompt."""
    dice = Dice("notes app")
    for n, at in enumerate(dice.times(75, OFFICE)):
        note, sentence = dice.pick(words.NOTES)
        city, day, product, name = (
            dice.pick(words.CITIES),
            str(dice.between(2, 28)),
            dice.pick(words.PRODUCTS),
            dice.pick(words.NAMES),
        )
        blanks = {"city": city, "day": day, "product": product, "name": name}
        system = words.NOTE_SYSTEM.format(city=city, date=at.date().isoformat(), run=1_000 + n)
        call = chat_call(
            "notes/delivery",
            n,
            at,
            "gpt-6-luna",
            system,
            note.format(**blanks) + dice.pick(["", " !!", " pls tell cust", f" ref {dice.between(100, 999)}"]),
            sentence.format(**blanks),
            dice,
            temperature=0.3,
            team=None,
            who=None,
        )
        yield replace(call, labelled=False)
    reviews: dict[str, str] = {}
    while len(reviews) < 65:
        stars = dice.pick(sorted(words.REVIEWS))
        reviews[dice.fill(f"{dice.pick(words.REVIEWS[stars])} {dice.pick(words.FILLERS)}")] = stars
    for n, (at, (review, stars)) in enumerate(zip(dice.times(65, CUSTOMERS), reviews.items(), strict=True)):
        call = chat_call(
            "notes/reviews",
            n,
            at,
            "gpt-6-luna",
            words.REVIEW_SYSTEM,
            [{"type": "text", "text": review}],
            stars,
            dice,
            max_completion_tokens=2,
            team=None,
            who=None,
        )
        yield replace(call, labelled=False)


def stock_report(truth: Truth) -> Iterator[Call]:
    """A stock sheet every weekday, thought through at length: few calls, little text, most of OpenAI's bill."""
    dice, model = Dice("stock report"), "gpt-6.1-sol"
    for day in range(DAYS):
        start = FIRST + timedelta(days=day, hours=5, minutes=30)
        if start.weekday() < 5:
            at, name = later(start, dice.upto(50_000)), f"data-stock-report-{day:02d}"
            asked = dice.fill(
                words.STOCK_ASK.replace("{week}", str(start.isocalendar().week)).replace(
                    "{sheet}", str(start.isoweekday())
                )
            )
            answer, thought = dice.fill(words.STOCK_ANSWER), dice.between(5_000, 16_000)
            usage = Usage(prompt_tokens(words.STOCK_SYSTEM, asked), thought + tokens(answer), reasoning=thought)
            request = {
                "model": model,
                "instructions": words.STOCK_SYSTEM,
                "input": asked,
                "reasoning": {"effort": "high"},
            }
            body = responses_body(
                name,
                at,
                model,
                [{"type": "reasoning", "id": f"rs_{digest(name, 12)}", "summary": []}, output_text(name, answer)],
                usage,
            )
            yield Call(
                "/data/stock-report",
                name,
                at,
                "openai",
                model,
                request,
                body,
                usage,
                9 * usage.output,
                "data",
                "svc-planner",
            )


def plain_line(call: Call) -> dict[str, Any]:
    line: dict[str, Any] = {"timestamp": zulu(call.at), "request_id": call.request_id}
    if call.labelled:
        line |= {"endpoint": call.site, "team": call.team, "user": call.user, "tags": {"environment": "production"}}
    if call.session:
        line["session_id"] = call.session
    line |= {
        "provider": call.provider,
        "request": call.request,
        "response": call.response,
        "latency_ms": call.latency_ms,
    }
    if call.ttft_ms:
        line["ttft_ms"] = call.ttft_ms
    return line | {"status": call.status, "error": call.error}


def zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# --- the gateway's log ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gateway:
    """What LiteLLM adds to a call."""

    call: Call
    group: str
    trace: str
    hit_of: str | None = None


def sql_helper(truth: Truth) -> Iterator[Gateway]:
    """Analysts' questions through the gateway: reasoning tokens, failures with retries, hits in the gateway's own cache."""
    dice = Dice("sql helper")
    for n, at in enumerate(dice.times(42, OFFICE)):
        ask, query = dice.pick(words.SQL_ASKS)
        city, day, amount = dice.pick(words.CITIES), str(dice.between(3, 28)), str(dice.between(50, 900))
        blanks = {"city": city, "day": day, "amount": amount}
        call = chat_call(
            "/data/sql-helper",
            n,
            at,
            "gpt-5-mini",
            words.SQL_SYSTEM,
            ask.format(**blanks),
            query.format(**blanks),
            dice,
            team="data",
            who=f"u-{dice.pick(words.NAMES[5:9]).lower()}",
        )
        request = {key: call.request[key] for key in ("model", "messages")} | {"reasoning_effort": "medium"}
        asked = call.usage or Usage(0)
        thought = dice.skewed(200, 2_600)
        usage = Usage(asked.input, asked.output + thought, reasoning=thought)
        call = replace(
            call,
            request=request,
            usage=usage,
            response=chat_body(call.request_id, at, call.model, query.format(**blanks), usage),
            latency_ms=2_000 + 9 * usage.output,
        )
        call = replace(call, request_id=call.response["id"])
        trace = digest(f"trace {n}", 32)
        if n % 14 == 6:
            status = (429, 500, 408)[n // 14]
            failed = failing(call, truth, status, None)
            slp_id = digest(failed.request_id, 32)
            truth.failed[slp_id] = truth.failed.pop(failed.request_id)
            yield Gateway(replace(failed, request_id=slp_id), "gpt-5-mini", trace)
        yield Gateway(call, "gpt-5-mini", trace)
        if n % 8 == 3:
            hit_at = later(at, dice.between(90_000, 2_400_000))
            hit = replace(call, request_id=f"{call.request_id} hit", at=hit_at, latency_ms=12)
            truth.gateway_cache_hits[f"{zulu(hit_at)}"] = call.request_id
            yield Gateway(hit, "gpt-5-mini", digest(f"trace hit {n}", 32), hit_of=call.request_id)


def brief(truth: Truth) -> Iterator[Gateway]:
    """Product texts by Claude through the gateway: streamed now and then, prompt cache written and read."""
    dice = Dice("brief")
    prefix = tokens(words.BRIEF_SYSTEM)
    n = 0
    for start in dice.times(9, OFFICE):
        at = start
        for k in range(dice.between(2, 4)):
            text = dice.fill(dice.pick(words.BRIEFS))
            call = chat_call(
                "/content/brief",
                n,
                at,
                "claude-sonnet-5-5",
                words.BRIEF_SYSTEM,
                dice.fill("Write about the {product}, sku {order}."),
                text,
                dice,
                team="content",
                who="u-chloe",
                max_tokens=500,
            )
            asked = call.usage or Usage(0)
            usage = replace(asked, read=prefix if k else 0, write=0 if k else prefix)
            if n == 3:
                usage = replace(usage, read=0, write=prefix, write_long=prefix)
            params = {"stream": True, "stream_options": {"include_usage": True}} if n % 6 == 1 else {}
            call = replace(
                call,
                provider="anthropic",
                usage=usage,
                request=call.request | params,
                response=chat_body(f"brief {n}", at, call.model, text, usage),
                ttft_ms=780 if params else None,
            )
            call = replace(call, request_id=call.response["id"])
            if params:
                truth.streamed.append(call.request_id)
            yield Gateway(call, "writer", digest(f"trace brief {n}", 32))
            at, n = later(at, dice.between(40_000, 200_000)), n + 1


def mirrored(plain: Iterable[Call], truth: Truth) -> Iterator[Gateway]:
    """From the 29th the ticket router also runs through the gateway: the same calls are in both logs."""
    for call in plain:
        if call.site == "/support/route" and call.status == 200 and call.at >= FIRST + timedelta(days=28):
            truth.in_two_logs.append(call.request_id)
            seen = replace(call, request_id=call.response["id"], at=later(call.at, 14), latency_ms=call.latency_ms - 21)
            yield Gateway(seen, "gpt-4o", digest(f"trace {call.request_id}", 32))


ERRORS = {
    429: ("RateLimitError", "Rate limit reached"),
    500: ("InternalServerError", "The server had an error"),
    408: ("Timeout", "Request timed out"),
}


def slp_line(gateway: Gateway) -> dict[str, Any]:
    """One StandardLoggingPayload. On a cache hit LiteLLM repeats the id, the tokens and the answer of the first call."""
    call, ok = gateway.call, gateway.call.status == 200
    usage = call.usage or Usage(0)
    start, end = call.at.timestamp(), later(call.at, call.latency_ms).timestamp()
    first = later(call.at, call.ttft_ms).timestamp() if call.ttft_ms else end
    cost = Decimal(0) if gateway.hit_of else call.cost()
    kind, message = ERRORS.get(call.status, ("", ""))
    text = f"litellm.{kind}: {kind}: OpenAIException - {message}" if kind else None
    counted = slp_usage(call.provider, usage) if ok else {}
    params = {key: value for key, value in call.request.items() if key not in ("model", "messages")}
    return {
        "id": gateway.hit_of or call.request_id,
        "litellm_call_id": digest(f"litellm {call.request_id} {zulu(call.at)}", 32),
        "trace_id": gateway.trace,
        "session_id": "",
        "call_type": "acompletion",
        "cache_hit": True if gateway.hit_of else (False if gateway.group == "gpt-5-mini" else None),
        "stream": call.request.get("stream"),
        "status": "success" if ok else "failure",
        "status_fields": {"llm_api_status": "success" if ok else "failure", "guardrail_status": "not_run"},
        "custom_llm_provider": call.provider,
        "saved_cache_cost": float(call.cost()) if gateway.hit_of else 0.0,
        "startTime": start,
        "endTime": end,
        "completionStartTime": first,
        "response_time": round(first - start, 6),
        "model": call.request["model"],
        "metadata": {
            "user_api_key_hash": digest(f"key {call.team}", 64),
            "user_api_key_alias": f"{call.team}-gateway",
            "user_api_key_team_id": f"team-{digest(call.team or '', 8)}",
            "user_api_key_team_alias": call.team,
            "user_api_key_org_id": None,
            "user_api_key_project_alias": TEAM_PROJECT[call.team or "data"],
            "user_api_key_user_id": call.user,
            "user_api_key_end_user_id": None,
            "spend_logs_metadata": {"endpoint": call.site},
            "requester_metadata": {"endpoint": call.site},
            "usage_object": counted,
        },
        "cache_key": digest(f"cache {compact(call.request)}", 64) if gateway.group == "gpt-5-mini" else None,
        "response_cost": float(cost),
        "cost_breakdown": None,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "request_tags": [f"endpoint:{call.site}", "environment:production"],
        "end_user": None,
        "api_base": "",
        "model_group": gateway.group,
        "model_id": digest(f"deployment {gateway.group}", 16),
        "messages": call.request["messages"],
        "response": (call.response | {"usage": counted}) if ok else {},
        "model_parameters": params,
        "hidden_params": {"litellm_model_name": call.request["model"], "response_cost": float(cost)},
        "error_str": text,
        "error_information": {
            "error_code": str(call.status) if kind else "",
            "error_class": kind,
            "llm_provider": call.provider if kind else "",
            "error_message": text or "",
        },
    }


def slp_usage(provider: str, usage: Usage) -> dict[str, Any]:
    counted = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    details = {"reasoning_tokens": usage.reasoning, "text_tokens": usage.output - usage.reasoning}
    if provider != "anthropic":
        return counted | {"completion_tokens_details": details, "prompt_tokens_details": {"cached_tokens": usage.read}}
    split = {"ephemeral_5m_input_tokens": usage.write - usage.write_long, "ephemeral_1h_input_tokens": usage.write_long}
    prompt = {"cached_tokens": usage.read, "cache_creation_tokens": usage.write, "cache_creation_token_details": split}
    flat = {"cache_read_input_tokens": usage.read, "cache_creation_input_tokens": usage.write}
    return counted | {"completion_tokens_details": details, "prompt_tokens_details": prompt} | flat


# --- the coding agent ---------------------------------------------------------------------------------


@dataclass
class Agent:
    """Claude Code transcripts being written: lines by file, and what is true of them."""

    dice: Dice
    files: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, tuple[str, str, Usage]] = field(default_factory=dict)
    at: datetime = FIRST

    def session(
        self,
        project: str,
        name: str,
        start: datetime,
        turns: int,
        model: str,
        copied: list[dict[str, Any]] | None = None,
    ) -> list[dict[str, Any]]:
        """Write one session. Every turn is one call, logged as one line for each block of its answer."""
        session = session_id(name)
        lines = self.files[f"-home-dev-{project}/{session}.jsonl"]
        base = {
            "isSidechain": False,
            "userType": "external",
            "cwd": f"/home/dev/{project}",
            "sessionId": session,
            "version": "2.1.63",
            "gitBranch": "main",
        }
        self.at = start
        lines += [line | ({"sessionId": session} if "sessionId" in line else {}) for line in copied or []]
        if not copied:
            lines.append(
                {
                    "type": "file-history-snapshot",
                    "messageId": digest(name, 12),
                    "snapshot": {"messageId": digest(name, 12), "trackedFileBackups": {}, "timestamp": zulu(start)},
                    "isSnapshotUpdate": False,
                }
            )
        context, fresh = (24_000 if copied else 0), self.dice.between(28_000, 46_000)
        for turn in range(turns):
            self._user(lines, base, f"{name} {turn} {bool(copied)}", turn)
            context, fresh = self._answer(
                lines, base, f"{name} {turn} {bool(copied)}", model, context, fresh, long=turn % 9 == 4
            )
        return lines

    def _user(self, lines: list[dict[str, Any]], base: dict[str, Any], name: str, turn: int) -> None:
        self.at = later(self.at, self.dice.between(4_000, 60_000))
        content: Any = (
            "Please fix the failing test in checkout."
            if turn == 0
            else [
                {
                    "tool_use_id": f"toolu_{digest(name, 12)}",
                    "type": "tool_result",
                    "content": self.dice.pick(["1 failed, 41 passed", "ok", "no matches", "12 lines"]),
                    "is_error": False,
                }
            ]
        )
        lines.append(
            {
                "parentUuid": last_uuid(lines),
                **base,
                "type": "user",
                "message": {"role": "user", "content": content},
                "uuid": uuid(f"user {name}"),
                "timestamp": zulu(self.at),
            }
        )

    def _answer(
        self,
        lines: list[dict[str, Any]],
        base: dict[str, Any],
        name: str,
        model: str,
        context: int,
        fresh: int,
        *,
        long: bool,
    ) -> tuple[int, int]:
        self.at = later(self.at, self.dice.between(2_000, 9_000))
        output = self.dice.between(90, 900)
        usage = Usage(context + fresh + 3, output, read=context, write=fresh, write_long=fresh if long else 0)
        message_id = f"msg_{digest(f'cc {name}', 22)}"
        self.calls[message_id] = (zulu(self.at), model, usage)
        blocks = agent_blocks(self.dice, name)
        for place, block in enumerate(blocks):
            last = place == len(blocks) - 1
            shown = usage if last else replace(usage, output=self.dice.between(1, 8))
            stop = "tool_use" if last and block["type"] == "tool_use" else ("end_turn" if last else None)
            message = {
                "model": model,
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "content": [block],
                "stop_reason": stop,
                "stop_sequence": None,
                "usage": messages_usage(shown),
            }
            lines.append(
                {
                    "parentUuid": last_uuid(lines),
                    **base,
                    "message": message,
                    "requestId": f"req_{digest(f'cc {name}', 20)}",
                    "type": "assistant",
                    "uuid": uuid(f"{name} {place}"),
                    "timestamp": zulu(later(self.at, 700 * place)),
                }
            )
        return context + fresh, output + self.dice.between(400, 6_500)

    def notice(self, lines: list[dict[str, Any]], text: str) -> None:
        """A message that the tool made itself: no model was called."""
        base = {key: lines[-1][key] for key in ("isSidechain", "userType", "cwd", "sessionId", "version", "gitBranch")}
        zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        message = {
            "model": "<synthetic>",
            "id": uuid(f"synthetic {text}"),
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "stop_sequence",
            "stop_sequence": "",
            "usage": zero,
        }
        lines.append(
            {
                "parentUuid": last_uuid(lines),
                **base,
                "message": message,
                "type": "assistant",
                "uuid": uuid(f"notice {text}"),
                "timestamp": zulu(later(self.at, 500)),
                "isApiErrorMessage": True,
            }
        )

    def sidechain(self, lines: list[dict[str, Any]], name: str, model: str) -> None:
        """A side question: it replays an earlier message under a new request id, then makes a call of its own."""
        earlier = next(line for line in lines if line["type"] == "assistant" and line["message"]["stop_reason"])
        base = {key: earlier[key] for key in ("userType", "cwd", "sessionId", "version", "gitBranch")} | {
            "isSidechain": True
        }
        lines.append(
            earlier
            | {
                "isSidechain": True,
                "requestId": f"req_{digest(f'replay {name}', 20)}",
                "uuid": uuid(f"replay {name}"),
                "timestamp": zulu(later(self.at, 60_000)),
            }
        )
        self.at = later(self.at, 64_000)
        self._answer(lines, base, f"side {name}", model, 9_000, 1_200, long=False)


def agent_blocks(dice: Dice, name: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if dice.chance(0.4):
        blocks.append({"type": "thinking", "thinking": "", "signature": digest(f"sign {name}", 16)})
    if dice.chance(0.6):
        blocks.append(
            {
                "type": "text",
                "text": dice.pick(
                    [
                        "Let me look at the test.",
                        "The total ignores the voucher.",
                        "I run the suite again.",
                        "That file is generated.",
                    ]
                ),
            }
        )
    if dice.chance(0.8) or not blocks:
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{digest(f'tool {name}', 12)}",
                "name": dice.pick(["Bash", "Read", "Edit", "Grep"]),
                "input": {"path": f"src/{dice.pick(['checkout', 'voucher', 'stock'])}.py"},
            }
        )
    return blocks


def coding_agent() -> Agent:
    agent = Agent(Dice("coding agent"))
    day = lambda d, h: FIRST + timedelta(days=d, hours=h, minutes=agent.dice.upto(50))  # noqa: E731
    first = agent.session("shop", "voucher", day(4, 8), 16, "claude-opus-5-5")
    agent.notice(first, "API Error: 529 overloaded")
    copied = [line for line in first if line["type"] != "file-history-snapshot"][:9]
    resumed = agent.session("shop", "voucher resumed", day(5, 9), 9, "claude-opus-5-5", copied)
    resumed.insert(0, {"type": "summary", "summary": "Voucher total in checkout", "leafUuid": resumed[8]["uuid"]})
    side = agent.session("shop", "stock", day(12, 13), 18, "claude-sonnet-5-5")
    agent.sidechain(side, "stock", "claude-sonnet-5-5")
    side.append(
        {
            "parentUuid": last_uuid(side),
            "isSidechain": False,
            "userType": "external",
            "cwd": "/home/dev/shop",
            "sessionId": side[-1]["sessionId"],
            "version": "2.1.63",
            "type": "system",
            "subtype": "local_command",
            "content": "<command-name>/cost</command-name>",
            "level": "info",
            "uuid": uuid("system stock"),
            "timestamp": zulu(later(agent.at, 5_000)),
        }
    )
    agent.session("warehouse", "scanner", day(19, 10), 15, "claude-opus-5-5")
    last = agent.session("warehouse", "labels", day(27, 14), 12, "claude-sonnet-5-5")
    agent.notice(last, "API Error: 500 internal server error")
    return agent


def session_id(name: str) -> str:
    return uuid(f"session {name}")


def uuid(name: str) -> str:
    h = digest(name, 32)
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}"


def last_uuid(lines: list[dict[str, Any]]) -> str | None:
    return next((line["uuid"] for line in reversed(lines) if "uuid" in line), None)


# --- the provider's bill --------------------------------------------------------------------------------

GAP_DAY, GAP_MODEL, GAP_CALLS, GAP_USAGE = date(2026, 10, 14), "gpt-4o-2024-08-06", 20, Usage(38_000, 8_400)
"""Twenty calls from a laptop that no log has: they are on the bill and in the provider's usage only."""

Bucket = tuple[date, str, str]


def usage_by_bucket(calls: Iterable[Call]) -> dict[Bucket, tuple[int, Usage]]:
    """Calls and tokens that OpenAI bills, by day, project and model, the unlogged ones included."""
    found: dict[Bucket, tuple[int, Usage]] = {(GAP_DAY, "proj_support", GAP_MODEL): (GAP_CALLS, GAP_USAGE)}
    for call in calls:
        if call.provider == "openai" and call.usage:
            key = (call.at.date(), TEAM_PROJECT.get(call.team or "", "proj_default"), call.model)
            n, sofar = found.get(key, (0, Usage(0)))
            found[key] = (n + 1, plus(sofar, call.usage))
    return dict(sorted(found.items()))


def plus(a: Usage, b: Usage) -> Usage:
    return Usage(
        a.input + b.input, a.output + b.output, a.read + b.read, a.write + b.write, 0, a.reasoning + b.reasoning
    )


def cost_lines(bucket: Bucket, usage: Usage) -> Iterator[tuple[dict[str, Any], Decimal]]:
    _, project, model = bucket
    fresh, read, write, _, output = RATES[model]
    parts = [
        ("input", usage.input - usage.read - usage.write, fresh),
        ("cached input", usage.read, read),
        ("cache writes", usage.write, write),
        ("output", usage.output, output),
    ]
    for name, count, rate in parts:
        if count:
            usd = count * Decimal(rate) / 1_000_000
            yield (
                {
                    "object": "organization.costs.result",
                    "amount": {"value": f"{usd:.36f}", "currency": "usd"},
                    "line_item": f"{model}, {name}",
                    "quantity": float(count),
                    "quantity_unit": "tokens",
                    "project_id": project,
                    "organization_id": "org-harborpine",
                    "user_id": None,
                    "api_key_id": None,
                },
                usd,
            )


def usage_result(bucket: Bucket, n: int, usage: Usage) -> dict[str, Any]:
    _, project, model = bucket
    fresh = usage.input - usage.read - usage.write
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "input_cached_tokens": usage.read,
        "input_uncached_tokens": fresh,
        "input_cache_write_tokens": usage.write,
        "input_text_tokens": fresh,
        "output_text_tokens": usage.output,
        "num_model_requests": n,
        "project_id": project,
        "user_id": None,
        "api_key_id": None,
        "model": model,
        "batch": False,
        "service_tier": "default",
    }


def page(results: dict[date, list[dict[str, Any]]]) -> dict[str, Any]:
    buckets = []
    for offset in range(DAYS):
        start = FIRST + timedelta(days=offset)
        end = start + timedelta(days=1)
        times = {
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
            "start_time_iso": start.isoformat(),
            "end_time_iso": end.isoformat(),
        }
        buckets.append({"object": "bucket", **times, "results": results.get(start.date(), [])})
    return {"object": "page", "data": buckets, "has_more": False, "next_page": None}


# --- all of it --------------------------------------------------------------------------------------------

SITES = {
    "support-2026-10.jsonl": (route, faq, widget, assist),
    "catalog-2026-10.jsonl": (extract, nightly_tags, supplier_mail, embed),
    "content-2026-10.jsonl": (summarise,),
    "data-2026-10.jsonl": (stock_report,),
    "notes-app-2026-10.jsonl": (notes_app,),
}
TORN = '{"timestamp":"2026-10-31T21:40:12.508Z","request_id":"content-summarise-torn","endpoint":"/content/summarise","provider":"anthropic","request":{"model":"claude-son'


def compose() -> dict[str, bytes]:
    """Every file of the samples by its path, the truth as `truth.json`."""
    truth, files, plain = Truth(), {}, []
    for name, sites in SITES.items():
        calls = sorted((call for site in sites for call in site(truth)), key=lambda call: (call.at, call.request_id))
        plain += calls
        torn = TORN + "\n" if name.startswith("content") else ""
        files[f"plain_jsonl/{name}"] = (lines_of(map(plain_line, calls)) + torn).encode()
    gateway = sorted([*sql_helper(truth), *brief(truth), *mirrored(plain, truth)], key=lambda g: (g.call.at, g.trace))
    files["litellm_callback/gateway-2026-10.jsonl"] = lines_of(map(slp_line, gateway)).encode()
    agent = coding_agent()
    files |= {f"claude_code/{name}": lines_of(lines).encode() for name, lines in agent.files.items()}
    only_gateway = [g.call for g in gateway if not g.hit_of and g.call.site != "/support/route"]
    bill = usage_by_bucket(plain + only_gateway)
    files |= bill_files(bill)
    files["truth.json"] = (json.dumps(facts(truth, plain, gateway, agent, bill), indent=1) + "\n").encode()
    return files


def lines_of(records: Iterable[dict[str, Any]]) -> str:
    return "".join(compact(record) + "\n" for record in records)


def bill_files(bill: dict[Bucket, tuple[int, Usage]]) -> dict[str, bytes]:
    costs: dict[date, list[dict[str, Any]]] = defaultdict(list)
    usage: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for bucket, (n, used) in bill.items():
        costs[bucket[0]] += [line for line, _ in cost_lines(bucket, used)]
        if not bucket[2].startswith("text-embedding"):
            usage[bucket[0]].append(usage_result(bucket, n, used))
    return {
        "openai_costs/costs_2026-10.json": (compact(page(costs)) + "\n").encode(),
        "openai_usage/usage_completions_2026-10.json": (compact(page(usage)) + "\n").encode(),
    }


def facts(truth: Truth, plain: list[Call], gateway: list[Gateway], agent: Agent, bill: dict[Bucket, tuple[int, Usage]]) -> dict[str, Any]:  # fmt: skip
    mirrored_ids = {g.call.request_id for g in gateway if g.call.site == "/support/route"}
    unique = plain + [g.call for g in gateway if g.call.request_id not in mirrored_ids and not g.hit_of]
    agent_usd = sum((usage.cost(model) for _, model, usage in agent.calls.values()), Decimal(0))
    agent_lines = [line for lines in agent.files.values() for line in lines]
    answers = [
        line for line in agent_lines if line["type"] == "assistant" and line["message"]["model"] != "<synthetic>"
    ]
    others = Counter(
        line["type"] if line["type"] != "assistant" else "synthetic" for line in agent_lines if line not in answers
    )
    billed = sum((usd for bucket, (_, used) in bill.items() for _, usd in cost_lines(bucket, used)), Decimal(0))
    openai = sum((call.cost() for call in unique if call.provider == "openai"), Decimal(0))
    gap = GAP_USAGE.cost(GAP_MODEL)
    assert billed - openai == gap
    hits = sum(1 for g in gateway if g.hit_of)
    return {
        "window": {"start": "2026-10-01", "end": "2026-11-01", "days": DAYS},
        "records": {
            "plain_jsonl": {"lines": len(plain) + 1, "calls": len(plain), "quarantined": 1},
            "litellm_callback": {
                "lines": len(gateway),
                "calls": len(gateway),
                "also_in_plain_jsonl": len(mirrored_ids),
            },
            "claude_code": {
                "lines": len(agent_lines),
                "calls": len(agent.calls),
                "merged_lines": len(answers) - len(agent.calls),
                "not_calls": dict(sorted(others.items())),
            },
        },
        "requests": len(unique) + hits + len(agent.calls),
        "failed": truth.failed,
        "failed_but_billed": truth.failed_but_billed,
        "cacheable": truth.cacheable,
        "identical_sampled": truth.identical_sampled,
        "nondeterministic": truth.nondeterministic,
        "resampled": truth.resampled,
        "empty": truth.empty,
        "truncated": truth.truncated,
        "refused": truth.refused,
        "streamed": truth.streamed,
        "without_usage": truth.without_usage,
        "secret": truth.secret,
        "gateway_cache_hits": truth.gateway_cache_hits,
        "in_two_logs": truth.in_two_logs,
        "by_ttl": {str(ttl): by_ttl(unique, truth.cacheable, ttl) for ttl in (60, 300, 3_600, 86_400, 604_800)},
        "unlabelled": {call.request_id: call.site for call in plain if not call.labelled},
        "list_usd": {
            "openai": str(openai),
            "anthropic": str(
                sum((call.cost() for call in unique if call.provider == "anthropic"), Decimal(0)) + agent_usd
            ),
            "claude_code": str(agent_usd),
            "by_endpoint": by_endpoint(unique),
            "cacheable": str(sum((call.cost() for call in unique if call.request_id in truth.cacheable), Decimal(0))),
            "failed_but_billed": str(
                sum((call.cost() for call in unique if call.request_id in truth.failed), Decimal(0))
            ),
        },
        "bill": {
            "provider": "openai",
            "billed_usd": str(billed),
            "logged_usd": str(openai),
            "gap_usd": str(gap),
            "gap": {
                "day": GAP_DAY.isoformat(),
                "model": GAP_MODEL,
                "calls": GAP_CALLS,
                "input_tokens": GAP_USAGE.input,
                "output_tokens": GAP_USAGE.output,
            },
        },
    }


def by_ttl(calls: Iterable[Call], cacheable: dict[str, str], ttl_seconds: int) -> dict[str, Any]:
    """What a cache had answered that keeps each answer for `ttl_seconds` from when it was stored."""
    stored: dict[str, datetime] = {}
    hits, usd = 0, Decimal(0)
    for call in sorted(calls, key=lambda c: c.at):
        entry = call.request_id
        while entry in cacheable:
            entry = cacheable[entry]
        if entry != call.request_id and call.at - stored[entry] <= timedelta(seconds=ttl_seconds):
            hits, usd = hits + 1, usd + call.cost()
        else:
            stored[entry] = call.at
    return {"requests": hits, "saving_usd": str(usd)}


def by_endpoint(calls: Iterable[Call]) -> dict[str, dict[str, Any]]:
    count: Counter[str] = Counter()
    usd: dict[str, Decimal] = defaultdict(Decimal)
    for call in calls:
        count[call.site] += 1
        usd[call.site] += call.cost()
    return {site: {"requests": count[site], "usd": str(usd[site])} for site in sorted(count)}


def write(samples: Path, truth: Path) -> list[Path]:
    """Write all files; return their paths."""
    paths = []
    for name, content in compose().items():
        path = truth if name == "truth.json" else samples / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write(HERE.parent / "sample_logs", HERE / "data" / "samples_truth.json"):
        sys.stdout.write(f"{written.stat().st_size:>9,}  {written.relative_to(HERE.parent)}\n")
