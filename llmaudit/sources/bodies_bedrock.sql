-- Bodies of Amazon Bedrock: Converse, and what InvokeModel sends to Nova, Llama, Mistral, Cohere and
-- Titan. Those of Anthropic and of OpenAI's kind are read by read_request and read_response. A query over
-- `raw` that two sources share takes its name as an argument.
create or replace macro bedrock_record() as
    '{"schemaType": "VARCHAR", "timestamp": "VARCHAR", "accountId": "VARCHAR", "region": "VARCHAR", "inferenceRegion": "VARCHAR", "requestId": "VARCHAR",
      "operation": "VARCHAR", "modelId": "VARCHAR", "identity": "JSON", "requestMetadata": "JSON", "errorCode": "VARCHAR", "status": "VARCHAR",
      "serviceTier": "VARCHAR", "input": "JSON", "output": "JSON", "cacheReadInputTokenCount": "VARCHAR", "cacheWriteInputTokenCount": "VARCHAR"}';

-- Marks that set a cache's end are no part of what is said.
create or replace macro without_cache_points(x) as
    case
        when contains(cast(x as varchar), '"cachePoint"')
        then
            coalesce(
                try_cast(
                    regexp_replace(
                        cast(x as varchar),
                        '(\{\s*"cachePoint"\s*:\s*\{[^{}]*\}\s*\}\s*,\s*|,?\s*\{\s*"cachePoint"\s*:\s*\{[^{}]*\}\s*\})',
                        '',
                        'g'
                    ) as json
                ),
                x
            )
        else x
    end;

create or replace macro open_bedrock_request(request) as
    from_json(
        request,
        '{"message": "VARCHAR", "chat_history": [{"role": "VARCHAR", "message": "VARCHAR"}], "preamble": "VARCHAR", "inputText": "VARCHAR",
          "texts": "JSON", "query": "VARCHAR", "documents": "JSON", "max_gen_len": "VARCHAR", "max_tokens_to_sample": "VARCHAR",
          "inferenceConfig": {"maxTokens": "VARCHAR", "max_new_tokens": "VARCHAR", "maxNewTokens": "VARCHAR", "temperature": "VARCHAR"},
          "textGenerationConfig": {"maxTokenCount": "VARCHAR", "temperature": "VARCHAR"},
          "toolConfig": {"tools": "JSON"}, "textToImageParams": {"text": "VARCHAR"}}'
    );

create or replace macro read_bedrock_request(q) as
    {
        'messages': case
            when q.message is not null
            then
                list_concat(
                    list_transform(
                        q.chat_history,
                        lambda m : concat(case when upper(m.role) = 'CHATBOT' then 'assistant' else lower(coalesce(m.role, 'user')) end, chr(31), m.message)
                    ),
                    [concat('user', chr(31), q.message)]
                )
            when coalesce(q."inputText", q."textToImageParams".text, q.query) is not null
            then [concat_ws(chr(31), 'user', coalesce(q."inputText", q."textToImageParams".text, q.query), q.documents)]
            when json_type(q.texts) = 'ARRAY'
            then list_transform(json_extract_string(q.texts, '$[*]'), lambda t : concat('user', chr(31), t))
        end,
        'system_text': q.preamble,
        'tools': q."toolConfig".tools,
        'temperature': try_cast(coalesce(q."inferenceConfig".temperature, q."textGenerationConfig".temperature) as double),
        'max_output_tokens': as_count(
            coalesce(
                q."inferenceConfig"."maxTokens", q."inferenceConfig".max_new_tokens, q."inferenceConfig"."maxNewTokens",
                q."textGenerationConfig"."maxTokenCount", q.max_gen_len, q.max_tokens_to_sample
            )
        )
    };

