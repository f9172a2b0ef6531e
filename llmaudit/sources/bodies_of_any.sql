-- Bodies of Gemini and of Amazon Bedrock in the words of OpenAI's, for logs that may hold any of them:
-- The reader puts as_openai_request and as_openai_response before a source's SELECT, where a file needs them:
-- planning them takes longer than reading a small file.
-- What a count includes is resolved on the way: the prompt includes what was read from and written to the
-- cache, the completion includes the thoughts. Bodies that are not theirs pass as they are.
-- Keys that only requests of other makes have. Of a request that was logged as text, its words are looked at instead.
create or replace macro asks_foreign(request) as
    case
        when starts_with(request, '{')
        then
            list_has_any(
                json_keys(request),
                ['contents', 'inferenceConfig', 'toolConfig', 'modelId', 'inputText', 'max_gen_len', 'chat_history']
            )
        else regexp_matches(request, 'contents|inferenceConfig|toolConfig|modelId|inputText|max_gen_len|chat_history')
    end;

create or replace macro answers_foreign(response) as
    contains(response, 'usageMetadata')
    or contains(response, 'usage_metadata')
    or contains(response, 'promptFeedback')
    or contains(response, 'inputTokens')
    or contains(response, 'stopReason')
    or contains(response, 'TokenCount')
    or contains(response, 'token_count')
    or contains(response, 'generation')
    or contains(response, 'outputText');

create or replace macro gemini_as_openai(chunks) as
    list_transform(
        [read_gemini_response(chunks)],
        lambda g : json_object(
            'object', case when g.created_at is not null or first_of(list_transform(chunks, lambda e : coalesce(e."usageMetadata"."trafficType", e.usage_metadata.traffic_type))) is not null then 'vertex' else 'gemini' end,
            'id', g.id,
            'model', g.model,
            'stream', case when len(chunks) > 1 then true end,
            'service_tier', case when g.billing_mode = 'provisioned' then 'provisioned' else g.service_tier end,
            'error', case when g.error_type is not null then json_object('type', g.error_type, 'code', g.error_code) end,
            'choices', case
                when g.output_text is not null
                then
                    json_array(
                        json_object(
                            'finish_reason', g.finish_reason,
                            'message', json_object(
                                'content', split_part(g.output_text, chr(31), 1),
                                'tool_calls', list_transform(
                                    list_filter(
                                        flatten(list_transform(chunks, lambda e : coalesce(e.candidates[1].content.parts, []))),
                                        lambda p : json_type(coalesce(p."functionCall", p.function_call)) = 'OBJECT'
                                    ),
                                    lambda p : {'function': coalesce(p."functionCall", p.function_call)}
                                )
                            )
                        )
                    )
                else json_array(json_object('finish_reason', g.finish_reason))
            end,
            'usage', case
                when g.usage.input_tokens is not null
                then
                    json_object(
                        'prompt_tokens', g.usage.input_tokens,
                        'completion_tokens', g.usage.output_tokens,
                        'prompt_tokens_details', json_object(
                            'cached_tokens', g.usage.cache_read_tokens,
                            'audio_tokens', g.usage.input_audio_tokens,
                            'image_tokens', g.usage.input_image_tokens,
                            'video_tokens', g.usage.input_video_tokens,
                            'cached_tokens_details', json_object(
                                'audio_tokens', g.usage.cache_audio_read_tokens,
                                'image_tokens', g.usage.cache_image_read_tokens,
                                'video_tokens', g.usage.cache_video_read_tokens
                            )
                        ),
                        'completion_tokens_details', json_object(
                            'reasoning_tokens', g.usage.reasoning_tokens,
                            'audio_tokens', g.usage.output_audio_tokens,
                            'image_tokens', g.usage.output_image_tokens
                        )
                    )
            end
        )
    )[1];

-- `whole` is the body itself, where it is one and not the events of a stream: boto3 puts the id of the call into it.
create or replace macro bedrock_as_openai(events, whole) as
    list_transform(
        [read_bedrock_answer(events)],
        lambda b : json_object(
            'object', 'bedrock',
            'id', coalesce(whole ->> '$.ResponseMetadata.RequestId', whole ->> '$.id', whole ->> '$.generation_id'),
            'model', b.routed_to,
            'stream', case when len(events) > 1 then true end,
            'service_tier', b.service_tier,
            'choices', json_array(
                json_object(
                    'finish_reason', b.finish_reason,
                    'message', json_object(
                        'content', split_part(b.output_text, chr(31), 1),
                        'tool_calls', list_transform(
                            list_filter(string_split(b.output_text, chr(31))[2:], lambda t : b.tools_called > 0),
                            lambda t : {'function': {'name': split_part(t, ' ', 1), 'arguments': substr(t, strpos(t, ' ') + 1)}}
                        )
                    )
                )
            ),
            'usage', case
                when coalesce(b.input, b.output) is not null
                then
                    json_object(
                        'prompt_tokens', b.input + coalesce(b.read, 0) + coalesce(b.write, 0),
                        'completion_tokens', coalesce(b.output, 0),
                        'prompt_tokens_details', json_object(
                            'cached_tokens', b.read,
                            'cache_write_tokens', b.write,
                            'cache_write_tokens_details', json_object('ttl_12h_tokens', b.write_long)
                        )
                    )
            end
        )
    )[1];

