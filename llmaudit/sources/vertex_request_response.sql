with
    logged as (
        select
            *,
            case
                when json_type(unwrapped(full_response)) in ('OBJECT', 'ARRAY')
                then unwrapped(full_response)
                else unwrapped(response_payload)
            end as answer,
            case
                when json_type(unwrapped(full_request)) = 'OBJECT'
                then unwrapped(full_request)
                when json_type(unwrapped(request_payload)) = 'ARRAY'
                then unwrapped(unwrapped(request_payload) -> '$[0]')
                else unwrapped(request_payload)
            end as request,
            unwrapped(metadata) as meta
        from raw
    ),
    opened as (
        select
            *,
            contains(lower(coalesce(model, request ->> '$.model', '')), 'claude')
            or coalesce(json_type(answer, '$.stop_reason'), '') = 'VARCHAR' as is_anthropic,
            gemini_chunks(answer) as chunks,
            open_gemini_request(request) as asked,
            open_response(answer) as foreign_answer,
            open_request(request) as foreign_request
        from logged
    ),
    bodies as (
        select
            *,
            read_gemini_response(chunks) as a,
            read_gemini_request(asked, request) as q,
            read_response(foreign_answer) as b,
            read_request(foreign_request, request) as r
        from opened
    ),
    judged as (
        select
            *,
            as_utc(logging_time) as logged_at,
            try_cast(meta ->> '$.request_latency' as double) as latency_ms,
            coalesce(model, request ->> '$.model') as resource,
            coalesce(sampling_rate, meta ->> '$.sampling_rate', meta ->> '$.sample_rate') as sampling
        from bodies
    )
select
    record,
    unread,
    case
        when logged_at is null and a.created_at is null
        then concat('no readable time in logging_time: ', coalesce(logging_time, 'missing'))
    end as problem,
    case when contains(lower(api_method), 'counttokens') then concat('Vertex ', api_method) end as not_call,
    case when is_anthropic then b.id else a.id end as provider_id,
    request_id as own_id,
    coalesce(
        as_utc(a.created_at), logged_at - to_microseconds(cast(coalesce(latency_ms, 0) * 1000 as bigint))
    ) as started_at,
    latency_ms as duration_ms,
    'gcp.vertex_ai' as provider,
    coalesce(nullif(deployed_model_id, ''), nullif(endpoint, '')) as deployment,
    case when is_anthropic then 'metered' else a.billing_mode end as billing_mode,
    case when contains(lower(api_method), 'embed') then 'embeddings' else 'chat' end as operation,
    regexp_extract(resource, '([^/]+)$', 1) as request_model,
    case when is_anthropic then b.model else a.model end as response_model,
    nullif(
        regexp_extract(concat_ws(' ', request ->> '$.model', resource, endpoint), '/locations/([^/]+)/', 1),
        ''
    ) as region,
    case when is_anthropic then b.service_tier else a.service_tier end as service_tier,
    coalesce(contains(lower(api_method), 'stream'), false) or json_type(answer) = 'ARRAY' as stream,
    case when is_anthropic then r.temperature else q.temperature end as temperature,
    case when is_anthropic then r.max_output_tokens else q.max_output_tokens end as max_output_tokens,
    case when is_anthropic then r.tools_offered else q.tools_offered end as tools_offered,
    case when is_anthropic then b.tools_called else a.tools_called end as tools_called,
    case when is_anthropic then r.response_format else q.response_format end as response_format,
    q.labels ->> '$.endpoint' as endpoint,
    q.labels ->> '$.team' as team,
    coalesce(
        q.labels ->> '$.project',
        nullif(
            regexp_extract(concat_ws(' ', request ->> '$.model', resource, endpoint), 'projects/([^/]+)/', 1),
            ''
        )
    ) as project,
    coalesce(q.labels ->> '$.environment', q.labels ->> '$.env') as environment,
    nullif(cast(q.labels as varchar), '{}') as tags,
    case
        when try_cast(sampling as double) > 0 and try_cast(sampling as double) <= 1
        then try_cast(sampling as double)
    end as sample_rate,
    case when is_anthropic then b.usage.input_tokens else a.usage.input_tokens end as input_tokens,
    case
        when is_anthropic then b.usage.cache_read_tokens else a.usage.cache_read_tokens
    end as cache_read_tokens,
    case when is_anthropic then b.usage.cache_write_tokens end as cache_write_tokens,
    case when is_anthropic then b.usage.cache_write_long_tokens end as cache_write_long_tokens,
    case when is_anthropic then b.usage.output_tokens else a.usage.output_tokens end as output_tokens,
    case
        when is_anthropic then b.usage.reasoning_tokens else a.usage.reasoning_tokens
    end as reasoning_tokens,
    a.usage.input_audio_tokens as input_audio_tokens,
    a.usage.output_audio_tokens as output_audio_tokens,
    a.usage.cache_audio_read_tokens as cache_audio_read_tokens,
    a.usage.input_image_tokens as input_image_tokens,
    a.usage.output_image_tokens as output_image_tokens,
    a.usage.cache_image_read_tokens as cache_image_read_tokens,
    a.usage.input_video_tokens as input_video_tokens,
    a.usage.cache_video_read_tokens as cache_video_read_tokens,
    case when is_anthropic then b.usage.web_searches end as web_searches,
    case
        when coalesce(a.usage.input_tokens, case when is_anthropic then b.usage.input_tokens end) is not null
        then 'reported'
    end as usage_source,
    case
        when a.error_type is not null or (is_anthropic and coalesce(b.failed, false)) then 'error' else 'ok'
    end as status,
    a.error_code as http_status,
    coalesce(
        case when is_anthropic then coalesce(b.error ->> '$.type', b.error ->> '$.code') end, a.error_type
    ) as error_type,
    case when is_anthropic then b.finish_reason else a.finish_reason end as finish_reason,
    case when is_anthropic then r.system_text else q.system_text end as system_text,
    case when is_anthropic then r.system_head else q.system_head end as system_head,
    case when is_anthropic then r.messages else q.messages end as messages,
    first_user_of(case when is_anthropic then r.messages else q.messages end) as first_user,
    case when is_anthropic then r.tools_text else q.tools_text end as tools_text,
    case when is_anthropic then r.params_text else q.params_text end as params_text,
    case when is_anthropic then b.output_text else a.output_text end as output_text
from judged