create or replace macro open_bedrock_answers(events) as
    list_transform(
        events,
        lambda e : from_json(
            e,
            '{"output": {"message": {"content": [{"text": "VARCHAR", "toolUse": {"name": "VARCHAR", "input": "JSON"}}]}},
              "stopReason": "VARCHAR", "stop_reason": "VARCHAR", "completionReason": "VARCHAR", "finish_reason": "VARCHAR",
              "messageStop": {"stopReason": "VARCHAR"}, "contentBlockDelta": {"delta": {"text": "VARCHAR"}},
              "metrics": {"latencyMs": "VARCHAR"}, "serviceTier": "VARCHAR",
              "trace": {"promptRouter": {"invokedModelId": "VARCHAR"}},
              "usage": {"inputTokens": "VARCHAR", "outputTokens": "VARCHAR",
                "cacheReadInputTokens": "VARCHAR", "cacheWriteInputTokens": "VARCHAR",
                "cacheReadInputTokenCount": "VARCHAR", "cacheWriteInputTokenCount": "VARCHAR",
                "cacheDetails": [{"ttl": "VARCHAR", "inputTokens": "VARCHAR"}]},
              "metadata": {"usage": {"inputTokens": "VARCHAR", "outputTokens": "VARCHAR",
                "cacheReadInputTokens": "VARCHAR", "cacheWriteInputTokens": "VARCHAR",
                "cacheReadInputTokenCount": "VARCHAR", "cacheWriteInputTokenCount": "VARCHAR",
                "cacheDetails": [{"ttl": "VARCHAR", "inputTokens": "VARCHAR"}]}},
              "generation": "VARCHAR", "prompt_token_count": "VARCHAR", "generation_token_count": "VARCHAR",
              "outputs": [{"text": "VARCHAR", "stop_reason": "VARCHAR"}], "choices": [{"stop_reason": "VARCHAR"}],
              "text": "VARCHAR", "generations": [{"text": "VARCHAR", "finish_reason": "VARCHAR"}], "tool_calls": [{"name": "VARCHAR", "parameters": "JSON"}],
              "outputText": "VARCHAR", "inputTextTokenCount": "VARCHAR", "totalOutputTextTokenCount": "VARCHAR",
              "results": [{"tokenCount": "VARCHAR", "outputText": "VARCHAR", "completionReason": "VARCHAR"}],
              "images": ["VARCHAR"],
              "amazon-bedrock-invocationMetrics": {"invocationLatency": "VARCHAR", "firstByteLatency": "VARCHAR",
                "inputTokenCount": "VARCHAR", "outputTokenCount": "VARCHAR"}}'
        )
    );

create or replace macro some_of(xs) as list_filter(xs, lambda x : x is not null);

-- What was said, and the tools that were called, of a body or of all events of a stream.
create or replace macro bedrock_text(es) as
    nullif(
        array_to_string(
            list_transform(
                es,
                lambda e : concat(
                    array_to_string(list_transform(coalesce(e.output.message.content, []), lambda p : coalesce(p.text, '')), ''),
                    e."contentBlockDelta".delta.text,
                    e.generation,
                    array_to_string(list_transform(coalesce(e.outputs, []), lambda o : coalesce(o.text, '')), ''),
                    e.text,
                    array_to_string(list_transform(coalesce(e.generations, []), lambda g : coalesce(g.text, '')), ''),
                    e."outputText",
                    array_to_string(list_transform(coalesce(e.results, []), lambda r : coalesce(r."outputText", '')), ''),
                    array_to_string(list_transform(list_filter(coalesce(e.output.message.content, []), lambda p : p."toolUse".name is not null), lambda p : concat_ws(' ', chr(31) || p."toolUse".name, p."toolUse".input)), ''),
                    array_to_string(list_transform(coalesce(e.tool_calls, []), lambda t : concat_ws(' ', chr(31) || t.name, t.parameters)), '')
                )
            ),
            ''
        ),
        ''
    );

