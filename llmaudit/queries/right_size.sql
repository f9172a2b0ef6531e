-- question: Which calls could a cheaper model answer, or the same one with less thought, and how long would
-- the answers be?
-- reads:    usage, requests, size_ways, size_easy
-- grain:    one row per request_id
-- params:
-- columns:  request_id, to_provider, to_model, to_output_tokens, to_reasoning_tokens
with
    logged as (
        select
            r.request_id,
            w.to_provider,
            w.to_model,
            r.output_tokens,
            r.reasoning_tokens,
            w.output_ratio,
            w.thought_ratio,
            w.is_sorted,
            w.easy_share,
            e.is_easy
        from requests as r
        join
            size_ways as w
            on coalesce(r.provider, '') = w.provider
            and r.model = w.model
            and r.endpoint is not distinct from w.endpoint
        left join size_easy as e on r.request_id = e.request_id
        where
            r.status = 'ok'
            and coalesce(r.operation, 'chat')
            in ('chat', 'responses', 'completions', 'completion', 'messages')
    ),
    -- calls whose text was not kept are drawn, as many of them as are easy among those that were
    chosen as (
        select *
        from logged
        where
            not is_sorted
            or coalesce(
                is_easy,
                cast(strpos('0123456789abcdef', substr(md5(request_id), 1, 1)) - 1 as double) / 16
                + cast(strpos('0123456789abcdef', substr(md5(request_id), 2, 1)) - 1 as double) / 256
                < easy_share
            )
    )
select
    u.request_id,
    nullif(c.to_provider, '') as to_provider,
    c.to_model,
    case
        when c.thought_ratio is null
        then cast(floor(c.output_tokens * c.output_ratio + 0.5) as bigint)
        else
            c.output_tokens
            - coalesce(c.reasoning_tokens, 0)
            + cast(floor(coalesce(c.reasoning_tokens, 0) * c.thought_ratio + 0.5) as bigint)
    end as to_output_tokens,
    case
        when c.thought_ratio is null
        then cast(floor(c.reasoning_tokens * c.output_ratio + 0.5) as bigint)
        else cast(floor(c.reasoning_tokens * c.thought_ratio + 0.5) as bigint)
    end as to_reasoning_tokens
from usage as u
join chosen as c on u.request_id = c.request_id
where u.billable
order by u.request_id
