-- question: What did each touched call cost, and what would it have cost, if a new cost that nobody knows
-- is the
-- old one, and a cost that the log does not tell is nothing to save from?
-- reads:    touched, before, after, logged
-- grain:    one row per request_id
-- params:   by_day
-- columns:  request_id, endpoint, model, day, block, before_usd, after_usd
select
    t.request_id,
    l.endpoint,
    l.model,
    cast(date_trunc('day', l.started_at) as date) as day,
    case
        when $by_day
        then cast(cast(date_trunc('day', l.started_at) as date) as varchar)
        else
            substr(
                md5(
                    coalesce(
                        l.session_id,
                        l.user_id,
                        l.trace_id,
                        cast(date_diff('hour', timestamp '1970-01-01 00:00:00', l.started_at) as varchar)
                    )
                ),
                1,
                2
            )
    end as block,
    b.cost_usd as before_usd,
    case when b.cost_usd is not null then coalesce(a.cost_usd, b.cost_usd) end as after_usd
from touched as t
join logged as l on t.request_id = l.request_id
join before as b on t.request_id = b.request_id
join after as a on t.request_id = a.request_id
