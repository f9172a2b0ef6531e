-- The bodies that providers send and return, read once for every source that carries them.
-- read_request(json) and read_response(json) give one struct each; conventions on what a token
-- count includes are resolved here. OpenAI Chat Completions and Responses and their likes, Anthropic Messages.
-- Give a macro columns, not expressions: it repeats its argument, and the planner pays for each copy.
create or replace macro as_count(x) as try_cast(try_cast(x as double) as bigint);

-- Money as text, with commas between thousands or an exponent. Any other comma may be a decimal one: then it is no amount.
create or replace macro without_thousands(x) as
    case
        when not contains(x, ',')
        then x
        when regexp_full_match(x, '\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*')
        then replace(x, ',', '')
    end;

create or replace macro as_money(x) as
    coalesce(
        try_cast(without_thousands(x) as decimal(38, 12)),
        try_cast(try_cast(without_thousands(x) as double) as decimal(38, 12))
    );

-- Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size. A
-- time before 1973 or after the year 5138 is none. Most logs write ISO 8601 with a Z, which no zone's calendar has to be asked about.
create or replace macro as_utc(x) as
    case
        when x is null
        then null
        when
            ends_with(x, 'Z')
            and substr(x, 5, 1) = '-'
            and x >= '1973-03-04'
            and x < '5138-11-16'
            and not contains(x, ',')
            and not contains(x, ' ')
        then try_cast(x as timestamp)
        when regexp_full_match(x, '\d+(\.\d+)?([eE]\+?\d+)?')
        then
            case
                when try_cast(x as double) >= 1e8 and try_cast(x as double) < 1e20
                then
                    make_timestamp(
                        cast(
                            round(
                                try_cast(x as double) * case
                                    when try_cast(x as double) < 1e11
                                    then 1e6
                                    when try_cast(x as double) < 1e14
                                    then 1e3
                                    when try_cast(x as double) < 1e17
                                    then 1
                                    else 1e-3
                                end
                            ) as bigint
                        )
                    )
            end
        when
            try_cast(replace(x, ',', '.') as timestamptz) >= timestamptz '1973-03-03 00:00:00+00'
            and try_cast(replace(x, ',', '.') as timestamptz) < timestamptz '5138-11-16 00:00:00+00'
        then try_cast(replace(x, ',', '.') as timestamptz) at time zone 'UTC'
    end;

-- JSON that was logged as a string of JSON, once or twice over.
create or replace macro unwrapped(x) as
    case
        when not regexp_matches(x, '^\s*"')
        then x
        when json_type(try_cast(x ->> '$' as json)) = 'VARCHAR'
        then try_cast(try_cast(x ->> '$' as json) ->> '$' as json)
        else try_cast(x ->> '$' as json)
    end;

create or replace macro without_cache_marks(x) as
    case
        when contains(x, '"cache_control"')
        then regexp_replace(x, ',"cache_control":(\{[^{}]*\}|null)|"cache_control":(\{[^{}]*\}|null),?', '', 'g')
        else x
    end;

create or replace macro plain_text(x) as
    case
        when starts_with(x, '[{')
        then
            coalesce(
                nullif(
                    array_to_string(
                        list_filter(
                            list_transform(
                                from_json(try_cast(x as json), '[{"text": "VARCHAR"}]'), lambda p : p.text
                            ),
                            lambda t : t is not null
                        ),
                        chr(10)
                    ),
                    ''
                ),
                x
            )
        else x
    end;

