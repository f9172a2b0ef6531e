-- question: How many input tokens of each call are schemas of tools that its endpoint never calls?
-- reads:    usage, idle_tools
-- grain:    one row per request_id
-- params:
-- columns:  request_id, idle_tokens
with
    sized as (
        select
            u.request_id,
            cast(
                floor(
                    cast(u.input_tokens as double) * t.idle_bytes / (u.prompt_bytes + t.tools_bytes)
                ) as bigint
            ) as idle_tokens
        from usage as u
        join
            idle_tools as t
            on u.tools_hash = t.tools_hash
            and u.endpoint is not distinct from t.endpoint
            and u.model is not distinct from t.model
        where u.billable and u.input_tokens > 0 and u.prompt_bytes is not null
    )
select request_id, idle_tokens
from sized
where idle_tokens > 0
order by request_id