create or replace macro is_gemini_event(e) as
    json_type(e, '$.usageMetadata') = 'OBJECT'
    or json_type(e, '$.usage_metadata') = 'OBJECT'
    or json_type(e, '$.promptFeedback') = 'OBJECT'
    or json_type(e, '$.candidates') = 'ARRAY';

-- What only Bedrock's bodies have: Claude's own body has a `stop_reason` and no `stopReason`.
create or replace macro is_bedrock_event(e) as
    coalesce(
        json_type(e, '$.stopReason'),
        json_type(e, '$.usage.inputTokens'),
        json_type(e, '$.messageStop'),
        json_type(e, '$.metadata.usage.inputTokens'),
        json_type(e, '$.generation'),
        json_type(e, '$.generations'),
        json_type(e, '$.inputTextTokenCount'),
        json_type(e, '$.outputText')
    ) is not null
    and json_type(e, '$.choices') is null;

create or replace macro as_openai_response(response) as
    case
        when answers_foreign(response)
        then
            list_transform(
                [case when was_streamed(response) then events_of(response) else [unwrapped(response)] end],
                lambda es : case
                    when len(list_filter(es, lambda e : is_gemini_event(e))) > 0
                    then gemini_as_openai(gemini_chunks(to_json(es)))
                    when len(list_filter(es, lambda e : is_bedrock_event(e))) > 0
                    then bedrock_as_openai(open_bedrock_answers(es), case when len(es) = 1 then es[1] end)
                    else response
                end
            )[1]
        else response
    end;

-- Roles and contents of messages that a macro above gives as one text each.
create or replace macro messages_apart(said) as
    list_transform(said, lambda m : {'role': split_part(m, chr(31), 1), 'content': substr(m, strpos(m, chr(31)) + 1)});

-- The SDK of Gemini puts the system instruction and the tools into the config.
create or replace macro gemini_request_as_openai(request) as
    list_transform(
        [
            json_merge_patch(
                request,
                case
                    when json_type(request, '$.config') = 'OBJECT'
                    then json_merge_patch(request -> '$.config', json_object('generationConfig', request -> '$.config'))
                    else '{}'
                end
            )
        ],
        lambda whole : list_transform(
            [read_gemini_request(open_gemini_request(whole), whole)],
            lambda g : json_object(
                'model', g.model,
                'system', g.system_text,
                'messages', messages_apart(g.messages),
                'tools', case
                    when len(json_extract(g.tools_text, '$[*].functionDeclarations[*]')) > 0
                    then to_json(json_extract(g.tools_text, '$[*].functionDeclarations[*]'))
                    when len(json_extract(g.tools_text, '$[*].function_declarations[*]')) > 0
                    then to_json(json_extract(g.tools_text, '$[*].function_declarations[*]'))
                    else cast(g.tools_text as json)
                end,
                'temperature', g.temperature,
                'max_tokens', g.max_output_tokens,
                'response_format', json_object('type', g.response_format),
                'generationConfig', coalesce(whole -> '$.generationConfig', whole -> '$.generation_config')
            )
        )[1]
    )[1];

create or replace macro bedrock_request_as_openai(request) as
    list_transform(
        [read_bedrock_request(open_bedrock_request(request))],
        lambda b : json_merge_patch(
            without_cache_points(request),
            json_object('model', coalesce(request ->> '$.model', request ->> '$.modelId')),
            case when b.messages is not null then json_object('messages', messages_apart(b.messages)) else '{}' end,
            case when b.system_text is not null then json_object('system', b.system_text) else '{}' end,
            case when b.tools is not null then json_object('tools', b.tools) else '{}' end,
            case when b.temperature is not null then json_object('temperature', b.temperature) else '{}' end,
            case when b.max_output_tokens is not null then json_object('max_tokens', b.max_output_tokens) else '{}' end
        )
    )[1];

create or replace macro as_openai_request(request) as
    case
        when asks_foreign(request) and json_type(unwrapped(request), '$.contents') is not null
        then gemini_request_as_openai(unwrapped(request))
        when
            asks_foreign(request)
            and coalesce(
                json_type(unwrapped(request), '$.inferenceConfig'),
                json_type(unwrapped(request), '$.toolConfig'),
                json_type(unwrapped(request), '$.modelId'),
                json_type(unwrapped(request), '$.inputText'),
                json_type(unwrapped(request), '$.max_gen_len'),
                json_type(unwrapped(request), '$.chat_history')
            ) is not null
        then bedrock_request_as_openai(unwrapped(request))
        else request
    end;
