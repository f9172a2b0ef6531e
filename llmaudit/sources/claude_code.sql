with
    lines as not materialized(
        select
            *,
            record >> 32 as file,
            record & 4294967295 as place,
            coalesce('message ' || message_id, 'line ' || record) as call
        from raw
        where not_call is null or unread
    ),
    totalled as (
        select
            *,
            least(
                list_sum(
                    list_transform(
                        json_extract_string(
                            usage,
                            [
                                '$.input_tokens',
                                '$.cache_read_input_tokens',
                                '$.cache_creation_input_tokens',
                                '$.output_tokens'
                            ]
                        ),
                        lambda n:coalesce(as_count(n), 0)
                    )
                ),
                2147483647
            )
            * 4294967296
            + place as most,
            place + case when is_sidechain then 4294967296 else 0 end as main_first
        from lines
    ),
    calls as (
        select
            file,
            call,
            min(record) as record,
            count(*) - 1 as merged,
            bool_and(unread) as unread,
            min(as_utc(timestamp)) as started_at,
            min(timestamp) as timestamp,
            min(message_id) as message_id,
            arg_max(usage, most) as usage,
            arg_max(model, most) as model,
            arg_max(stop_reason, most) as stop_reason,
            arg_min(uuid, place) as uuid,
            arg_min(sessionid, main_first) as session_id,
            arg_min(cwd, main_first) as cwd,
            arg_min(version, main_first) as version,
            bool_and(is_sidechain) as is_sidechain,
            max(cost_usd) as cost_usd
        from totalled
        group by file, call
    ),
    parts as (
        select
            file,
            call,
            place,
            unnest(
                case
                    when starts_with(content, '"')
                    then [{'type':'text', 'id':null, 'text':content ->> '$', 'name':null, 'input':null}]
                    else
                        from_json(
                            content,
                            '[{"type": "VARCHAR", "id": "VARCHAR", "text": "VARCHAR", "name": "VARCHAR", "input": "VARCHAR"}]'
                        )
                end
            ) as part
        from lines
        where content is not null
    ),
    parts_once as (
        select
            file,
            call,
            min(place) as place,
            part.type in ('tool_use', 'server_tool_use') as is_tool,
            case
                when part.type = 'text' then part.text else concat_ws(' ', chr(31) || part.name, part.input)
            end as text,
            part.id as id
        from parts
        where part.type in ('text', 'tool_use', 'server_tool_use')
        group by all
    ),
    answers as (
        select
            file,
            call,
            array_to_string(
                list_transform(
                    list_sort(list({'place':place, 'is_tool':is_tool, 'text':text, 'id':id})), lambda p:p.text
                ),
                ''
            ) as output_text,
            count(*) filter (where is_tool) as tools_called
        from parts_once
        group by file, call
    ),
    opened as (select *, from_json(usage, usage_shape()) as u from calls),
    bodies as (select *, read_usage(u, true) as counted from opened left join answers using (file, call))
select
    record,
    merged,
    unread,
    case
        when unread
        then 'nothing of it is a line of a transcript'
        when started_at is null
        then concat('no readable time in timestamp: ', coalesce(timestamp, 'missing'))
        when model is null
        then 'no model in message'
    end as problem,
    null as not_call,
    message_id as provider_id,
    case when message_id is null then uuid end as own_id,
    started_at,
    case
        when starts_with(message_id, 'msg_bdrk_')
        then 'aws.bedrock'
        when starts_with(message_id, 'msg_vrtx_')
        then 'gcp.vertex_ai'
        else 'anthropic'
    end as provider,
    'chat' as operation,
    model as response_model,
    nullif(u.inference_geo, 'not_available') as region,
    case when u.speed = 'fast' then 'fast' else u.service_tier end as service_tier,
    coalesce(tools_called, 0) as tools_called,
    'claude-code' as endpoint,
    regexp_extract(cwd, '([^/\\]+)[/\\]*$', 1) as project,
    session_id,
    cast(json_object('version', version, 'isSidechain', is_sidechain) as varchar) as tags,
    unnest(counted),
    case
        when counted.input_tokens is not null or counted.output_tokens is not null then 'reported'
    end as usage_source,
    'ok' as status,
    stop_reason as finish_reason,
    cost_usd as reported_cost_usd,
    output_text
from bodies
union all by name
select min(record) as record, count(*) - 1 as merged, not_call
from raw
where not_call is not null and not unread
group by record >> 32, not_call
order by record
