with
    times as (
        select map_from_entries(list((file, started_at))) as of_file
        from
            (
                select
                    record >> 32 as file,
                    min(
                        as_utc(
                            case
                                when object = 'batch'
                                then coalesce(in_progress_at, created_at)
                                else coalesce(response ->> '$.body.created', response ->> '$.body.created_at')
                            end
                        )
                    ) as started_at
                from raw
                group by record >> 32
            )
    ),
    lines as (
        select
            *,
            json_extract(response, '$.body') as answer,
            as_count(response ->> '$.status_code') as http_status,
            as_utc(coalesce(response ->> '$.body.created', response ->> '$.body.created_at')) as created,
            coalesce(
                case when json_type(error) = 'OBJECT' then error end,
                case
                    when json_type(json_extract(response, '$.body.error')) = 'OBJECT'
                    then json_extract(response, '$.body.error')
                end
            ) as failure,
            json_exists(response, '$.body.prompt_filter_results')
            or json_exists(response, '$.body.choices[0].content_filter_results') as is_azure
        from raw
    ),
    opened as (select *, open_response(answer) as answered from lines),
    judged as (
        select
            * exclude (of_file),
            read_response(answered) as a,
            coalesce(created, of_file[record >> 32]) as started_at
        from opened, times
    ),
    sorted_out as (
        select
            *,
            case
                when object = 'batch'
                then 'batch object'
                when url is not null and response is null
                then 'batch request'
                when failure is not null and coalesce(json_type(response), 'NULL') = 'NULL'
                then 'batch request that never ran'
                when started_at is null and (failure is not null or http_status >= 400)
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
        when coalesce(json_type(answer), 'NULL') <> 'OBJECT'
        then 'neither an answer nor an error'
        when started_at is null
        then
            'no time: the answers of this file have no created. Put the batch object (GET /v1/batches/ID) as a line into the file'
        when failure is null and a.usage.input_tokens is null and a.output_text is null
        then 'neither usage nor texts'
    end as problem,
    coalesce(a.id, id) as provider_id,
    custom_id as own_id,
    started_at,
    case when is_azure then 'azure.ai.openai' else 'openai' end as provider,
    'metered' as billing_mode,
    case
        when json_exists(answer, '$.data[0].embedding') then 'embeddings' else coalesce(a.operation, 'chat')
    end as operation,
    a.model as response_model,
    'batch' as service_tier,
    false as stream,
    a.tools_called as tools_called,
    unnest(a.usage),
    case
        when a.usage.input_tokens is not null or a.usage.output_tokens is not null then 'reported'
    end as usage_source,
    case when failure is not null or a.failed or http_status >= 400 then 'error' else 'ok' end as status,
    http_status,
    coalesce(failure ->> '$.code', failure ->> '$.type') as error_type,
    a.finish_reason as finish_reason,
    a.output_text as output_text
from sorted_out
