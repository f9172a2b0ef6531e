"""Bodies of every provider inside one log: what their counts include is resolved, and the sums are worked by hand."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from test_sources import counts, first_user, read_file

from llmaudit.lake.pieces import plain_text

AT = "2026-10-07T12:00:00Z"


@pytest.fixture
def row_of(tmp_path):
    def row(response, request=None, **fields):
        path = tmp_path / "log.jsonl"
        asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]} if request is None else request
        path.write_text(json.dumps({"timestamp": AT, "request": asked, "response": response, **fields}) + "\n")
        [row] = read_file(path, "plain_jsonl")[0]
        return row

    return row


def chat(usage, **body):
    return {"id": "c-1", "choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}], "usage": usage, **body}


# --- what is not sold by the token ------------------------------------------------------------------


def test_u1_pages_seconds_and_characters_are_counted_where_there_are_no_tokens(row_of):
    pages = row_of({"model": "mistral-ocr-2512", "pages": [{"markdown": "a"}], "usage_info": {"pages_processed": 29}})
    heard = row_of({"text": "hello", "usage": {"type": "duration", "seconds": 9.4}})
    spoken = row_of({"usage": {"input_characters": 1000}})
    assert (pages["input_document_pages"], heard["audio_seconds"], spoken["input_characters"]) == (29, 9, 1000)
    assert {row["usage_source"] for row in (pages, heard, spoken)} == {"reported"}
    assert {row["input_tokens"] for row in (pages, heard, spoken)} == {None}


def test_u2_tools_that_the_provider_ran_are_counted_and_opening_a_found_page_is_not(row_of):
    output = [
        {"type": "file_search_call"},
        {"type": "file_search_call"},
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "message", "content": [{"type": "output_text", "text": "Yes"}]},
    ]
    row = row_of(
        {"object": "response", "id": "r-1", "output": output, "usage": {"input_tokens": 9, "output_tokens": 2}}
    )
    assert (row["storage_searches"], row["web_searches"]) == (2, 1)


# --- what speaks like OpenAI ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # DeepSeek: 94,464 of 102,056 were read from the cache, and 7,592 were not
        ({"prompt_tokens": 102_056, "completion_tokens": 50, "prompt_cache_hit_tokens": 94_464, "prompt_cache_miss_tokens": 7_592}, (102_056, 94_464, None, 50)),
        # Groq, Fireworks
        ({"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 96, "prompt_tokens_details": {"cached_tokens": 64}}, (90, 64, None, 6)),
        # Mistral, in both of its spellings
        ({"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 96, "num_cached_tokens": 64}, (90, 64, None, 6)),
        # Together: no details at all
        ({"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 96}, (90, None, None, 6)),
        # a proxy that counts the cache beside the prompt: its total says so, 90 + 64 + 6
        ({"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 160, "prompt_tokens_details": {"cached_tokens": 64}}, (154, 64, None, 6)),
        # ... and one that gives no total: more cached than prompt tokens
        ({"prompt_tokens": 9, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 64}}, (73, 64, None, 6)),
    ],
    ids=["deepseek", "groq", "mistral", "together", "beside, by the total", "beside, by its size"],
)  # fmt: skip
def test_p1_the_prompt_of_what_speaks_like_openai_includes_the_cache_unless_the_counts_say_otherwise(
    row_of, usage, expected
):
    assert counts(row_of(chat(usage))) == expected


@pytest.mark.parametrize(
    ("completion", "total", "output"),
    [
        (120, 150, 120),  # 30 + 120: inside
        (20, 150, 120),  # 30 + 20 + 100: outside, as xAI's chat has it
        (20, None, 120),  # more reasoning than completion can only be outside
        (100, None, 100),
    ],
)
def test_p3_reasoning_of_xai_lies_outside_the_completion_and_the_total_tells(row_of, completion, total, output):
    usage = {"prompt_tokens": 30, "completion_tokens": completion, "total_tokens": total}
    row = row_of(chat({**usage, "completion_tokens_details": {"reasoning_tokens": 100}}), provider="xai")
    assert (row["provider"], row["output_tokens"], row["reasoning_tokens"]) == ("x_ai", output, 100)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"cost_in_usd_ticks": 12_345_678}, "0.0012345678"),  # ticks of 1e-10 dollars
        ({"cost": 0.00123}, "0.00123"),
        ({"cost": {"input_tokens_cost": 0.00001, "total_cost": 0.00512}}, "0.00512"),
        ({}, None),
    ],
    ids=["xai", "openrouter", "perplexity", "none"],
)
def test_p4_what_an_answer_says_it_cost_is_kept_in_dollars(row_of, usage, usd):
    row = row_of(chat({"prompt_tokens": 1, "completion_tokens": 1, **usage}))
    assert row["reported_cost_usd"] == (Decimal(usd) if usd else None)


def test_p8_a_stream_of_groq_counts_in_its_last_chunk(row_of):
    stream = (
        'data: {"id":"g-1","model":"llama-3.3-70b","choices":[{"delta":{"content":"Ye"}}]}\n\n'
        'data: {"choices":[{"delta":{"content":"s"},"finish_reason":"stop"}],'
        '"x_groq":{"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}}\n\ndata: [DONE]\n'
    )
    row = row_of(stream, provider="groq")
    assert (*counts(row), row["output_text"], row["stream"]) == (10, None, None, 4, "Yes", True)


def test_g6_searches_of_perplexity_are_counted_apart_from_tokens(row_of):
    row = row_of(chat({"prompt_tokens": 10, "completion_tokens": 4, "citation_tokens": 900, "num_search_queries": 2}))
    assert (*counts(row), row["web_searches"]) == (10, None, None, 4, 2)


@pytest.mark.parametrize(
    ("body", "provider"),
    [
        (chat({"prompt_tokens": 1, "prompt_cache_miss_tokens": 1}), "deepseek"),
        (chat({"prompt_tokens": 1}, x_groq={"id": "r"}), "groq"),
        (chat({"prompt_tokens": 1, "cost_in_usd_ticks": 1}), "x_ai"),
        (chat({"prompt_tokens": 1}), None),
    ],
)
def test_a_body_that_can_only_be_one_providers_names_it(row_of, body, provider):
    assert row_of(body)["provider"] == provider


# --- Gemini ---------------------------------------------------------------------------------------

ASKED_GEMINI = {
    "model": "gemini-2.5-pro",
    "contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Yo"}]}],
    "systemInstruction": {"parts": [{"text": "Be kind"}]},
    "tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}],
    "generationConfig": {"temperature": 0, "maxOutputTokens": 50, "topP": 0.5},
}


def test_g5_g6_gemini_counts_the_cache_inside_the_prompt_and_the_thoughts_beside_the_candidates(row_of):
    usage = {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 10, "thoughtsTokenCount": 30,
             "toolUsePromptTokenCount": 7, "totalTokenCount": 147, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}, {"modality": "VIDEO", "tokenCount": 6}],
             "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}]}  # fmt: skip
    parts = [{"text": "hm", "thought": True}, {"text": "Yes"}, {"functionCall": {"name": "a", "args": {"x": 1}}}]
    body = {"responseId": "r-1", "modelVersion": "gemini-2.5-pro", "usageMetadata": usage, "candidates": [{"finishReason": "STOP", "content": {"parts": parts}}]}  # fmt: skip
    row = row_of(body, ASKED_GEMINI, provider="google")
    assert (*counts(row), row["reasoning_tokens"]) == (100 + 7, 40, None, 10 + 30, 30)
    assert (row["input_audio_tokens"], row["input_video_tokens"], row["cache_audio_read_tokens"]) == (5, 6, 4)
    assert (row["provider"], row["provider_id"], row["response_model"]) == ("gcp.gemini", "r-1", "gemini-2.5-pro")
    assert (row["messages"], row["system_text"]) == (["user\x1fHi", "assistant\x1fYo"], "Be kind")
    assert (row["temperature"], row["max_output_tokens"], row["tools_offered"], row["tools_called"]) == (0, 50, 2, 1)
    assert (row["output_text"].partition("\x1f")[0], row["finish_reason"]) == ("Yes", "STOP")
    assert "topP" in row["params_text"]
    assert "Hi" not in row["params_text"]


def test_p8_chunks_of_gemini_are_cumulative_and_their_texts_add_up(row_of):
    chunks = [
        {"candidates": [{"content": {"parts": [{"text": text}]}}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": n}}
        for text, n in (("A", 1), ("B", 9))
    ]  # fmt: skip
    as_text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    for logged in (chunks, as_text):
        row = row_of(logged, {"model": "gemini-2.5-flash", "contents": "Hi"})
        assert (*counts(row), row["output_text"], row["stream"]) == (5, None, None, 9, "AB", True)


def test_p10_gemini_on_provisioned_throughput_is_not_metered(row_of):
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1, "trafficType": "PROVISIONED_THROUGHPUT"}
    row = row_of({"candidates": [], "usageMetadata": usage}, ASKED_GEMINI)
    assert (row["billing_mode"], row["service_tier"], row["provider"]) == ("provisioned", None, "gcp.vertex_ai")


def test_a_failure_of_gemini_is_a_failure(row_of):
    row = row_of({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, ASKED_GEMINI, provider="google")
    assert (row["status"], *counts(row)) == ("error", None, None, None, None)


# --- Bedrock --------------------------------------------------------------------------------------


def test_p1_p2_converse_counts_the_cache_beside_its_input(row_of):
    request = {
        "modelId": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "messages": [{"role": "user", "content": [{"text": "Hi"}, {"cachePoint": {"type": "default"}}]}],
        "system": [{"text": "Be kind"}],
        "inferenceConfig": {"temperature": 0.5, "maxTokens": 99},
        "toolConfig": {"tools": [{"toolSpec": {"name": "t"}}]},
    }
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 1_115, "cacheReadInputTokens": 1_000, "cacheWriteInputTokens": 100,
             "cacheDetails": [{"ttl": "1h", "inputTokens": 60}, {"ttl": "5m", "inputTokens": 40}]}  # fmt: skip
    content = [{"text": "Hello"}, {"toolUse": {"name": "t", "input": {"choices": [1]}}}]
    body = {"ResponseMetadata": {"RequestId": "q-9"}, "output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": usage}  # fmt: skip
    row = row_of(body, request)
    assert (*counts(row), row["cache_write_long_tokens"]) == (10 + 1_000 + 100, 1_000, 100, 5, 60)
    assert (row["provider"], row["provider_id"], row["request_model"]) == ("aws.bedrock", "q-9", request["modelId"])
    assert (row["temperature"], row["max_output_tokens"], row["tools_offered"], row["tools_called"]) == (0.5, 99, 1, 1)
    assert (first_user(row), plain_text(row["system_text"]), row["finish_reason"]) == ("Hi", "Be kind", "tool_use")


def test_p8_events_of_a_converse_stream_are_one_answer(row_of):
    events = [
        {"contentBlockDelta": {"delta": {"text": "Ye"}}},
        {"contentBlockDelta": {"delta": {"text": "s"}}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 8, "outputTokens": 3}}},
    ]
    row = row_of(events)
    assert (*counts(row), row["output_text"], row["finish_reason"]) == (8, None, None, 3, "Yes", "end_turn")


@pytest.mark.parametrize(
    ("request_body", "answer", "expected"),
    [
        ({"prompt": "Hi", "max_gen_len": 20}, {"generation": "Yes", "prompt_token_count": 4, "generation_token_count": 2, "stop_reason": "stop"}, (4, 2)),
        ({"inputText": "Hi"}, {"inputTextTokenCount": 3, "results": [{"tokenCount": 7, "outputText": "Yes", "completionReason": "FINISH"}]}, (3, 7)),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, {"output": {"message": {"content": [{"text": "Yes"}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 6, "outputTokens": 1}}, (6, 1)),
    ],
    ids=["llama", "titan", "nova"],
)  # fmt: skip
def test_bodies_of_invoke_model_are_read_in_their_own_words(row_of, request_body, answer, expected):
    row = row_of(answer, request_body, model="some.model-v1:0", provider="bedrock")
    assert (row["input_tokens"], row["output_tokens"], first_user(row), row["output_text"]) == (
        *expected,
        "Hi",
        "Yes",
    )
    assert (row["request_model"], row["provider"]) == ("some.model-v1:0", "aws.bedrock")
    assert json.loads(row["params_text"])["model"] == "some.model-v1:0"


# --- all of them ----------------------------------------------------------------------------------


def test_words_of_other_makes_inside_a_text_change_nothing(row_of):
    said = 'the "usageMetadata" of a "generation" with its inputTokens and stopReason'
    body = chat({"prompt_tokens": 5, "completion_tokens": 4})
    body["choices"][0]["message"]["content"] = said
    row = row_of(body, {"model": "m", "messages": [{"role": "user", "content": f"contents, inferenceConfig: {said}"}]})
    assert (*counts(row), row["output_text"]) == (5, None, None, 4, said)
    assert first_user(row).endswith(said)


def test_odd_bodies_lose_no_record(tmp_path):
    bodies = [{"usageMetadata": 7}, {"candidates": "x", "usageMetadata": []}, {"usage": {"inputTokens": {"a": 1}}}, {"stopReason": ["x"], "output": 3},
              {"generation": 5}, [{"usageMetadata": None}, 3, "x"], {"results": 9, "inputTextTokenCount": "many"}]  # fmt: skip
    request = {"contents": 5, "modelId": ["x"], "inferenceConfig": "none"}
    path = tmp_path / "log.jsonl"
    records = [{"timestamp": AT, "request": request, "response": body, "model": "m", "status": 200} for body in bodies]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    rows, _ = read_file(path, "plain_jsonl")
    assert [row["request_model"] for row in rows] == ["m"] * len(bodies)
