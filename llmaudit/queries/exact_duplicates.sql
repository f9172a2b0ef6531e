-- question: When was each answer at temperature 0 asked for and given, for requests that were sent more
-- than once?
-- reads:    usage
-- grain:    one row per (request, answer) that occurs more than once
-- params:
-- columns:  request_ids, times_us, answered_us
select
    string_agg(request_id, chr(31) order by started_at, request_id) as request_ids,
    string_agg(
        cast(date_diff('microsecond', timestamp '1970-01-01 00:00:00', started_at) as varchar),
        chr(31)
        order by started_at, request_id
    ) as times_us,
    string_agg(
        cast(
            date_diff('microsecond', timestamp '1970-01-01 00:00:00', started_at)
            + cast(round(coalesce(duration_ms, 0) * 1000) as bigint) as varchar
        ),
        chr(31)
        order by started_at, request_id
    ) as answered_us
from usage
where
    billable
    and status = 'ok'
    and temperature = 0
    and prompt_hash is not null
    and output_hash is not null
    and prompt_bytes > 0
group by account_id, provider, request_model, prompt_hash, params_hash, output_hash
having count(*) > 1
order by request_ids