-- A streamed answer, kept as its events, becomes the body it adds up to. Counts are cumulative: the last
-- one holds.
create or replace macro fold_chat(es) as
    json_object(
        'object', 'chat.completion',
        'id', list_filter(list_transform(es, lambda e : e.id), lambda s : s is not null)[1],
        'model', list_filter(list_transform(es, lambda e : e.model), lambda s : s is not null)[1],
        'service_tier', list_filter(list_transform(es, lambda e : e.service_tier), lambda s : s is not null)[-1],
        'usage', coalesce(
            list_filter(es, lambda e : json_type(e.usage) = 'OBJECT')[-1].usage,
            list_filter(es, lambda e : json_type(e.x_groq.usage) = 'OBJECT')[-1].x_groq.usage
        ),
        'error', list_filter(es, lambda e : json_type(e.error) = 'OBJECT')[-1].error,
        'choices', json_array(
            json_object(
                'finish_reason', list_filter(list_transform(es, lambda e : e.choices[1].finish_reason), lambda s : s is not null)[-1],
                'message', json_object(
                    'content', array_to_string(list_transform(es, lambda e : coalesce(e.choices[1].delta.content, '')), ''),
                    'tool_calls', list_transform(
                        list_sort(list_distinct(flatten(list_transform(es, lambda e : list_transform(coalesce(e.choices[1].delta.tool_calls, []), lambda t : coalesce(t."index", '0')))))),
                        lambda i : {
                            'function': {
                                'name': array_to_string(flatten(list_transform(es, lambda e : list_transform(list_filter(coalesce(e.choices[1].delta.tool_calls, []), lambda t : coalesce(t."index", '0') = i), lambda t : coalesce(t.function.name, '')))), ''),
                                'arguments': array_to_string(flatten(list_transform(es, lambda e : list_transform(list_filter(coalesce(e.choices[1].delta.tool_calls, []), lambda t : coalesce(t."index", '0') = i), lambda t : coalesce(t.function.arguments, '')))), '')
                            }
                        }
                    )
                )
            )
        )
    );

create or replace macro fold_messages(es) as
    json_merge_patch(
        list_filter(es, lambda e : e.type = 'message_start')[1].message,
        json_object(
            'type', 'message',
            'stop_reason', list_filter(list_transform(es, lambda e : e.delta.stop_reason), lambda s : s is not null)[-1],
            'error', list_filter(es, lambda e : json_type(e.error) = 'OBJECT')[-1].error,
            'content', list_transform(
                list_filter(es, lambda e : e.type = 'content_block_start'),
                lambda s : {
                    'type': s.content_block.type,
                    'name': s.content_block.name,
                    'text': array_to_string(list_transform(list_filter(es, lambda e : e."index" = s."index"), lambda e : coalesce(e.delta.text, '')), ''),
                    'input': array_to_string(list_transform(list_filter(es, lambda e : e."index" = s."index"), lambda e : coalesce(e.delta.partial_json, '')), '')
                }
            ),
            'usage', cast(
                regexp_replace(
                    regexp_replace(
                        coalesce(cast(list_filter(es, lambda e : e.type = 'message_delta' and json_type(e.usage) = 'OBJECT')[-1].usage as varchar), '{}'),
                        ',?\s*"\w+"\s*:\s*null', '', 'g'
                    ),
                    '\{\s*,', '{', 'g'
                ) as json
            )
        )
    );

create or replace macro fold_events(events) as
    list_transform(
        [
            list_transform(
                events,
                lambda e : from_json(
                    e,
                    '{"type": "VARCHAR", "id": "VARCHAR", "index": "VARCHAR", "model": "VARCHAR", "service_tier": "VARCHAR",
                      "usage": "JSON", "message": "JSON", "response": "JSON", "error": "JSON", "x_groq": {"usage": "JSON"},
                      "delta": {"text": "VARCHAR", "stop_reason": "VARCHAR", "partial_json": "VARCHAR"},
                      "content_block": {"type": "VARCHAR", "name": "VARCHAR"},
                      "choices": [{"finish_reason": "VARCHAR", "delta": {"content": "VARCHAR",
                        "tool_calls": [{"index": "VARCHAR", "function": {"name": "VARCHAR", "arguments": "VARCHAR"}}]}}]}'
                )
            )
        ],
        lambda es : case
            when len(list_filter(es, lambda e : json_type(e.response) = 'OBJECT')) > 0
            then
                coalesce(
                    list_filter(es, lambda e : json_type(e.response) = 'OBJECT' and e.type in ('response.completed', 'response.incomplete', 'response.failed'))[-1].response,
                    list_filter(es, lambda e : json_type(e.response) = 'OBJECT')[-1].response
                )
            when json_type(list_filter(es, lambda e : e.type = 'message_start')[1].message) = 'OBJECT'
            then fold_messages(es)
            else fold_chat(es)
        end
    )[1];

create or replace macro events_of(response) as
    list_transform(
        case
            when json_type(response) = 'ARRAY' then json_extract(response, '$[*]')
            else regexp_extract_all(response ->> '$', 'data:\s*(\{[^\r\n]*\})', 1)
        end,
        lambda e : case
            when starts_with(cast(e as varchar), '{') then try_cast(e as json)
            else try_cast(regexp_extract(try_cast(e as json) ->> '$', '\{[^\r\n]*\}') as json)
        end
    );

