with
    opened as (
        select
            *,
            gemini_chunks(response) as chunks,
            open_gemini_request(request) as asked,
            nullif(trim(status), '') as failure
        from raw
    ),
    bodies as (
        select *, read_gemini_response(chunks) as a, read_gemini_request(asked, request) as q from opened
    )
select
    record,
    unread,
    case
        when as_utc(coalesce(processed_time, a.created_at)) is null
        then concat('no readable time in processed_time: ', coalesce(processed_time, 'missing'))
        when failure is null and a.usage.input_tokens is null and a.error_type is null
        then 'neither usage nor a failure'
    end as problem,
    a.id as provider_id,
    as_utc(coalesce(a.created_at, processed_time)) as started_at,
    'gcp.vertex_ai' as provider,
    'metered' as billing_mode,
    'chat' as operation,
    regexp_extract(q.model, '([^/]+)$', 1) as request_model,
    a.model as response_model,
    nullif(regexp_extract(q.model, '/locations/([^/]+)/', 1), '') as region,
    'batch' as service_tier,
    false as stream,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    q.labels ->> '$.endpoint' as endpoint,
    q.labels ->> '$.team' as team,
    q.labels ->> '$.project' as project,
    coalesce(q.labels ->> '$.environment', q.labels ->> '$.env') as environment,
    cast(q.labels as varchar) as tags,
    unnest(a.usage),
    case when a.usage.input_tokens is not null then 'reported' end as usage_source,
    case when failure is not null or a.error_type is not null then 'error' else 'ok' end as status,
    coalesce(
        a.error_code, as_count(nullif(regexp_extract(failure, '"code":\s*(\d{3})\b', 1), ''))
    ) as http_status,
    coalesce(a.error_type, trim(regexp_extract(failure, '^([^:{]+)', 1))) as error_type,
    a.finish_reason as finish_reason,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    q.params_text as params_text,
    a.output_text as output_text
from bodies
