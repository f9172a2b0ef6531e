"""Texts that a lake keeps, as chat messages again: what `lake.pieces.plain_text` and the sources made of them, read backwards.

What cannot be said again without guessing (an image, a result of a tool whose call is not there) is not said: `Unfit` names why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmaudit.lake.pieces import UNIT

CHOICE = "\x1e"
"""Between the answers of a call that asked for several."""

Message = dict[str, Any]
"""A message in OpenAI's words: role, content, and tool_calls or tool_call_id."""

_MEDIA = re.compile(
    r"^\[(image|image_url|input_image|input_audio|audio|video|document|file|input_file|inline_?data|file_?data)\]$",
    re.IGNORECASE | re.MULTILINE,
)
_CALL = re.compile(r"^\[(?:function|tool_use|function_call)\] (\S+) ?", re.MULTILINE)
_RESULT = re.compile(r"^\[tool_result\] ?", re.MULTILINE)
_NAMED_CALL = re.compile(r"(?:(?:function_call|tool_use|function) )?([\w.-]{1,128}) ?(?=[{\[]|$)")
_DECODER = json.JSONDecoder()


class Unfit(Exception):
    """A call that makes no example; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Piece:
    """One kept text of a call: kind is tools, system, message or output."""

    kind: str
    role: str
    text: str


@dataclass
class _Chat:
    messages: list[Message] = field(default_factory=list)
    calls: int = 0
    waiting: list[str] = field(default_factory=list)
    """Ids of tool calls whose results have not come."""

    def say(self, role: str, text: str) -> None:
        if role == "system" and self.messages and self.messages[-1]["role"] == "system":
            self.messages[-1]["content"] += f"\n\n{text}"
            return
        self._settled()
        self.messages.append({"role": role, "content": text})

    def call(self, text: str, calls: Sequence[tuple[str, str]]) -> None:
        self._settled()
        listed: list[dict[str, Any]] = []
        for name, arguments in calls:
            self.calls += 1
            listed.append(
                {
                    "id": f"call_{self.calls}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
            )
        self.waiting = [each["id"] for each in listed]
        self.messages.append({"role": "assistant", "content": text or None, "tool_calls": listed})

    def more_calls(self, calls: Sequence[tuple[str, str]]) -> None:
        """Calls that are items of their own, right after others: one turn made them all."""
        if not (self.messages and self.messages[-1].get("tool_calls") and self.waiting):
            self.call("", calls)
            return
        last, waiting = self.messages[-1], self.waiting
        self.waiting = []
        self.call("", calls)
        added = self.messages.pop()["tool_calls"]
        last["tool_calls"] += added
        self.waiting = [*waiting, *(each["id"] for each in added)]

    def result(self, text: str) -> None:
        if not self.waiting:
            raise Unfit("tool_result_without_call")
        self.messages.append({"role": "tool", "tool_call_id": self.waiting.pop(0), "content": text})

    def _settled(self) -> None:
        if self.waiting:
            raise Unfit("tool_call_without_result")


def prompt_of(pieces: Iterable[Piece]) -> list[Message]:
    """The messages that were sent, in order. Raises Unfit.

    >>> prompt_of([Piece("system", "system", "Be brief."), Piece("message", "user", "Hi")])
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Hi'}]
    """
    chat = _Chat()
    for piece in pieces:
        if piece.kind != "tools":
            _add(chat, piece)
    if not any(message["role"] == "user" and message["content"].strip() for message in chat.messages):
        raise Unfit("no_prompt")
    if chat.messages[-1]["role"] not in ("user", "tool") or chat.waiting:
        raise Unfit("answer_begun")
    return chat.messages


def answer_of(text: str) -> Message:
    r"""What was answered, as a message. Raises Unfit.

    >>> answer_of("refund")
    {'role': 'assistant', 'content': 'refund'}
    >>> answer_of('\x1f{"name": "find", "arguments": "{}"}')["tool_calls"][0]["function"]
    {'name': 'find', 'arguments': '{}'}
    """
    if CHOICE in text:
        raise Unfit("several_answers")
    said, *called = text.split(UNIT)
    calls = [call for part in called if part.strip() for call in _called(part)]
    if not calls:
        if not said.strip():
            raise Unfit("no_answer")
        return {"role": "assistant", "content": said}
    chat = _Chat()
    chat.call(said.strip(), calls)
    return chat.messages[0]


def tools_of(pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    """The tools offered, each as OpenAI's chat API has it. Raises Unfit for tools that only their provider can run.

    >>> tools_of([Piece("tools", "tools", '[{"name": "find", "input_schema": {"type": "object"}}]')])
    [{'type': 'function', 'function': {'name': 'find', 'parameters': {'type': 'object'}}}]
    """
    return [_tool(tool) for piece in pieces if piece.kind == "tools" for tool in _declared(piece.text)]


def _add(chat: _Chat, piece: Piece) -> None:
    text = piece.text
    if _MEDIA.search(text):
        raise Unfit("not_text")
    if piece.kind == "system":
        chat.say("system", text)
    elif piece.role in ("function_call", "custom_tool_call"):
        name, _, arguments = text.partition(UNIT)
        chat.more_calls([(name, arguments or "{}")])
    elif piece.role in ("tool", "function", "function_call_output", "custom_tool_call_output"):
        chat.result(text.partition(UNIT)[0])
    elif piece.role in ("assistant", "model"):
        _add_assistant(chat, text)
    elif piece.role in ("user", ""):
        _add_user(chat, text.partition(UNIT)[0])
    elif piece.role != "reasoning":
        raise Unfit("unknown_role")


def _add_assistant(chat: _Chat, text: str) -> None:
    said, *further = text.split(UNIT)
    calls = [call for part in further if part.startswith("[{") for call in _listed_calls(part)]
    if not calls:
        said, calls = _marked_calls(said)
    if calls:
        chat.call(said.strip(), calls)
    elif said.strip():
        chat.say("assistant", said)


def _add_user(chat: _Chat, text: str) -> None:
    before, *results = _RESULT.split(text)
    for result in results:
        chat.result(result.rstrip("\n"))
    if before.strip() or not results:
        chat.say("user", before)


def _marked_calls(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Calls that stand in a message as `[tool_use] name {...}`, and what is said before them."""
    marks = list(_CALL.finditer(text))
    calls = [(mark[1], _json_at(text, mark.end())) for mark in marks]
    return (text[: marks[0].start()] if marks else text), calls