-- An answer that was logged as bare text is an answer all the same.
create or replace macro open_body(response) as
    case
        when json_type(response) = 'OBJECT'
        then response
        when was_streamed(response)
        then fold_events(events_of(response))
        when json_type(response) = 'VARCHAR' and json_type(try_cast(response ->> '$' as json)) = 'OBJECT'
        then try_cast(response ->> '$' as json)
        when json_type(response) = 'VARCHAR' and response ->> '$' <> ''
        then json_object('choices', json_array(json_object('message', json_object('content', response ->> '$'))))
    end;

create or replace macro was_streamed(response) as
    case
        when starts_with(response, '{')
        then false
        when json_type(response) = 'VARCHAR'
        then regexp_matches(response ->> '$', '(^|\n)data:\s*\{')
        else json_type(response) = 'ARRAY'
    end;

create or replace macro usage_shape() as
    '{"prompt_tokens": "VARCHAR", "completion_tokens": "VARCHAR", "input_tokens": "VARCHAR", "output_tokens": "VARCHAR",
      "total_tokens": "VARCHAR", "prompt_cache_hit_tokens": "VARCHAR", "prompt_cache_miss_tokens": "VARCHAR", "num_cached_tokens": "VARCHAR",
      "reasoning_tokens": "VARCHAR", "num_search_queries": "VARCHAR", "seconds": "VARCHAR", "prompt_audio_seconds": "VARCHAR",
      "images": "VARCHAR", "web_searches": "VARCHAR", "storage_searches": "VARCHAR", "input_document_pages": "VARCHAR",
      "input_annotated_document_pages": "VARCHAR", "audio_seconds": "VARCHAR", "video_seconds": "VARCHAR", "input_characters": "VARCHAR",
      "output_characters": "VARCHAR", "input_text_messages": "VARCHAR", "cost": "VARCHAR", "cost_in_usd_ticks": "VARCHAR",
      "cache_read_input_tokens": "VARCHAR", "cache_creation_input_tokens": "VARCHAR",
      "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"},
      "prompt_tokens_details": {"cached_tokens": "VARCHAR", "cache_write_tokens": "VARCHAR", "cache_creation_tokens": "VARCHAR",
        "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR", "video_tokens": "VARCHAR", "cache_write_tokens_details": {"ttl_12h_tokens": "VARCHAR"},
        "cached_tokens_details": {"audio_tokens": "VARCHAR", "image_tokens": "VARCHAR", "video_tokens": "VARCHAR"},
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": "VARCHAR"}},
      "input_tokens_details": {"cached_tokens": "VARCHAR", "cache_write_tokens": "VARCHAR", "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR",
        "cache_write_tokens_details": {"ttl_12h_tokens": "VARCHAR"},
        "cached_tokens_details": {"audio_tokens": "VARCHAR", "image_tokens": "VARCHAR", "video_tokens": "VARCHAR"}},
      "completion_tokens_details": {"reasoning_tokens": "VARCHAR", "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR"},
      "output_tokens_details": {"reasoning_tokens": "VARCHAR", "thinking_tokens": "VARCHAR", "audio_tokens": "VARCHAR", "image_tokens": "VARCHAR"},
      "server_tool_use": {"web_search_requests": "VARCHAR"},
      "iterations": [{"type": "VARCHAR", "input_tokens": "VARCHAR", "output_tokens": "VARCHAR", "cache_read_input_tokens": "VARCHAR", "cache_creation_input_tokens": "VARCHAR"}],
      "service_tier": "VARCHAR", "speed": "VARCHAR", "inference_geo": "VARCHAR"}';