create or replace macro read_bedrock_answer(es) as
    list_transform(
        [some_of(list_transform(es, lambda e : coalesce(e.usage, e.metadata.usage)))[-1]],
        lambda u : {
            'input': coalesce(
                as_count(u."inputTokens"),
                as_count(some_of(list_transform(es, lambda e : coalesce(e.prompt_token_count, e."inputTextTokenCount", e."amazon-bedrock-invocationMetrics"."inputTokenCount")))[-1])
            ),
            'read': as_count(coalesce(u."cacheReadInputTokens", u."cacheReadInputTokenCount")),
            'write': as_count(coalesce(u."cacheWriteInputTokens", u."cacheWriteInputTokenCount")),
            'write_long': list_sum(list_transform(list_filter(u."cacheDetails", lambda d : d.ttl = '1h'), lambda d : as_count(d."inputTokens"))),
            'output': coalesce(
                as_count(u."outputTokens"),
                as_count(some_of(list_transform(es, lambda e : coalesce(e.generation_token_count, e."totalOutputTextTokenCount", e."amazon-bedrock-invocationMetrics"."outputTokenCount")))[-1]),
                list_sum(list_transform(es[1].results, lambda r : as_count(r."tokenCount")))
            ),
            'finish_reason': some_of(
                list_transform(
                    es,
                    lambda e : coalesce(
                        e."stopReason", e."messageStop"."stopReason", e.stop_reason, e."completionReason", e.finish_reason,
                        e.outputs[1].stop_reason, e.choices[1].stop_reason, e.generations[1].finish_reason, e.results[1]."completionReason"
                    )
                )
            )[-1],
            'tools_called': len(list_filter(flatten(list_transform(es, lambda e : coalesce(e.output.message.content, []))), lambda p : p."toolUse".name is not null))
            + len(flatten(list_transform(es, lambda e : coalesce(e.tool_calls, [])))),
            'latency_ms': try_cast(some_of(list_transform(es, lambda e : coalesce(e.metrics."latencyMs", e."amazon-bedrock-invocationMetrics"."invocationLatency")))[-1] as double),
            'first_token_ms': try_cast(some_of(list_transform(es, lambda e : e."amazon-bedrock-invocationMetrics"."firstByteLatency"))[-1] as double),
            'service_tier': some_of(list_transform(es, lambda e : e."serviceTier"))[-1],
            'routed_to': some_of(list_transform(es, lambda e : e.trace."promptRouter"."invokedModelId"))[-1],
            'images': nullif(len(es[1].images), 0),
            'output_text': bedrock_text(es)
        }
    )[1];

-- A tier is a word, or an object with that word as its type.
create or replace macro bedrock_tier(x) as
    case lower(coalesce(try_cast(x as json) ->> '$.type', x))
        when 'default' then 'standard'
        else lower(coalesce(try_cast(x as json) ->> '$.type', x))
    end;

-- Profiles, provisioned and imported models have ids of their own, which do not tell their model.
create or replace macro is_opaque_model(id) as
    regexp_matches(id, 'application-inference-profile/|provisioned-model/|imported-model/|custom-model|prompt-router/|:prompt/|endpoint/');