def _json_at(text: str, start: int) -> str:
    if not text[start:].strip():
        return "{}"
    try:
        _, end = _DECODER.raw_decode(text, start)
    except ValueError:
        raise Unfit("tool_call_unread") from None
    return text[start:end]


def _listed_calls(text: str) -> Iterator[tuple[str, str]]:
    try:
        listed = json.loads(text)
    except ValueError:
        raise Unfit("tool_call_unread") from None
    for call in listed:
        yield _function(call.get("function", call))


def _called(text: str) -> Iterator[tuple[str, str]]:
    """Calls of an answer: JSON objects one after the other, or a name with its arguments."""
    rest = text.strip()
    if rest.startswith("{"):
        while rest:
            try:
                found, end = _DECODER.raw_decode(rest)
            except ValueError:
                raise Unfit("tool_call_unread") from None
            yield _function(found)
            rest = rest[end:].lstrip()
        return
    named = _NAMED_CALL.match(rest)
    if not named:
        raise Unfit("provider_tools")
    yield named[1], _json_at(rest, named.end())


def _function(found: Any) -> tuple[str, str]:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise Unfit("tool_call_unread")
    arguments = found.get("arguments", found.get("input", {}))
    return found["name"], arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _declared(text: str) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        raise Unfit("tools_unread") from None
    for tool in found if isinstance(found, list) else [found]:
        if not isinstance(tool, dict):
            raise Unfit("tools_unread")
        several = tool.get("functionDeclarations", tool.get("function_declarations"))
        yield from several if isinstance(several, list) else [tool]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    inner = tool.get("function") or tool.get("toolSpec") or tool
    name = inner.get("name") if isinstance(inner, dict) else None
    takes = _parameters(inner) if name else None
    if not name or (takes is None and tool.get("type", "function") not in ("function", "custom")):
        raise Unfit("provider_tools")
    about = {"name": name, "description": inner.get("description"), "parameters": takes, "strict": inner.get("strict")}
    return {"type": "function", "function": {key: value for key, value in about.items() if value is not None}}


def _parameters(inner: dict[str, Any]) -> Any:
    for key in ("parameters", "input_schema", "inputSchema", "parametersJsonSchema"):
        if isinstance(inner.get(key), dict):
            return inner[key].get("json", inner[key]) if key == "inputSchema" else inner[key]
    return None