-- What a usage object counts. Anthropic counts cache reads and writes beside input; everyone else inside.
-- A lambda carries along whatever it names from outside, row by row: this one names nothing but its argument.
create or replace macro read_usage(u, is_anthropic) as
    list_transform(
        [
            {
                'input': as_count(coalesce(u.prompt_tokens, u.input_tokens)),
                'read': as_count(coalesce(u.prompt_tokens_details.cached_tokens, u.input_tokens_details.cached_tokens, u.cache_read_input_tokens, u.prompt_cache_hit_tokens, u.num_cached_tokens)),
                'write': greatest(
                    as_count(coalesce(u.prompt_tokens_details.cache_write_tokens, u.input_tokens_details.cache_write_tokens, u.cache_creation_input_tokens, u.prompt_tokens_details.cache_creation_tokens)),
                    as_count(u.cache_creation.ephemeral_5m_input_tokens) + as_count(u.cache_creation.ephemeral_1h_input_tokens)
                ),
                'write_long': as_count(coalesce(u.cache_creation.ephemeral_1h_input_tokens, u.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens, u.input_tokens_details.cache_write_tokens_details.ttl_12h_tokens, u.prompt_tokens_details.cache_write_tokens_details.ttl_12h_tokens)),
                'output': as_count(coalesce(u.completion_tokens, u.output_tokens)),
                'reasoning': as_count(coalesce(u.completion_tokens_details.reasoning_tokens, u.output_tokens_details.reasoning_tokens, u.output_tokens_details.thinking_tokens, u.reasoning_tokens)),
                'total': as_count(u.total_tokens),
                'compaction': case when len(u.iterations) > 0 then list_filter(u.iterations, lambda i : i.type = 'compaction') end,
                'input_audio_tokens': as_count(coalesce(u.prompt_tokens_details.audio_tokens, u.input_tokens_details.audio_tokens)),
                'output_audio_tokens': as_count(coalesce(u.completion_tokens_details.audio_tokens, u.output_tokens_details.audio_tokens)),
                'input_image_tokens': as_count(coalesce(u.prompt_tokens_details.image_tokens, u.input_tokens_details.image_tokens)),
                'output_image_tokens': as_count(coalesce(u.completion_tokens_details.image_tokens, u.output_tokens_details.image_tokens)),
                'cache_audio_read_tokens': as_count(coalesce(u.prompt_tokens_details.cached_tokens_details.audio_tokens, u.input_tokens_details.cached_tokens_details.audio_tokens)),
                'cache_image_read_tokens': as_count(coalesce(u.prompt_tokens_details.cached_tokens_details.image_tokens, u.input_tokens_details.cached_tokens_details.image_tokens)),
                'input_video_tokens': as_count(u.prompt_tokens_details.video_tokens),
                'cache_video_read_tokens': as_count(u.prompt_tokens_details.cached_tokens_details.video_tokens),
                'web_searches': as_count(coalesce(u.server_tool_use.web_search_requests, u.num_search_queries, u.web_searches)),
                'images': as_count(u.images),
                'storage_searches': as_count(u.storage_searches),
                'input_document_pages': as_count(u.input_document_pages),
                'input_annotated_document_pages': as_count(u.input_annotated_document_pages),
                'audio_seconds': as_count(coalesce(u.seconds, u.prompt_audio_seconds, u.audio_seconds)),
                'video_seconds': as_count(u.video_seconds),
                'input_characters': as_count(u.input_characters),
                'output_characters': as_count(u.output_characters),
                'input_text_messages': as_count(u.input_text_messages)
            }
        ],
        lambda n : {
            'input_tokens': n.input
            + case
                when is_anthropic
                or coalesce(n.read, 0) + coalesce(n.write, 0) > n.input
                or (coalesce(n.read, 0) + coalesce(n.write, 0) > 0 and n.total = n.input + n.output + coalesce(n.read, 0) + coalesce(n.write, 0))
                then coalesce(n.read, 0) + coalesce(n.write, 0)
                else 0
            end
            + coalesce(list_sum(list_transform(n.compaction, lambda i : coalesce(as_count(i.input_tokens), 0) + coalesce(as_count(i.cache_read_input_tokens), 0) + coalesce(as_count(i.cache_creation_input_tokens), 0))), 0),
            'cache_read_tokens': n.read + coalesce(list_sum(list_transform(n.compaction, lambda i : coalesce(as_count(i.cache_read_input_tokens), 0))), 0),
            'cache_write_tokens': n.write + coalesce(list_sum(list_transform(n.compaction, lambda i : coalesce(as_count(i.cache_creation_input_tokens), 0))), 0),
            'cache_write_long_tokens': n.write_long,
            'output_tokens': case
                when n.input is null and n.output is null then null
                else coalesce(n.output, 0)
            end
            + case when n.reasoning > 0 and (n.total = n.input + n.output + n.reasoning or n.reasoning > coalesce(n.output, 0)) then n.reasoning else 0 end
            + coalesce(list_sum(list_transform(n.compaction, lambda i : coalesce(as_count(i.output_tokens), 0))), 0),
            'reasoning_tokens': n.reasoning,
            'input_audio_tokens': n.input_audio_tokens,
            'output_audio_tokens': n.output_audio_tokens,
            'input_image_tokens': n.input_image_tokens,
            'output_image_tokens': n.output_image_tokens,
            'cache_audio_read_tokens': n.cache_audio_read_tokens,
            'cache_image_read_tokens': n.cache_image_read_tokens,
            'input_video_tokens': n.input_video_tokens,
            'cache_video_read_tokens': n.cache_video_read_tokens,
            'web_searches': n.web_searches,
            'images': n.images,
            'storage_searches': n.storage_searches,
            'input_document_pages': n.input_document_pages,
            'input_annotated_document_pages': n.input_annotated_document_pages,
            'audio_seconds': n.audio_seconds,
            'video_seconds': n.video_seconds,
            'input_characters': n.input_characters,
            'output_characters': n.output_characters,
            'input_text_messages': n.input_text_messages
        }
    )[1];

