-- Gemini's bodies: generateContent of the Gemini API and of Vertex AI, in the camelCase of REST and the
-- snake_case of BigQuery and the SDKs. read_gemini_request and read_gemini_response give the structs that
-- read_request and read_response give. promptTokenCount includes the cached part and not what tools sent
-- in; candidatesTokenCount does not include the thoughts. A count of zero is left out.
create or replace macro gemini_tokens_of(details, kind) as
    list_sum(
        list_transform(
            list_filter(details, lambda d : upper(d.modality) = kind),
            lambda d : as_count(coalesce(d."tokenCount", d.token_count))
        )
    );

create or replace macro gemini_usage_shape() as
    '{"promptTokenCount": "VARCHAR", "prompt_token_count": "VARCHAR", "cachedContentTokenCount": "VARCHAR", "cached_content_token_count": "VARCHAR",
      "candidatesTokenCount": "VARCHAR", "candidates_token_count": "VARCHAR", "responseTokenCount": "VARCHAR", "response_token_count": "VARCHAR",
      "thoughtsTokenCount": "VARCHAR", "thoughts_token_count": "VARCHAR", "toolUsePromptTokenCount": "VARCHAR", "tool_use_prompt_token_count": "VARCHAR",
      "totalTokenCount": "VARCHAR", "total_token_count": "VARCHAR",
      "promptTokensDetails": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "prompt_tokens_details": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "cacheTokensDetails": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "cache_tokens_details": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "candidatesTokensDetails": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "candidates_tokens_details": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "responseTokensDetails": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "response_tokens_details": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "toolUsePromptTokensDetails": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "tool_use_prompt_tokens_details": [{"modality": "VARCHAR", "tokenCount": "VARCHAR", "token_count": "VARCHAR"}],
      "trafficType": "VARCHAR", "traffic_type": "VARCHAR", "serviceTier": "VARCHAR", "service_tier": "VARCHAR"}';

-- Some answers count the thoughts inside the candidates: then the total says so. More cached than prompt
-- tokens means that the prompt was counted without them.
create or replace macro read_gemini_usage(u) as
    list_transform(
        [
            {
                'prompt': as_count(coalesce(u."promptTokenCount", u.prompt_token_count)),
                'cached': as_count(coalesce(u."cachedContentTokenCount", u.cached_content_token_count)),
                'candidates': as_count(coalesce(u."candidatesTokenCount", u.candidates_token_count, u."responseTokenCount", u.response_token_count)),
                'thoughts': as_count(coalesce(u."thoughtsTokenCount", u.thoughts_token_count)),
                'tools': as_count(coalesce(u."toolUsePromptTokenCount", u.tool_use_prompt_token_count)),
                'total': as_count(coalesce(u."totalTokenCount", u.total_token_count)),
                'prompt_details': list_concat(
                    coalesce(u."promptTokensDetails", u.prompt_tokens_details),
                    coalesce(u."toolUsePromptTokensDetails", u.tool_use_prompt_tokens_details)
                ),
                'cache_details': coalesce(u."cacheTokensDetails", u.cache_tokens_details),
                'answer_details': coalesce(u."candidatesTokensDetails", u.candidates_tokens_details, u."responseTokensDetails", u.response_tokens_details)
            }
        ],
        lambda n : {
            'input_tokens': case
                when coalesce(n.prompt, n.tools, n.candidates, n.thoughts, n.total) is not null
                then coalesce(n.prompt, 0) + coalesce(n.tools, 0)
                + case when n.cached > coalesce(n.prompt, 0) then n.cached else 0 end
            end,
            'cache_read_tokens': n.cached,
            'output_tokens': case
                when coalesce(n.prompt, n.tools, n.candidates, n.thoughts, n.total) is not null
                then coalesce(n.candidates, 0)
                + case
                    when n.candidates >= n.thoughts and coalesce(n.prompt, 0) + n.candidates + coalesce(n.tools, 0) = n.total
                    then 0
                    else coalesce(n.thoughts, 0)
                end
            end,
            'reasoning_tokens': n.thoughts,
            'input_audio_tokens': gemini_tokens_of(n.prompt_details, 'AUDIO'),
            'output_audio_tokens': gemini_tokens_of(n.answer_details, 'AUDIO'),
            'cache_audio_read_tokens': gemini_tokens_of(n.cache_details, 'AUDIO'),
            'input_image_tokens': gemini_tokens_of(n.prompt_details, 'IMAGE'),
            'output_image_tokens': gemini_tokens_of(n.answer_details, 'IMAGE'),
            'cache_image_read_tokens': gemini_tokens_of(n.cache_details, 'IMAGE'),
            'input_video_tokens': gemini_tokens_of(n.prompt_details, 'VIDEO'),
            'cache_video_read_tokens': gemini_tokens_of(n.cache_details, 'VIDEO')
        }
    )[1];

