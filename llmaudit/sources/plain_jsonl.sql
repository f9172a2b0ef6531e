with
    opened as (select *, open_request(request) as asked, open_response(response) as answered from raw),
    bodies as (select *, read_request(asked, request) as q, read_response(answered) as a from opened),
    judged as (
        select
            *,
            as_utc(timestamp) as started_at,
            coalesce(a.model, q.model, model) as billed_model,
            as_count(status) as http_status,
            case when json_type(error) <> 'NULL' then error end as failure
        from bodies
    )
select
    record,
    unread,
    case
        when started_at is null
        then concat('no readable time in timestamp: ', coalesce(timestamp, 'missing'))
        when billed_model is null
        then 'no model in request, response or model'
        when
            http_status is null
            and not coalesce(counts_something(a.usage), false)
            and not coalesce(a.failed, false)
            and failure is null
            and q.messages is null
        then 'neither usage nor texts'
    end as problem,
    a.id as provider_id,
    request_id as own_id,
    span_id,
    parent_id,
    as_count(attempt) as attempt,
    started_at,
    try_cast(latency_ms as double) as duration_ms,
    try_cast(ttft_ms as double) as first_token_ms,
    coalesce(
        gateway_provider(provider), a.provider, case when a.is_anthropic then 'anthropic' end
    ) as provider,
    account_id,
    coalesce(
        billing_mode, case when a.service_tier = 'provisioned' then 'provisioned' end, 'metered'
    ) as billing_mode,
    coalesce(operation, a.operation, 'chat') as operation,
    coalesce(q.model, model) as request_model,
    a.model as response_model,
    coalesce(region, a.region) as region,
    case
        when a.service_tier in ('default', 'auto', 'on_demand')
        then 'standard'
        when a.service_tier <> 'provisioned'
        then a.service_tier
    end as service_tier,
    q.service_tier as requested_service_tier,
    coalesce(q.stream, a.stream, was_streamed(response)) as stream,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    endpoint,
    team,
    project,
    environment,
    cost_centre,
    case when try_cast(sample_rate as double) > 0 and try_cast(sample_rate as double) <= 1 then try_cast(sample_rate as double) end as sample_rate,
    coalesce("user", q.user) as user_id,
    api_key_id,
    session_id,
    trace_id,
    cast(tags as varchar) as tags,
    unnest(a.usage),
    case when counts_something(a.usage) then 'reported' end as usage_source,
    case
        when http_status = 499 or lower(status) in ('cancelled', 'canceled', 'aborted')
        then 'cancelled'
        when
            failure is not null
            or a.failed
            or http_status >= 400
            or lower(status) in ('error', 'failure', 'failed')
        then 'error'
        else 'ok'
    end as status,
    http_status,
    coalesce(
        failure ->> '$.type',
        failure ->> '$.status',
        failure ->> '$.code',
        a.error ->> '$.type',
        a.error ->> '$.code',
        case when json_type(failure) = 'VARCHAR' then failure ->> '$' end
    ) as error_type,
    a.finish_reason as finish_reason,
    coalesce(try_cast(cost_usd as decimal(38, 12)), a.reported_cost_usd) as reported_cost_usd,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    case
        when q.model is null and model is not null
        then cast(json_merge_patch(try_cast(q.params_text as json), json_object('model', model)) as varchar)
        else q.params_text
    end as params_text,
    a.output_text as output_text
from judged
