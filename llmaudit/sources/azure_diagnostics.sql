with
    listed as (
        select
            record as document,
            unread,
            unnest(
                case
                    when json_type(records) = 'ARRAY' and json_array_length(records) > 0
                    then json_extract(records, '$[*]')
                    else
                        [
                            json_object(
                                'time',
                                time,
                                'resourceId',
                                resourceid,
                                'category',
                                category,
                                'operationName',
                                operationname,
                                'resultSignature',
                                resultsignature,
                                'durationMs',
                                durationms,
                                'correlationId',
                                correlationid,
                                'location',
                                location,
                                'properties',
                                properties
                            )
                        ]
                end
            ) as entry
        from raw
    ),
    opened as (
        select
            *,
            row_number() over () as record,
            from_json(
                entry,
                '{"time": "VARCHAR", "resourceId": "VARCHAR", "category": "VARCHAR", "operationName": "VARCHAR", "resultSignature": "VARCHAR",
                  "durationMs": "VARCHAR", "correlationId": "VARCHAR", "location": "VARCHAR", "properties": "JSON"}'
            ) as e
        from listed
    ),
    detailed as (
        select
            *,
            from_json(
                unwrapped(e.properties),
                '{"requestTime": "VARCHAR", "responseTime": "VARCHAR", "streamType": "VARCHAR", "modelDeploymentName": "VARCHAR",
                  "modelName": "VARCHAR", "modelVersion": "VARCHAR"}'
            ) as p
        from opened
    ),
    judged as (
        select
            *,
            coalesce(ticks_as_utc(p."requestTime"), as_utc(e.time)) as started_at,
            as_count(e."resultSignature") as http_status,
            nullif(p."modelName", '') as model_name,
            nullif(p."modelVersion", '') as model_version,
            nullif(p."modelDeploymentName", '') as deployment_name,
            lower(e."operationName") as operation_name
        from detailed
    )
select
    record,
    document,
    unread,
    case
        when started_at is null then concat('no readable time: ', coalesce(e.time, 'missing'))
    end as problem,
    case
        when coalesce(e.category, '') <> 'RequestResponse'
        then concat('Azure ', coalesce(e.category, 'record without category'))
        when
            deployment_name is null
            and model_name is null
            and not regexp_matches(
                operation_name,
                'completion|embedding|response|image|audio|transcri|translat|speech|create_run'
            )
        then concat('Azure ', coalesce(e."operationName", 'record without operation'))
    end as not_call,
    e."correlationId" as own_id,
    started_at,
    case
        when try_cast(e."durationMs" as double) >= 0 then try_cast(e."durationMs" as double)
    end as duration_ms,
    'azure.ai.openai' as provider,
    nullif(regexp_extract(lower(e."resourceId"), '/subscriptions/([^/]+)/', 1), '') as account_id,
    deployment_name as deployment,
    'metered' as billing_mode,
    case
        when contains(operation_name, 'embedding')
        then 'embeddings'
        when contains(operation_name, 'response')
        then 'responses'
        when contains(operation_name, 'image')
        then 'image'
        when regexp_matches(operation_name, 'audio|transcri|translat|speech')
        then 'audio'
        else 'chat'
    end as operation,
    coalesce(model_name, deployment_name) as request_model,
    case
        when regexp_matches(model_version, '^20\d\d-\d\d-\d\d$')
        then concat(model_name, '-', model_version)
        else model_name
    end as response_model,
    e.location as region,
    case lower(p."streamType") when 'streaming' then true when 'non-streaming' then false end as stream,
    nullif(regexp_extract(lower(e."resourceId"), '/accounts/([^/]+)', 1), '') as project,
    case when http_status = 499 then 'cancelled' when http_status >= 400 then 'error' else 'ok' end as status,
    http_status
from judged
order by record
