"""One call seen by several systems: one row with the best of each where an id says so, a warning with its dollars where none does."""

from __future__ import annotations

import json
from decimal import Decimal

from llmaudit import pipeline
from llmaudit.config import AuditConfig

AT = 1_791_460_800
"""2026-10-08 12:00:00 UTC."""
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


def provider_log(answer_id):
    """OpenAI's own object: it knows the usage best, and nothing of who called."""
    details = {"prompt_tokens_details": {"cached_tokens": 400}}
    return {"id": answer_id, "object": "chat.completion", "created": AT, "model": "gpt-4o-2024-08-06", "service_tier": "default", "usage": USAGE | details,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}]}  # fmt: skip


def gateway_log(answer_id, **fields):
    """LiteLLM's payload: it knows the key and the team, and counts no cache."""
    return {"id": answer_id, "litellm_call_id": "own-1", "call_type": "acompletion", "startTime": AT + 0.25, "endTime": AT + 1.5, "completionStartTime": AT + 1.5, "model": "gpt-4o",
            "custom_llm_provider": "openai", "status": "success", "prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100, "response_cost": 0.0035, "stream": False,
            "metadata": {"user_api_key_alias": "shop-key", "user_api_key_team_alias": "shop"}, "request_tags": [], "messages": [{"role": "user", "content": "Is it oak?"}], **fields}  # fmt: skip


def trace(answer_id):
    """A span: it knows the conversation, and its counts are the worst."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.conversation.id": "visit-1"}  # fmt: skip
    if answer_id:
        said["gen_ai.response.id"] = answer_id
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    attributes += [{"key": f"gen_ai.usage.{key}", "value": {"intValue": str(n)}} for key, n in (("input_tokens", 1_000), ("output_tokens", 100))]  # fmt: skip
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "chat gpt-4o", "kind": 3, "attributes": attributes,
            "startTimeUnixNano": str(AT * 10**9 + 10**8), "endTimeUnixNano": str((AT + 2) * 10**9)}  # fmt: skip
    return {
        "resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]
    }


def audited(tmp_path, *logs):
    paths = []
    for number, log in enumerate(logs):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text(json.dumps(log) + "\n", "utf-8")
    run = pipeline.run(AuditConfig(paths=tuple(map(str, paths)), levers=("failed_calls",)))
    rows = run.engine.fetch("requests").sort_by("source").to_pylist()
    run.close()
    return rows, run.report


def test_a_call_in_a_providers_log_a_gateways_and_a_trace_is_one_row_with_the_best_of_each(tmp_path):
    rows, report = audited(tmp_path, trace("chatcmpl-1"), gateway_log("chatcmpl-1"), provider_log("chatcmpl-1"))
    [row] = rows
    assert row["source"] == "openai_objects"
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (1_000, 400, 100)
    assert (row["api_key_id"], row["team"], row["reported_cost_usd"]) == ("shop-key", "shop", Decimal("0.0035"))
    assert (row["session_id"], row["trace_id"], row["duration_ms"]) == ("visit-1", "a" * 32, 1_250)
    # 600 fresh at $2.50, 400 cached at $1.25 and 100 out at $10.00 a million
    assert row["cost_usd"] == Decimal("0.0015") + Decimal("0.0005") + Decimal("0.001")
    assert (report["intake"]["rows_kept"], report["intake"]["rows_merged"]) == (1, 2)
    assert not [warning for warning in report["warnings"] if warning["kind"] == "likely_duplicates"]


def test_without_an_id_they_stay_apart_and_are_warned_about_with_their_dollars(tmp_path):
    rows, report = audited(tmp_path, trace(None), gateway_log(None))
    assert len(rows) == 2
    [warning] = [each for each in report["warnings"] if each["kind"] == "likely_duplicates"]
    assert warning["usd"] == Decimal("0.0035")  # 1,000 at $2.50 and 100 at $10.00 a million, once


def test_g14_an_observation_on_the_edge_of_two_windows_of_langfuse_is_one_call(tmp_path):
    edge = {"id": "ob-1", "trace_id": "tr-1", "type": "GENERATION", "start_time": "2026-10-07 10:00:00.000000", "end_time": "2026-10-07 10:00:02.500000",
            "provided_model_name": "gpt-4o-2024-08-06", "usage_details": {"input": 1_000, "output": 100, "total": 1_100}, "model_parameters": "{}", "level": "DEFAULT"}  # fmt: skip
    later = edge | {"updated_at": "2026-10-07 11:00:00.000000"}
    rows, report = audited(tmp_path, edge, later)
    assert len(rows) == 1
    assert report["totals"]["cost_usd"] == Decimal("0.0035")


def details(**fields):
    """What a span's log record tells: the texts, and no id of the provider's."""
    [item] = trace(None)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    said = [{"role": "user", "parts": [{"type": "text", "content": "Is it oak?"}]}]
    texts = {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps(said)}}
    record = item | {
        "eventName": "gen_ai.client.inference.operation.details",
        "timeUnixNano": str((AT + 2) * 10**9),
        "attributes": [*item["attributes"], texts],
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record | fields]}]}]}


def test_a_span_and_its_log_in_two_files_are_one_call_also_where_only_the_span_has_the_providers_id(tmp_path):
    rows, _ = audited(tmp_path, trace("chatcmpl-1"), details(), gateway_log("chatcmpl-1", messages=None))
    [row] = rows
    assert (row["source"], row["session_id"], row["team"]) == ("litellm_callback", "visit-1", "shop")
    assert row["prompt_hash"] is not None
    assert row["cost_usd"] == Decimal("0.0035")  # 1,000 at 2.50 and 100 at 10.00 a million
    rows, _ = audited(tmp_path, trace("chatcmpl-1"), details(spanId="c" * 16))
    assert len(rows) == 2
