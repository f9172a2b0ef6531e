-- question: Into how many blocks of sessions, users or hours do the calls of an endpoint and model fall?
-- reads:    usage
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, blocks
select
    endpoint,
    model,
    count(
        distinct substr(
            md5(
                coalesce(
                    session_id,
                    user_id,
                    trace_id,
                    cast(date_diff('hour', timestamp '1970-01-01 00:00:00', started_at) as varchar)
                )
            ),
            1,
            2
        )
    ) as blocks
from usage
group by 1, 2
order by 1, 2
