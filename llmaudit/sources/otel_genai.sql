with
    spelt as (
        select
            record as line,
            unread,
            coalesce(resourcemetrics, resource_metrics) is not null as is_metrics,
            coalesce(resourcespans, otlp_spelt(resource_spans)) as resourcespans,
            coalesce(resourcelogs, otlp_spelt(resource_logs)) as resourcelogs
        from raw
    ),
    batches as (
        select
            line,
            unread,
            is_metrics,
            flatten(
                list_transform(
                    from_json(
                        resourcespans,
                        '[{"resource": {"attributes": "JSON"}, "scopeSpans": [{"spans": ["JSON"]}], "instrumentationLibrarySpans": [{"spans": ["JSON"]}]}]'
                    ),
                    lambda r:list_transform(
                        flatten(
                            list_transform(
                                coalesce(r.scopespans, r.instrumentationlibraryspans, []),
                                lambda s:coalesce(s.spans, [])
                            )
                        ),
                        lambda p: {'resource':r.resource.attributes, 'item':p, 'is_log':false}
                    )
                )
            ) as spans,
            flatten(
                list_transform(
                    from_json(
                        resourcelogs,
                        '[{"resource": {"attributes": "JSON"}, "scopeLogs": [{"logRecords": ["JSON"]}]}]'
                    ),
                    lambda r:list_transform(
                        flatten(
                            list_transform(coalesce(r.scopelogs, []), lambda s:coalesce(s.logrecords, []))
                        ),
                        lambda p: {'resource':r.resource.attributes, 'item':p, 'is_log':true}
                    )
                )
            ) as logs
        from spelt
    ),
    items as (
        select line, unread, is_metrics, generate_subscripts(found, 1) as nth, unnest(found) as i
        from
            (
                select
                    *,
                    coalesce(
                        nullif(list_concat(coalesce(spans, []), coalesce(logs, [])), []), [null]
                    ) as found
                from batches
            )
    ),
    opened as (
        select
            line,
            unread,
            is_metrics,
            i.is_log as is_log,
            (line >> 32 << 32) + row_number() over (partition by line >> 32 order by line, nth) as record,
            from_json(
                i.item,
                '{"traceId": "VARCHAR", "traceState": "VARCHAR", "spanId": "VARCHAR", "parentSpanId": "VARCHAR", "name": "VARCHAR", "eventName": "VARCHAR",
                  "startTimeUnixNano": "VARCHAR", "endTimeUnixNano": "VARCHAR", "timeUnixNano": "VARCHAR", "observedTimeUnixNano": "VARCHAR",
                  "attributes": "JSON", "status": {"code": "VARCHAR", "message": "VARCHAR"}}'
            ) as s,
            i.resource as resource
        from items
    ),
    mapped as (
        select *, line >> 32 as file, otel_attributes(s.attributes) as m, otel_attributes(resource) as service
        from opened
    ),
    sorted_items as (
        select
            *,
            lower(m['gen_ai.operation.name']) as operation,
            upper(m['openinference.span.kind']) as inference,
            coalesce(s.eventname, m['event.name'], s.name) as event,
            case
                when is_log is null
                then
                    case
                        when unread then 'unread' when is_metrics then 'OTLP metrics' else 'OTLP empty batch'
                    end
                when is_log
                then
                    case
                        when event is distinct from 'gen_ai.client.inference.operation.details'
                        then concat('OTLP log ', coalesce(event, 'record'))
                    end
                when inference is not null
                then
                    case when inference not in ('LLM', 'EMBEDDING') then concat('span ', lower(inference)) end
                when operation is not null
                then
                    case
                        when
                            operation
                            not in ('chat', 'generate_content', 'text_completion', 'completion', 'embeddings')
                        then concat('span ', operation)
                    end
                when m['traceloop.span.kind'] is not null
                then concat('span ', m['traceloop.span.kind'])
                when lower(m['llm.request.type']) in ('chat', 'completion', 'embedding')
                then null
                when coalesce(m['gen_ai.request.model'], m['gen_ai.response.model']) is null
                then 'span of something else'
                when
                    coalesce(
                        m['gen_ai.usage.input_tokens'],
                        m['gen_ai.usage.prompt_tokens'],
                        m['gen_ai.usage.output_tokens'],
                        m['gen_ai.usage.completion_tokens']
                    )
                    is null
                then 'span without usage'
            end as kind
        from mapped
    ),
    links as (
        select distinct
            file,
            s.traceid as trace,
            s.spanid as span,
            nullif(s.parentspanid, '') as parent,
            kind is null as is_call
        from sorted_items
        where not is_log
    ),
    spans_of_calls as (select distinct file, trace, span from links where is_call and span is not null),
    -- Spans above a call. One of them that looks like a call says the same call again.
    above as (
        with recursive
            walked(file, trace, span) as (
                select file, trace, parent
                from links
                where is_call and parent is not null
                union
                select l.file, l.trace, l.parent
                from walked as w
                join links as l on l.file = w.file and l.trace = w.trace and l.span = w.span
                where l.parent is not null
            )
        select *
        from walked
    ),
    judged as (
        select
            i.*,
            coalesce(
                i.kind,
                case when not i.is_log and a.span is not null then 'span above a call' end,
                case when i.is_log and c.span is not null then 'OTLP log of a span' end
            ) as not_call,
            as_utc(coalesce(s.starttimeunixnano, s.timeunixnano, s.observedtimeunixnano)) as started_at,
            as_count(
                coalesce(
                    m['gen_ai.usage.input_tokens'],
                    m['gen_ai.usage.prompt_tokens'],
                    m['llm.token_count.prompt'],
                    m['llm.usage.prompt_tokens']
                )
            ) as input,
            as_count(
                coalesce(
                    m['gen_ai.usage.output_tokens'],
                    m['gen_ai.usage.completion_tokens'],
                    m['llm.token_count.completion'],
                    m['llm.usage.completion_tokens']
                )
            ) as output,
            as_count(
                coalesce(
                    m['gen_ai.usage.cache_read.input_tokens'],
                    m['gen_ai.usage.cache_read_input_tokens'],
                    m['llm.token_count.prompt_details.cache_read'],
                    m['ai.usage.cachedInputTokens']
                )
            ) as cached,
            as_count(
                coalesce(
                    m['gen_ai.usage.cache_creation.input_tokens'],
                    m['gen_ai.usage.cache_creation_input_tokens'],
                    m['llm.token_count.prompt_details.cache_write']
                )
            ) as written,
            as_count(
                coalesce(
                    m['gen_ai.usage.reasoning.output_tokens'],
                    m['gen_ai.usage.reasoning_tokens'],
                    m['llm.token_count.completion_details.reasoning'],
                    m['ai.usage.reasoningTokens']
                )
            ) as reasoning,
            coalesce(
                otel_messages(m['gen_ai.input.messages']),
                otel_flat_messages(m, 'gen_ai.prompt.', '.'),
                otel_flat_messages(m, 'llm.input_messages.', '.message.')
            ) as messages,
            coalesce(
                otel_messages(m['gen_ai.output.messages']),
                otel_flat_messages(m, 'gen_ai.completion.', '.'),
                otel_flat_messages(m, 'llm.output_messages.', '.message.')
            ) as answers,
            coalesce(
                nullif(m['gen_ai.request.model'], ''), m['llm.request.model_name'], m['llm.model_name']
            ) as asked_model,
            coalesce(
                nullif(m['gen_ai.response.model'], ''), m['llm.response.model_name'], m['llm.model_name']
            ) as answered_model,
            try_cast(m['llm.invocation_parameters'] as json) as parameters,
            try_cast(m['metadata'] as json) as labels
        from sorted_items as i
        left join above as a on a.file = i.file and a.trace = i.s.traceid and a.span = i.s.spanid
        left join spans_of_calls as c on c.file = i.file and c.trace = i.s.traceid and c.span = i.s.spanid
    )
