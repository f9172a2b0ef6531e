"""What LiteLLM's gateway logs: two call sites of its own, and calls that are in the plain log too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from harbor_pine import words
from harbor_pine.base import FIRST, OFFICE, TEAM_PROJECT, Call, Dice, Truth, Usage, compact, digest, later, tokens, zulu
from harbor_pine.bodies import chat_body
from harbor_pine.sites import chat_call, failing


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
            dice,
            "/data/sql-helper",
            n,
            at,
            "gpt-5-mini",
            system=words.SQL_SYSTEM,
            user=ask.format(**blanks),
            answer=query.format(**blanks),
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
                dice,
                "/content/brief",
                n,
                at,
                "claude-sonnet-5-5",
                system=words.BRIEF_SYSTEM,
                user=dice.fill("Write about the {product}, sku {order}."),
                answer=text,
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
