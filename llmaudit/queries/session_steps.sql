-- question: How often does a call of a conversation go on from the one before it, and what keeps it from
-- doing so?
-- reads:    usage, requests
-- grain:    one row per (endpoint, model)
-- params:   look_back_messages
-- columns:  endpoint, model, steps, model_changed, tools_changed, system_changed, messages_changed, look_back
with
    said as (
        select
            u.request_id,
            u.endpoint,
            u.model,
            u.session_id,
            u.started_at,
            coalesce(u.tools_hash, 0) as tools_hash,
            coalesce(u.system_hash, 0) as system_hash,
            r.prefix_hashes,
            r.prefix_hashes[-1] as whole_hash,
            array_length(r.prefix_hashes) as pieces
        from usage as u
        join requests as r on u.request_id = r.request_id
        where u.billable and u.session_id is not null and array_length(r.prefix_hashes) > 0
    ),
    stepped as (
        select
            *,
            lag(model) over (
                partition by session_id, endpoint order by started_at, request_id
            ) as model_before,
            lag(tools_hash) over (
                partition by session_id, endpoint order by started_at, request_id
            ) as tools_before,
            lag(system_hash) over (
                partition by session_id, endpoint order by started_at, request_id
            ) as system_before,
            lag(whole_hash) over (
                partition by session_id, endpoint order by started_at, request_id
            ) as whole_before,
            lag(pieces) over (
                partition by session_id, endpoint order by started_at, request_id
            ) as pieces_before
        from said
    ),
    judged as (
        select
            endpoint,
            model,
            case
                when model <> model_before
                then 'model_changed'
                when list_contains(prefix_hashes, whole_before)
                then
                    case when pieces - pieces_before > $look_back_messages then 'look_back' else 'goes_on' end
                when tools_hash <> tools_before
                then 'tools_changed'
                when system_hash <> system_before
                then 'system_changed'
                else 'messages_changed'
            end as step
        from stepped
        where whole_before is not null
    )
select
    endpoint,
    model,
    count(*) as steps,
    count(*) filter (where step = 'model_changed') as model_changed,
    count(*) filter (where step = 'tools_changed') as tools_changed,
    count(*) filter (where step = 'system_changed') as system_changed,
    count(*) filter (where step = 'messages_changed') as messages_changed,
    count(*) filter (where step = 'look_back') as look_back
from judged
group by endpoint, model
order by endpoint, model