-- Whether a usage object says anything that a call may be billed by.
create or replace macro counts_something(n) as
    coalesce(n.input_tokens, n.output_tokens, n.images, n.input_document_pages, n.audio_seconds, n.video_seconds, n.input_characters, n.output_characters, n.input_text_messages) is not null;

-- Tools that the provider runs are billed by the call and stand in the answer alone; opening a page that was found is free.
create or replace macro tools_run(output, kind) as
    nullif(len(list_filter(output, lambda o : o.type = kind and coalesce(o.action.type, 'search') = 'search')), 0);

create or replace macro answer_text(b) as
    case
        when len(b.choices) > 0
        then
            array_to_string(
                list_transform(
                    b.choices,
                    lambda c : concat_ws(
                        chr(31),
                        coalesce(plain_text(c.message.content), c.message.refusal, c.text, ''),
                        nullif(array_to_string(list_transform(c.message.tool_calls, lambda t : t.function), ' '), '')
                    )
                ),
                chr(30)
            )
        when len(b.output) > 0
        then
            array_to_string(
                list_filter(
                    list_transform(
                        b.output,
                        lambda o : case
                            when o.type = 'message'
                            then array_to_string(list_transform(o.content, lambda p : coalesce(p.text, p.refusal, '')), chr(10))
                            when o.type <> 'reasoning'
                            then concat_ws(' ', chr(31) || o.type, o.name, o.arguments)
                        end
                    ),
                    lambda t : t is not null
                ),
                ''
            )
        when len(b.content) > 0
        then
            array_to_string(
                list_filter(
                    list_transform(
                        b.content,
                        lambda p : case
                            when p.type = 'text'
                            then p.text
                            when p.type in ('tool_use', 'server_tool_use')
                            then concat_ws(' ', chr(31) || p.name, p.input)
                        end
                    ),
                    lambda t : t is not null
                ),
                ''
            )
    end;

create or replace macro response_shape() as
    '{"id": "VARCHAR", "model": "VARCHAR", "object": "VARCHAR", "type": "VARCHAR", "status": "VARCHAR", "stop_reason": "VARCHAR",
      "service_tier": "VARCHAR", "error": "JSON", "x_groq": "JSON", "stream": "VARCHAR", "incomplete_details": {"reason": "VARCHAR"},
      "usage": ' || usage_shape() || ',
      "choices": [{"finish_reason": "VARCHAR", "text": "VARCHAR",
        "message": {"content": "VARCHAR", "refusal": "VARCHAR", "tool_calls": [{"function": "JSON"}]}}],
      "usage_info": {"pages_processed": "VARCHAR"},
      "output": [{"type": "VARCHAR", "action": {"type": "VARCHAR"}, "content": [{"text": "VARCHAR", "refusal": "VARCHAR"}], "name": "VARCHAR", "arguments": "VARCHAR"}],
      "content": [{"type": "VARCHAR", "text": "VARCHAR", "name": "VARCHAR", "input": "VARCHAR"}]}';

