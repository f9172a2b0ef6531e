with
    batches as (
        select
            list(
                {'record':record, 'id':id, 'started_at':as_utc(coalesce(created_at, ended_at))}
                order by record
            ) filter (where "type" = 'message_batch' and as_utc(coalesce(created_at, ended_at)) is not null)
            as batches
        from raw
    ),
    lines as (
        select
            raw.*,
            result ->> '$.type' as outcome,
            json_extract(result, '$.message') as message,
            list_filter(batches, lambda b:b.record >> 32 = raw.record >> 32) as of_file
        from raw, batches
    ),
    opened as (
        select
            *,
            open_response(message) as answered,
            coalesce(list_filter(of_file, lambda b:b.record < record)[-1], of_file[1]) as batch
        from lines
    ),
    judged as (
        select
            *,
            read_response(answered) as a,
            coalesce(as_utc("timestamp"), as_utc(created_at), batch.started_at) as started_at
        from opened
    ),
    sorted_out as (
        select
            *,
            case
                when "type" = 'message_batch'
                then 'batch object'
                when custom_id is not null and params is not null and result is null
                then 'batch request'
                when outcome in ('canceled', 'expired')
                then 'batch request that never ran'
                when outcome = 'errored' and started_at is null
                then 'refused batch request without a time'
            end as not_call
        from judged
    )
select
    record,
    unread,
    not_call,
    case
        when not_call is not null
        then null
        when outcome is null
        then 'no result'
        when outcome not in ('succeeded', 'errored')
        then concat('unknown kind of result: ', outcome)
        when outcome = 'succeeded' and a.usage.input_tokens is null and a.output_text is null
        then 'neither usage nor texts'
        when started_at is null
        then
            'no time: results of a batch have none. Put the batch object (GET /v1/messages/batches/ID) as first line into the file'
    end as problem,
    a.id as provider_id,
    custom_id as own_id,
    started_at,
    'anthropic' as provider,
    'metered' as billing_mode,
    'chat' as operation,
    a.model as response_model,
    a.region as region,
    'batch' as service_tier,
    false as stream,
    batch.id as session_id,
    a.tools_called as tools_called,
    unnest(a.usage),
    case
        when a.usage.input_tokens is not null or a.usage.output_tokens is not null then 'reported'
    end as usage_source,
    case when outcome = 'succeeded' then 'ok' else 'error' end as status,
    coalesce(result ->> '$.error.error.type', result ->> '$.error.type') as error_type,
    a.finish_reason as finish_reason,
    a.output_text as output_text
from sorted_out
