with
    lines as (
        select
            record,
            unread,
            record >> 32 as file,
            timestamp,
            type,
            payload.type as event,
            case when type = 'turn_context' then payload.model end as turn_model,
            case when type in ('turn_context', 'session_meta') then payload.cwd end as cwd,
            case when type = 'session_meta' then payload end as meta,
            payload.type
            in ('function_call', 'custom_tool_call', 'local_shell_call', 'web_search_call') as is_tool,
            case
                when payload.type = 'token_count'
                then
                    from_json(
                        payload.info,
                        '{"model": "VARCHAR",
                          "total_token_usage": {"input_tokens": "VARCHAR", "cached_input_tokens": "VARCHAR", "output_tokens": "VARCHAR", "reasoning_output_tokens": "VARCHAR", "total_tokens": "VARCHAR"},
                          "last_token_usage": {"input_tokens": "VARCHAR", "cached_input_tokens": "VARCHAR", "output_tokens": "VARCHAR", "reasoning_output_tokens": "VARCHAR", "total_tokens": "VARCHAR"}}'
                    )
            end as info
        from raw
    ),
    placed as (
        select
            *,
            info.total_token_usage as t,
            info.last_token_usage as l,
            coalesce(
                info.model, last_value(turn_model ignore nulls) over (partition by file order by record)
            ) as model,
            last_value(cwd ignore nulls) over (partition by file order by record) as folder,
            sum(case when is_tool then 1 else 0 end) over (partition by file order by record) as tools_so_far
        from lines
    ),
    sorted_lines as (
        select
            *,
            -- A context that overflows leaves its size as the total, and nothing that was used.
            case
                when unread
                then 'unread'
                when event is distinct from 'token_count'
                then
                    case
                        when type in ('event_msg', 'response_item')
                        then concat_ws(' ', type, event)
                        else coalesce(type, 'line without type')
                    end
                when t is null and l is null
                then 'token_count without usage'
                when
                    coalesce(as_count(coalesce(t.input_tokens, l.input_tokens)), 0) = 0
                    and coalesce(as_count(coalesce(t.output_tokens, l.output_tokens)), 0) = 0
                then 'token_count of no call'
            end as kind
        from placed
    ),
    vectors as (
        select
            *,
            concat_ws(
                ',',
                case when t is null then 'last' end,
                coalesce(t.input_tokens, l.input_tokens),
                coalesce(t.cached_input_tokens, l.cached_input_tokens, '0'),
                coalesce(t.output_tokens, l.output_tokens),
                coalesce(t.reasoning_output_tokens, l.reasoning_output_tokens, '0'),
                coalesce(t.total_tokens, l.total_tokens)
            ) as total
        from sorted_lines
        where kind is null
    ),
    edges as (
        select
            *,
            coalesce(lag(total) over (partition by file order by record), 'start') as total_before,
            lag(t) over (partition by file order by record) as t_before
        from vectors
    ),
    steps as (
        select
            *,
            sum(case when total <> total_before then 1 else 0 end) over (
                partition by file order by record
            ) as call
        from edges
    ),
    calls as (
        select
            file,
            call,
            min(record) as record,
            count(*) - 1 as merged,
            arg_min(timestamp, record) as timestamp,
            arg_min(model, record) as model,
            arg_min(folder, record) as folder,
            arg_min(total_before, record) as total_before,
            arg_min(total, record) as total,
            arg_min(t, record) as t,
            arg_min(t_before, record) as t_before,
            arg_min(l, record) as l,
            arg_min(tools_so_far, record) as tools_so_far
        from steps
        group by file, call
    ),
    sessions as (
        select
            file,
            arg_min(meta.id, record) filter (where meta is not null) as session_id,
            arg_min(meta.cli_version, record) filter (where meta is not null) as version,
            arg_min(meta.originator, record) filter (where meta is not null) as originator,
            arg_min(meta.model_provider, record) filter (where meta is not null) as model_provider,
            -- Ids of threads sort by the time they were made: the least is the thread that all others come
            -- from.
            least(
                min(meta.id),
                min(nullif(meta.forked_from_id, '')),
                min(
                    regexp_extract(cast(meta.source as varchar), '"parent_thread_id"\s*:\s*"([^"]+)"', 1)
                ) filter (where contains(cast(meta.source as varchar), '"parent_thread_id"'))
            ) as root
        from lines
        group by file
    ),
    counted as (
        select
            *,
            -- Without the last call's own counts: what the total has grown by, unless it was set back.
            as_count(t.input_tokens) >= as_count(t_before.input_tokens)
            and as_count(t.output_tokens) >= as_count(t_before.output_tokens) as has_grown,
            as_count(
                coalesce(
                    l.input_tokens,
                    cast(
                        as_count(t.input_tokens)
                        - case when has_grown then as_count(t_before.input_tokens) else 0 end as varchar
                    )
                )
            ) as input,
            as_count(
                coalesce(
                    l.cached_input_tokens,
                    cast(
                        as_count(t.cached_input_tokens) - case
                            when has_grown then as_count(t_before.cached_input_tokens) else 0
                        end as varchar
                    )
                )
            ) as cached,
            as_count(
                coalesce(
                    l.output_tokens,
                    cast(
                        as_count(t.output_tokens)
                        - case when has_grown then as_count(t_before.output_tokens) else 0 end as varchar
                    )
                )
            ) as output,
            as_count(
                coalesce(
                    l.reasoning_output_tokens,
                    cast(
                        as_count(t.reasoning_output_tokens) - case
                            when has_grown then as_count(t_before.reasoning_output_tokens) else 0
                        end as varchar
                    )
                )
            ) as reasoning,
            as_utc(timestamp) as started_at,
            case when root is not null then concat_ws('|', 'codex', root, total_before, total) end as known_as
        from calls
        left join sessions using (file)
    )
select
    record,
    merged,
    case
        when started_at is null
        then concat('no readable time in timestamp: ', coalesce(timestamp, 'missing'))
        when coalesce(input, 0) < 0 or coalesce(output, 0) < 0
        then 'negative token counts'
    end as problem,
    null as not_call,
    -- No id of the answer is kept. This one holds wherever the events were copied to.
    known_as as provider_id,
    md5(known_as) as own_id,
    started_at,
    case
        when model_provider in ('openai', 'openai-chat-completions')
        then 'openai'
        when lower(model_provider) = 'azure'
        then 'azure.ai.openai'
        else coalesce(model_provider, 'openai')
    end as provider,
    'responses' as operation,
    -- What early files leave out is not guessed.
    model as response_model,
    cast(
        tools_so_far - coalesce(lag(tools_so_far) over (partition by file order by record), 0) as integer
    ) as tools_called,
    'codex' as endpoint,
    regexp_extract(folder, '([^/\\]+)[/\\]*$', 1) as project,
    session_id,
    cast(json_object('version', version, 'originator', originator) as varchar) as tags,
    input + case when cached > input then cached else 0 end as input_tokens,
    cached as cache_read_tokens,
    output + case when reasoning > output then reasoning else 0 end as output_tokens,
    reasoning as reasoning_tokens,
    case when input is not null or output is not null then 'reported' end as usage_source,
    'ok' as status
from counted
union all by name
select
    min(record) as record,
    count(*) - 1 as merged,
    case when kind = 'unread' then 'nothing of it is a line of a rollout' end as problem,
    case when kind <> 'unread' then kind end as not_call
from sorted_lines
where kind is not null and kind <> 'unread'
group by file, kind
union all by name
select record, 0 as merged, 'nothing of it is a line of a rollout' as problem, null as not_call
from sorted_lines
where kind = 'unread'
order by record