create or replace macro open_response(response) as from_json(open_body(response), response_shape());

create or replace macro read_response(b) as
    {
        'id': b.id,
        'model': b.model,
        'is_anthropic': coalesce(b.type = 'message', false)
        or (b.usage.prompt_tokens is null and coalesce(b.usage.cache_read_input_tokens, b.usage.cache_creation_input_tokens, b.stop_reason) is not null),
        'stream': try_cast(b.stream as boolean),
        'provider': case
            when b.object = 'gemini' then 'gcp.gemini'
            when b.object = 'vertex' then 'gcp.vertex_ai'
            when b.object = 'bedrock' then 'aws.bedrock'
            when coalesce(b.type = 'message', false) then 'anthropic'
            when json_type(b.x_groq) = 'OBJECT' then 'groq'
            when b.usage.prompt_cache_miss_tokens is not null then 'deepseek'
            when b.usage.cost_in_usd_ticks is not null then 'x_ai'
        end,
        -- Dollars: a number, Perplexity's object with its total, or xAI's ticks of 1e-10.
        'reported_cost_usd': coalesce(
            as_money(b.usage.cost),
            as_money(try_cast(b.usage.cost as json) ->> '$.total_cost'),
            try_cast(b.usage.cost_in_usd_ticks as decimal(28, 0)) * 0.0000000001
        ),
        'operation': case
            when b.object = 'response' then 'responses'
            when b.object = 'list' and b.usage.prompt_tokens is not null then 'embeddings'
            when b is not null then 'chat'
        end,
        'usage': list_transform(
            [
                {
                    'counts': read_usage(
                        b.usage,
                        coalesce(b.type = 'message', false)
                        or (b.usage.prompt_tokens is null and coalesce(b.usage.cache_read_input_tokens, b.usage.cache_creation_input_tokens, b.stop_reason) is not null)
                    ),
                    'web': tools_run(b.output, 'web_search_call'),
                    'files': tools_run(b.output, 'file_search_call'),
                    'pages': as_count(b.usage_info.pages_processed)
                }
            ],
            lambda n : struct_update(
                n.counts,
                web_searches := coalesce(n.counts.web_searches, n.web),
                storage_searches := coalesce(n.counts.storage_searches, n.files),
                input_document_pages := coalesce(n.counts.input_document_pages, n.pages)
            )
        )[1],
        'service_tier': case
            when b.usage.speed = 'fast' then 'fast'
            else coalesce(b.service_tier, b.usage.service_tier)
        end,
        'region': nullif(b.usage.inference_geo, 'not_available'),
        'finish_reason': coalesce(b.choices[1].finish_reason, b.stop_reason, b.incomplete_details.reason, b.status),
        'tools_called': case
            when b.choices is not null then len(b.choices[1].message.tool_calls)
            when b.output is not null then len(list_filter(b.output, lambda o : o.type like '%_call'))
            when b.content is not null then len(list_filter(b.content, lambda p : p.type in ('tool_use', 'server_tool_use')))
        end,
        'error': case when json_type(b.error) <> 'NULL' then b.error end,
        'failed': coalesce(b.type = 'error', false) or coalesce(b.status = 'failed', false) or coalesce(json_type(b.error) in ('OBJECT', 'VARCHAR'), false),
        'output_text': answer_text(b)
    };

create or replace macro input_items(x) as
    case
        when json_type(x) = 'VARCHAR'
        then [concat('user', chr(31), x ->> '$')]
        when json_type(x) = 'ARRAY' and json_type(x, '$[0]') <> 'OBJECT'
        then list_transform(json_extract_string(x, '$[*]'), lambda t : concat('user', chr(31), t))
        when json_type(x) = 'ARRAY'
        then
            list_transform(
                from_json(x, '[{"role": "VARCHAR", "type": "VARCHAR", "content": "VARCHAR", "name": "VARCHAR", "arguments": "VARCHAR", "output": "VARCHAR"}]'),
                lambda m : concat(coalesce(m.role, m.type, ''), chr(31), concat_ws(chr(31), m.content, m.name, m.arguments, m.output))
            )
    end;