create or replace macro bedrock_calls(rows) as table
with
    pages as (
        select
            record as line,
            unread,
            generate_subscripts(rs, 1) as nth,
            unnest(rs) as r,
            is_page,
            is_body
        from
            (
                select
                    record,
                    unread,
                    json_type(coalesce(events, "logEvents")) = 'ARRAY' as is_page,
                    "requestId" is null
                    and "modelId" is null
                    and coalesce(messages, prompt, "inputText", usage, content, "stopReason", generation, results, outputs, choices, "type", cast(output as varchar)) is not null as is_body,
                    case
                        when json_type(coalesce(events, "logEvents")) = 'ARRAY'
                        then
                            coalesce(
                                nullif(
                                    list_transform(
                                        json_extract(coalesce(events, "logEvents"), '$[*]'),
                                        lambda e : from_json(unwrapped(e -> '$.message'), bedrock_record())
                                    ),
                                    []
                                ),
                                [null]
                            )
                        when coalesce(message, "@message") is not null and "requestId" is null
                        then [from_json(unwrapped(coalesce(message, "@message")), bedrock_record())]
                        else
                            [
                                struct_pack(
                                    schemaType := "schemaType",
                                    "timestamp" := "timestamp",
                                    accountId := "accountId",
                                    region := region,
                                    inferenceRegion := "inferenceRegion",
                                    requestId := "requestId",
                                    operation := operation,
                                    modelId := "modelId",
                                    identity := identity,
                                    requestMetadata := "requestMetadata",
                                    errorCode := "errorCode",
                                    status := status,
                                    serviceTier := "serviceTier",
                                    input := input,
                                    output := output,
                                    cacheReadInputTokenCount := "cacheReadInputTokenCount",
                                    cacheWriteInputTokenCount := "cacheWriteInputTokenCount"
                                )
                            ]
                    end as rs
                from query_table(rows)
            )
    ),
    opened as (
        select
            line,
            unread,
            is_body,
            is_page and r is null as is_empty_page,
            -- Pages have ten thousand events at most; numbered like this they need not be sorted.
            case when is_page then line + (line - (line >> 32 << 32) - 1) * 9999 + nth - 1 else line end as record,
            unnest(r),
            without_cache_points(unwrapped(r.input -> '$.inputBodyJson')) as request,
            unwrapped(r.output -> '$.outputBodyJson') as answer,
            aws_principal(r.identity ->> '$.arn') as principal,
            object_or_empty(r."requestMetadata") as client
        from pages
    ),
    parsed as (
        select
            *,
            open_request(request) as asked,
            open_bedrock_request(request) as asked_bedrock,
            open_response(answer) as answered,
            open_bedrock_answers(
                case json_type(answer) when 'ARRAY' then events_of(answer) when 'OBJECT' then [answer] end
            ) as events
        from opened
    ),
    bodies as (
        select
            *,
            read_request(asked, request) as q,
            read_bedrock_request(asked_bedrock) as bq,
            read_response(answered) as a,
            read_bedrock_answer(events) as b
        from parsed
    ),
    counted as (
        select
            *,
            as_utc("timestamp") as started_at,
            as_count(input ->> '$.inputTokenCount') as logged_input,
            coalesce(as_count(coalesce(input ->> '$.cacheReadInputTokenCount', "cacheReadInputTokenCount")), b.read, a.usage.cache_read_tokens) as read_tokens,
            coalesce(as_count(coalesce(input ->> '$.cacheWriteInputTokenCount', "cacheWriteInputTokenCount")), b.write, a.usage.cache_write_tokens) as write_tokens,
            coalesce(as_count(output ->> '$.outputTokenCount'), b.output, a.usage.output_tokens) as answer_tokens,
            nullif("errorCode", '') is not null or coalesce(a.failed, false) as is_failure,
            is_opaque_model("modelId") as is_opaque,
            coalesce(q.messages, bq.messages) as said
        from bodies
    ),
    judged as (
        select
            *,
            coalesce(
                coalesce(logged_input, b.input) + coalesce(read_tokens, 0) + coalesce(write_tokens, 0), a.usage.input_tokens
            ) as all_input
        from counted
    )
