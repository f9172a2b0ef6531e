"""Request and response bodies as the providers write them, streams included."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from harbor_pine.base import Usage, compact, digest


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
    name: str, at: datetime, model: str, text: str | None, usage: Usage, *, finish: str = "stop", **message: Any
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