-- The tier of Vertex's traffic types and of the Gemini API's service tiers. Provisioned throughput is none.
create or replace macro gemini_tier(traffic, tier) as
    case
        when upper(traffic) = 'ON_DEMAND'
        then 'standard'
        when starts_with(upper(traffic), 'ON_DEMAND_')
        then lower(substr(traffic, 11))
        when lower(tier) not in ('unspecified', 'service_tier_unspecified')
        then lower(regexp_replace(tier, '(?i)^service_tier_', ''))
    end;

-- Chunks of a stream come as a list of bodies, each with all that was counted so far.
create or replace macro gemini_chunks(response) as
    list_transform(
        case
            when json_type(unwrapped(response)) = 'ARRAY' then json_extract(unwrapped(response), '$[*]')
            else [unwrapped(response)]
        end,
        lambda e : from_json(
            unwrapped(e),
            '{"responseId": "VARCHAR", "response_id": "VARCHAR", "modelVersion": "VARCHAR", "model_version": "VARCHAR",
              "createTime": "VARCHAR", "create_time": "VARCHAR",
              "promptFeedback": {"blockReason": "VARCHAR", "block_reason": "VARCHAR"},
              "prompt_feedback": {"blockReason": "VARCHAR", "block_reason": "VARCHAR"},
              "error": {"code": "VARCHAR", "status": "VARCHAR", "message": "VARCHAR"},
              "usageMetadata": ' || gemini_usage_shape() || ', "usage_metadata": ' || gemini_usage_shape() || ',
              "candidates": [{"finishReason": "VARCHAR", "finish_reason": "VARCHAR", "content": {"parts": [{"text": "VARCHAR", "thought": "VARCHAR",
                "functionCall": "JSON", "function_call": "JSON"}]}}]}'
        )
    );

create or replace macro first_of(xs) as list_filter(xs, lambda x : x is not null)[1];
create or replace macro last_of(xs) as list_filter(xs, lambda x : x is not null)[-1];

create or replace macro gemini_answer(chunks) as
    concat_ws(
        chr(31),
        array_to_string(
            list_transform(
                flatten(list_transform(chunks, lambda e : coalesce(e.candidates[1].content.parts, []))),
                lambda p : case when lower(p.thought) = 'true' then '' else coalesce(p.text, '') end
            ),
            ''
        ),
        nullif(
            array_to_string(
                list_filter(
                    list_transform(
                        flatten(list_transform(chunks, lambda e : coalesce(e.candidates[1].content.parts, []))),
                        lambda p : cast(coalesce(p."functionCall", p.function_call) as varchar)
                    ),
                    lambda t : t is not null
                ),
                ' '
            ),
            ''
        )
    );

create or replace macro read_gemini_response(chunks) as
    list_transform(
        [last_of(list_transform(chunks, lambda e : coalesce(e."usageMetadata", e.usage_metadata)))],
        lambda u : {
            'id': first_of(list_transform(chunks, lambda e : coalesce(e."responseId", e.response_id))),
            'model': first_of(list_transform(chunks, lambda e : coalesce(e."modelVersion", e.model_version))),
            'created_at': first_of(list_transform(chunks, lambda e : coalesce(e."createTime", e.create_time))),
            'usage': read_gemini_usage(u),
            'service_tier': gemini_tier(coalesce(u."trafficType", u.traffic_type), coalesce(u."serviceTier", u.service_tier)),
            'billing_mode': case
                when upper(coalesce(u."trafficType", u.traffic_type)) = 'PROVISIONED_THROUGHPUT'
                then 'provisioned'
                else 'metered'
            end,
            'finish_reason': last_of(
                list_transform(
                    chunks,
                    lambda e : coalesce(
                        e.candidates[1]."finishReason", e.candidates[1].finish_reason,
                        e."promptFeedback"."blockReason", e."promptFeedback".block_reason,
                        e.prompt_feedback."blockReason", e.prompt_feedback.block_reason
                    )
                )
            ),
            'tools_called': len(
                list_filter(
                    flatten(list_transform(chunks, lambda e : coalesce(e.candidates[1].content.parts, []))),
                    lambda p : json_type(coalesce(p."functionCall", p.function_call)) = 'OBJECT'
                )
            ),
            'error_code': as_count(last_of(list_transform(chunks, lambda e : e.error.code))),
            'error_type': last_of(list_transform(chunks, lambda e : coalesce(e.error.status, e.error.code, e.error.message))),
            'output_text': case
                when len(list_filter(chunks, lambda e : len(e.candidates) > 0)) > 0 then gemini_answer(chunks)
            end
        }
    )[1];