select
    record,
    line as document,
    unread,
    case
        when is_body or is_empty_page
        then null
        when "requestId" is null and "modelId" is null
        then 'nothing of it is a record of a model invocation'
        when started_at is null
        then concat('no readable time in timestamp: ', coalesce("timestamp", 'missing'))
        when coalesce("modelId", '') = ''
        then 'no modelId'
        when read_tokens < 0 or write_tokens < 0 or all_input < 0 or answer_tokens < 0
        then 'a negative count of tokens'
    end as problem,
    case
        when is_empty_page
        then 'empty page'
        when is_body
        then 'body that was kept apart'
        when not regexp_matches(operation, '^(InvokeModel|Converse|StartAsyncInvoke)')
        then concat('Bedrock ', operation)
    end as not_call,
    nullif("requestId", '') as provider_id,
    nullif("requestId", '') as own_id,
    started_at,
    b.latency_ms as duration_ms,
    case when operation like '%Stream' then b.first_token_ms end as first_token_ms,
    'aws.bedrock' as provider,
    "accountId" as account_id,
    case
        when is_opaque or regexp_matches("modelId", '(^|/)(us|eu|apac|jp|au|ca|in|us-gov|global)\.')
        then regexp_extract("modelId", '([^/]+)$', 1)
    end as deployment,
    case
        when regexp_matches("modelId", 'provisioned-model/|imported-model/') then 'provisioned' else 'metered'
    end as billing_mode,
    case
        when regexp_matches("modelId", 'embed')
        then 'embeddings'
        when regexp_matches("modelId", 'rerank')
        then 'rerank'
        when b.images is not null
        then 'image'
        else 'chat'
    end as operation,
    case when is_opaque then "modelId" else regexp_extract("modelId", '([^/]+)$', 1) end as request_model,
    case
        when b.routed_to is not null
        then regexp_extract(b.routed_to, '([^/]+)$', 1)
        when is_opaque
        then a.model
    end as response_model,
    region,
    coalesce(bedrock_tier(coalesce(b.service_tier, "serviceTier")), bedrock_tier(a.service_tier)) as service_tier,
    operation like '%Stream' as stream,
    coalesce(bq.temperature, q.temperature) as temperature,
    coalesce(bq.max_output_tokens, q.max_output_tokens) as max_output_tokens,
    coalesce(json_array_length(bq.tools), q.tools_offered) as tools_offered,
    case when json_type(answer) is not null then greatest(a.tools_called, b.tools_called) end as tools_called,
    q.response_format as response_format,
    client ->> '$.endpoint' as endpoint,
    client ->> '$.team' as team,
    client ->> '$.project' as project,
    coalesce(client ->> '$.environment', client ->> '$.env') as environment,
    coalesce(client ->> '$.user', client ->> '$.user_id', aws_user_of(principal)) as user_id,
    aws_key_of(principal) as api_key_id,
    coalesce(client ->> '$.session_id', client ->> '$.session') as session_id,
    client ->> '$.trace_id' as trace_id,
    nullif(
        cast(
            json_merge_patch(
                client,
                case when "inferenceRegion" <> region then json_object('inference_region', "inferenceRegion") else '{}' end
            ) as varchar
        ),
        '{}'
    ) as tags,
    -- A call that failed and counted nothing was not counted.
    case when not is_failure or all_input + coalesce(answer_tokens, 0) > 0 then all_input end as input_tokens,
    case when all_input > 0 or not is_failure then read_tokens end as cache_read_tokens,
    case when all_input > 0 or not is_failure then write_tokens end as cache_write_tokens,
    case
        when coalesce(b.write_long, a.usage.cache_write_long_tokens) <= write_tokens
        then coalesce(b.write_long, a.usage.cache_write_long_tokens)
    end as cache_write_long_tokens,
    case
        when not is_failure and regexp_matches("modelId", 'embed|rerank')
        then coalesce(answer_tokens, 0)
        when not is_failure or answer_tokens > 0
        then answer_tokens
    end as output_tokens,
    case when a.usage.reasoning_tokens <= answer_tokens then a.usage.reasoning_tokens end as reasoning_tokens,
    b.images as images,
    a.usage.web_searches as web_searches,
    case
        when (all_input is not null or answer_tokens is not null)
        and (not is_failure or all_input + coalesce(answer_tokens, 0) > 0)
        then 'reported'
    end as usage_source,
    case when is_failure then 'error' else 'ok' end as status,
    case when as_count(status) between 100 and 599 then as_count(status) end as http_status,
    coalesce(nullif("errorCode", ''), case when is_failure then coalesce(a.error ->> '$.type', a.error ->> '$.code') end) as error_type,
    coalesce(b.finish_reason, a.finish_reason) as finish_reason,
    coalesce(q.system_text, bq.system_text) as system_text,
    coalesce(q.system_head, left(bq.system_text, 512)) as system_head,
    said as messages,
    first_user_of(said) as first_user,
    coalesce(q.tools_text, case when json_type(bq.tools) = 'ARRAY' then cast(bq.tools as varchar) end) as tools_text,
    case
        when said is not null
        then
            cast(
                json_merge_patch(
                    try_cast(q.params_text as json),
                    json_object('model', "modelId"),
                    '{"message": null, "chat_history": null, "preamble": null, "inputText": null, "texts": null, "toolConfig": null,
                      "textToImageParams": null, "query": null, "documents": null, "requestMetadata": null}'
                ) as varchar
            )
    end as params_text,
    coalesce(nullif(a.output_text, ''), b.output_text) as output_text
from judged;