create or replace macro open_request(request) as
    from_json(
        unwrapped(request),
        '{"model": "VARCHAR", "system": "VARCHAR", "instructions": "VARCHAR", "input": "JSON", "prompt": "JSON", "tools": "JSON",
          "messages": [{"role": "VARCHAR", "content": "VARCHAR", "name": "VARCHAR", "tool_calls": "VARCHAR"}],
          "temperature": "VARCHAR", "max_tokens": "VARCHAR", "max_completion_tokens": "VARCHAR", "max_output_tokens": "VARCHAR",
          "stream": "VARCHAR", "service_tier": "VARCHAR", "response_format": {"type": "VARCHAR"}, "text": {"format": {"type": "VARCHAR"}}, "user": "VARCHAR"}'
    );

create or replace macro read_request(q, request) as
    {
        'model': q.model,
        'system_text': coalesce(without_cache_marks(q.system), q.instructions),
    'system_head': left(
        plain_text(
            coalesce(
                q.system, q.instructions, list_filter(q.messages, lambda m : m.role in ('system', 'developer'))[1].content
            )
        ),
        512
    ),
    'messages': coalesce(
            list_transform(
                q.messages,
                lambda m : concat(
                    m.role,
                    chr(31),
                    case
                        when m.name is null and m.tool_calls is null
                        then without_cache_marks(m.content)
                        else concat_ws(chr(31), without_cache_marks(m.content), m.name, m.tool_calls)
                    end
                )
            ),
            input_items(q.input),
            input_items(q.prompt)
        ),
        'tools_text': case when json_type(q.tools) = 'ARRAY' then without_cache_marks(cast(q.tools as varchar)) end,
        'tools_offered': json_array_length(q.tools),
        'temperature': try_cast(q.temperature as double),
        'max_output_tokens': as_count(coalesce(q.max_completion_tokens, q.max_output_tokens, q.max_tokens)),
        'stream': try_cast(q.stream as boolean),
        'service_tier': q.service_tier,
        'response_format': coalesce(q.response_format.type, q.text.format.type),
        'user': q.user,
        'params_text': cast(
            json_merge_patch(
                unwrapped(request),
                '{"messages": null, "input": null, "prompt": null, "system": null, "instructions": null, "tools": null, "stream": null,
                  "stream_options": null, "user": null, "metadata": null, "store": null, "service_tier": null, "prompt_cache_key": null,
                  "contents": null, "systemInstruction": null, "system_instruction": null, "toolConfig": null, "inputText": null, "message": null,
                  "chat_history": null, "preamble": null, "texts": null, "labels": null, "requestMetadata": null,
                  "safety_identifier": null, "extra_headers": null, "timeout": null}'
            ) as varchar
        )
    };

create or replace macro first_user_of(messages) as
    list_transform(
        list_filter(messages, lambda m : starts_with(m, concat('user', chr(31)))),
        lambda m : plain_text(substr(cast(m as varchar), 6))
    )[1];

-- Results of a page of OpenAI's usage and costs API, each with its bucket. An empty bucket or page is one
-- null result.
create or replace macro page_results(data, start_time, end_time, results) as
    flatten(
        list_transform(
            coalesce(
                nullif(
                    from_json(
                        case
                            when json_type(results) = 'ARRAY'
                            then json_array(json_object('start_time', start_time, 'end_time', end_time, 'results', results))
                            else data
                        end,
                        '[{"start_time": "VARCHAR", "end_time": "VARCHAR", "results": "JSON"}]'
                    ),
                    []
                ),
                [null]
            ),
            lambda b : list_transform(
                case when json_array_length(b.results) > 0 then json_extract(b.results, '$[*]') else [null] end,
                lambda r : {
                    'period_start': as_utc(b.start_time),
                    'period_end': as_utc(b.end_time),
                    'result': r,
                    'not_call': case
                        when json_type(data) = 'ARRAY' and json_array_length(data) = 0 then 'empty page'
                        when json_type(b.results) = 'ARRAY' and json_array_length(b.results) = 0 then 'empty bucket'
                    end,
                    'problem': case
                        when b is null then 'nothing of it is a page of results'
                        when json_type(b.results) is distinct from 'ARRAY' then 'a bucket without results'
                        when json_type(r) <> 'OBJECT' then 'a result that is no object'
                        when as_utc(b.start_time) is null then concat('no readable start_time: ', coalesce(b.start_time, 'missing'))
                    end
                }
            )
        )
    );