create or replace macro gemini_text(parts) as
    case
        when json_type(parts) = 'VARCHAR'
        then parts ->> '$'
        when
            len(list_filter(from_json(parts, '[{"text": "VARCHAR"}]'), lambda p : p.text is null)) = 0
        then array_to_string(list_transform(from_json(parts, '[{"text": "VARCHAR"}]'), lambda p : p.text), chr(10))
        else cast(parts as varchar)
    end;

create or replace macro open_gemini_request(request) as
    from_json(
        unwrapped(request),
        '{"model": "VARCHAR", "contents": "JSON", "tools": "JSON", "labels": "JSON",
          "systemInstruction": "JSON", "system_instruction": "JSON", "cachedContent": "VARCHAR", "cached_content": "VARCHAR",
          "generationConfig": "JSON", "generation_config": "JSON"}'
    );

create or replace macro gemini_messages(contents) as
    case
        when json_type(contents) = 'VARCHAR'
        then [concat('user', chr(31), contents ->> '$')]
        else
            list_transform(
                from_json(
                    case when json_type(contents) = 'OBJECT' then json_array(contents) else contents end,
                    '[{"role": "VARCHAR", "parts": "JSON"}]'
                ),
                lambda m : concat(
                    case when m.role = 'model' then 'assistant' else coalesce(m.role, 'user') end,
                    chr(31),
                    gemini_text(m.parts)
                )
            )
    end;

create or replace macro read_gemini_request(q, request) as
    list_transform(
        [
            {
                'config': coalesce(q."generationConfig", q.generation_config),
                'system': coalesce(q."systemInstruction", q.system_instruction)
            }
        ],
        lambda c : {
            'model': q.model,
            'system_text': gemini_text(coalesce(c.system -> '$.parts', c.system)),
            'system_head': left(gemini_text(coalesce(c.system -> '$.parts', c.system)), 512),
            'messages': gemini_messages(q.contents),
            'tools_text': case when json_type(q.tools) = 'ARRAY' then cast(q.tools as varchar) end,
            'tools_offered': coalesce(
                list_sum(
                    list_transform(
                        from_json(q.tools, '[{"functionDeclarations": "JSON", "function_declarations": "JSON"}]'),
                        lambda t : coalesce(json_array_length(t."functionDeclarations"), json_array_length(t.function_declarations), 1)
                    )
                ),
                json_array_length(q.tools)
            ),
            'temperature': try_cast(c.config ->> '$.temperature' as double),
            'max_output_tokens': as_count(coalesce(c.config ->> '$.maxOutputTokens', c.config ->> '$.max_output_tokens')),
            'response_format': case
                when coalesce(
                    json_type(c.config, '$.responseSchema'), json_type(c.config, '$.response_schema'),
                    json_type(c.config, '$.responseJsonSchema'), json_type(c.config, '$.response_json_schema')
                ) = 'OBJECT'
                then 'json_schema'
                when coalesce(c.config ->> '$.responseMimeType', c.config ->> '$.response_mime_type') = 'application/json'
                then 'json_object'
            end,
            'labels': case when json_type(q.labels) = 'OBJECT' then q.labels end,
            'params_text': cast(
                json_merge_patch(
                    unwrapped(request),
                    '{"contents": null, "systemInstruction": null, "system_instruction": null, "tools": null, "labels": null}'
                ) as varchar
            )
        }
    )[1];