select
    record,
    line as document,
    case
        when kind = 'unread'
        then 'nothing of it is a batch of spans'
        when not_call is not null
        then null
        when started_at is null
        then concat('no readable time: ', coalesce(s.starttimeunixnano, s.timeunixnano, 'missing'))
        when asked_model is null and answered_model is null and input is null and output is null
        then 'neither model nor usage'
    end as problem,
    case when not_call <> 'unread' then not_call end as not_call,
    coalesce(
        nullif(m['gen_ai.response.id'], ''),
        case when s.spanid <> '' then concat_ws('|', 'otel', s.traceid, s.spanid) end
    ) as provider_id,
    s.spanid as own_id,
    s.spanid as span_id,
    nullif(s.parentspanid, '') as parent_id,
    started_at,
    (try_cast(s.endtimeunixnano as hugeint) - try_cast(s.starttimeunixnano as hugeint)) / 1e6 as duration_ms,
    try_cast(m['gen_ai.response.time_to_first_chunk'] as double) * 1000 as first_token_ms,
    gateway_provider(
        regexp_replace(
            coalesce(m['gen_ai.provider.name'], m['gen_ai.system'], m['llm.provider'], m['llm.system']),
            '\.(responses|chat|completion|embedding|messages)$',
            ''
        )
    ) as provider,
    'metered' as billing_mode,
    case
        when operation = 'embeddings' or inference = 'EMBEDDING' or lower(m['llm.request.type']) = 'embedding'
        then 'embeddings'
        else 'chat'
    end as operation,
    asked_model as request_model,
    answered_model as response_model,
    case
        when
            coalesce(m['openai.response.service_tier'], m['gen_ai.openai.response.service_tier'])
            in ('default', 'auto')
        then 'standard'
        else coalesce(m['openai.response.service_tier'], m['gen_ai.openai.response.service_tier'])
    end as service_tier,
    coalesce(
        m['openai.request.service_tier'], m['gen_ai.openai.request.service_tier']
    ) as requested_service_tier,
    try_cast(
        coalesce(m['gen_ai.request.stream'], m['gen_ai.is_streaming'], m['llm.is_streaming']) as boolean
    ) as stream,
    try_cast(
        coalesce(m['gen_ai.request.temperature'], parameters ->> '$.temperature') as double
    ) as temperature,
    as_count(coalesce(m['gen_ai.request.max_tokens'], parameters ->> '$.max_tokens')) as max_output_tokens,
    coalesce(
        m['endpoint'],
        m['traceloop.association.properties.endpoint'],
        labels ->> '$.endpoint',
        m['gen_ai.workflow.name'],
        m['traceloop.workflow.name'],
        m['gen_ai.agent.name'],
        m['gen_ai.prompt.name']
    ) as endpoint,
    coalesce(
        m['team'], m['traceloop.association.properties.team'], labels ->> '$.team', service['team']
    ) as team,
    service['service.name'] as project,
    coalesce(service['deployment.environment.name'], service['deployment.environment']) as environment,
    otel_sample_rate(s.tracestate, m['sampler.type'], m['sampler.param']) as sample_rate,
    coalesce(
        m['user.id'],
        m['enduser.id'],
        m['traceloop.association.properties.user_id'],
        m['gen_ai.user'],
        m['llm.user']
    ) as user_id,
    coalesce(
        m['gen_ai.conversation.id'], m['session.id'], m['traceloop.association.properties.session_id']
    ) as session_id,
    nullif(s.traceid, '') as trace_id,
    input + case
        when coalesce(cached, 0) + coalesce(written, 0) > input
        then coalesce(cached, 0) + coalesce(written, 0)
        else 0
    end as input_tokens,
    cached as cache_read_tokens,
    written as cache_write_tokens,
    output + case when reasoning > output then reasoning else 0 end as output_tokens,
    reasoning as reasoning_tokens,
    as_count(
        coalesce(m['gen_ai.usage.audio.input_tokens'], m['llm.token_count.prompt_details.audio'])
    ) as input_audio_tokens,
    as_count(
        coalesce(m['gen_ai.usage.audio.output_tokens'], m['llm.token_count.completion_details.audio'])
    ) as output_audio_tokens,
    as_count(m['gen_ai.usage.image.input_tokens']) as input_image_tokens,
    case when input is not null or output is not null then 'reported' end as usage_source,
    case
        when s.status.code in ('2', 'STATUS_CODE_ERROR') or m['error.type'] is not null then 'error' else 'ok'
    end as status,
    as_count(
        coalesce(m['http.response.status_code'], regexp_extract(m['error.type'], '^([45]\d\d)$', 1))
    ) as http_status,
    coalesce(
        m['error.type'],
        case
            when s.status.code in ('2', 'STATUS_CODE_ERROR')
            then coalesce(left(s.status.message, 80), 'error')
        end
    ) as error_type,
    coalesce(
        nullif(regexp_extract(m['gen_ai.response.finish_reasons'], '"stringValue"\s*:\s*"([^"]*)"', 1), ''),
        m['gen_ai.completion.0.finish_reason'],
        m['llm.finish_reason']
    ) as finish_reason,
    coalesce(
        try_cast(coalesce(m['llm.cost.total'], m['gen_ai.usage.cost']) as decimal(38, 12)),
        try_cast(try_cast(coalesce(m['llm.cost.total'], m['gen_ai.usage.cost']) as double) as decimal(38, 12))
    ) as reported_cost_usd,
    m['gen_ai.system_instructions'] as system_text,
    left(
        coalesce(
            m['gen_ai.system_instructions'],
            substr(list_filter(messages, lambda t:starts_with(t, concat('system', chr(31))))[1], 8)
        ),
        512
    ) as system_head,
    messages,
    first_user_of(messages) as first_user,
    m['gen_ai.tool.definitions'] as tools_text,
    case
        when messages is not null
        then
            cast(
                json_object(
                    'model',
                    asked_model,
                    'temperature',
                    m['gen_ai.request.temperature'],
                    'max_tokens',
                    m['gen_ai.request.max_tokens'],
                    'parameters',
                    parameters
                ) as varchar
            )
    end as params_text,
    array_to_string(
        list_transform(answers, lambda t:substr(t, instr(t, chr(31)) + 1)), chr(30)
    ) as output_text
from judged
order by record
