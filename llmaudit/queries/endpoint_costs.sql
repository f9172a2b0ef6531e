-- question: Which endpoints are dear, and what is a call of theirs like?
-- reads:    requests
-- grain:    one row per endpoint
-- params:
-- columns:  endpoint, requests, cost_usd, input_tokens, cache_read_tokens, output_tokens, reasoning_tokens,
-- errors,
-- duration_ms_p50, duration_ms_p95, models
with
    ranked as (
        select
            endpoint,
            duration_ms,
            row_number() over (partition by endpoint order by duration_ms, request_id) as place,
            count(*) over (partition by endpoint) as timed
        from requests
        where duration_ms is not null and status = 'ok'
    ),
    latencies as (
        select
            endpoint,
            min(duration_ms) filter (where place * 100 >= timed * 50) as duration_ms_p50,
            min(duration_ms) filter (where place * 100 >= timed * 95) as duration_ms_p95
        from ranked
        group by 1
    ),
    costs as (
        select
            endpoint,
            count(*) as requests,
            case
                when
                    count(*) filter (where billable) > 0
                    and count(*) filter (where billable and cost_usd is not null) = 0
                then null
                else sum(cost_usd)
            end as cost_usd,
            sum(input_tokens) as input_tokens,
            sum(cache_read_tokens) as cache_read_tokens,
            sum(output_tokens) as output_tokens,
            sum(reasoning_tokens) as reasoning_tokens,
            count(*) filter (where status <> 'ok') as errors,
            count(distinct model) as models
        from requests
        group by 1
    )
select
    c.endpoint,
    c.requests,
    c.cost_usd,
    c.input_tokens,
    c.cache_read_tokens,
    c.output_tokens,
    c.reasoning_tokens,
    c.errors,
    l.duration_ms_p50,
    l.duration_ms_p95,
    c.models
from costs as c
left join latencies as l on c.endpoint is not distinct from l.endpoint
order by c.cost_usd desc nulls last, c.requests desc, c.endpoint
