with
    -- A page of a list is opened; any other record is an object already.
    objects as (
        select
            record,
            unread,
            unnest(
                case
                    when json_type(data) = 'ARRAY' and object = 'list' and usage is null
                    then
                        case
                            when json_array_length(data) = 0
                            then [{'item':0, 'body':null::json}]
                            else
                                list_transform(
                                    json_extract(data, '$[*]'), lambda body, item: {'item':item, 'body':body}
                                )
                        end
                    else
                        [
                            {
                                'item':1,
                                'body':json_object(
                                    'id',
                                    id,
                                    'object',
                                    object,
                                    'created',
                                    created,
                                    'created_at',
                                    created_at,
                                    'completed_at',
                                    completed_at,
                                    'model',
                                    model,
                                    'status',
                                    status,
                                    'service_tier',
                                    service_tier,
                                    'background',
                                    background,
                                    'usage',
                                    usage,
                                    'choices',
                                    choices,
                                    'output',
                                    output,
                                    'error',
                                    error,
                                    'incomplete_details',
                                    incomplete_details,
                                    'metadata',
                                    metadata,
                                    'temperature',
                                    temperature,
                                    'max_output_tokens',
                                    max_output_tokens,
                                    'user',
                                    "user",
                                    'prompt_filter_results',
                                    prompt_filter_results,
                                    'data',
                                    case when object = 'list' then '[]'::json end
                                )
                            }
                        ]
                end,
                recursive := true
            )
        from raw
    ),
    opened as (select *, open_response(body) as answered from objects),
    judged as (
        select
            *,
            read_response(answered) as a,
            body ->> '$.object' as kind,
            body ->> '$.status' as progress,
            as_utc(coalesce(body ->> '$.created', body ->> '$.created_at')) as started_at,
            case when json_type(body, '$.error') = 'OBJECT' then json_extract(body, '$.error') end as failure
        from opened
    ),
    sorted_out as (
        select
            *,
            case
                when item = 0
                then 'empty page'
                when progress in ('in_progress', 'queued')
                then 'unfinished answer'
                when starts_with(kind, 'response.') or kind like '%.chunk'
                then kind
                when failure is not null and started_at is null
                then 'error without a time'
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
        when started_at is null
        then
            concat(
                'no readable time in created or created_at: ',
                coalesce(body ->> '$.created', body ->> '$.created_at', 'missing')
            )
        when a.model is null
        then 'no model'
        when
            not coalesce(counts_something(a.usage), false)
            and a.output_text is null
            and not a.failed
        then 'neither usage nor texts'
    end as problem,
    a.id as provider_id,
    case
        when a.id is null and item > 1 then concat('item ', item, ' of record ', record & 4294967295)
    end as own_id,
    started_at,
    date_diff(
        'millisecond', as_utc(body ->> '$.created_at'), as_utc(body ->> '$.completed_at')
    ) as duration_ms,
    case
        when
            json_type(body, '$.prompt_filter_results') = 'ARRAY'
            or json_exists(body, '$.choices[0].content_filter_results')
        then 'azure.ai.openai'
        when
            regexp_matches(
                a.model,
                '^(ft:)?(gpt-\d|gpt-image|gpt-realtime|gpt-audio|chatgpt-|o\d($|-)|text-embedding-|davinci|babbage|codex-)'
            )
        then 'openai'
    end as provider,
    'metered' as billing_mode,
    coalesce(a.operation, 'chat') as operation,
    a.model as response_model,
    case when a.service_tier in ('default', 'auto') then 'standard' else a.service_tier end as service_tier,
    try_cast(body ->> '$.temperature' as double) as temperature,
    as_count(body ->> '$.max_output_tokens') as max_output_tokens,
    a.tools_called as tools_called,
    coalesce(body ->> '$.metadata.endpoint', body ->> '$.metadata.feature') as endpoint,
    body ->> '$.metadata.team' as team,
    body ->> '$.metadata.project' as project,
    coalesce(body ->> '$.metadata.environment', body ->> '$.metadata.env') as environment,
    body ->> '$.user' as user_id,
    case
        when json_type(body, '$.metadata') = 'OBJECT' and body ->> '$.metadata' <> '{}'
        then body ->> '$.metadata'
    end as tags,
    unnest(a.usage),
    case when counts_something(a.usage) then 'reported' end as usage_source,
    case
        when progress = 'cancelled'
        then 'cancelled'
        when a.failed or failure is not null
        then 'error'
        else 'ok'
    end as status,
    coalesce(failure ->> '$.code', failure ->> '$.type') as error_type,
    a.finish_reason as finish_reason,
    a.output_text as output_text
from sorted_out
