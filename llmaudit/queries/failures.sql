-- question: How many calls failed, of what, how many were paid for, what waiting did they cause, and did they
-- come in storms?
-- reads:    requests
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, failed, billed, unbilled, maybe_billed, kinds, error_types, retried, delay_ms,
-- storms, storm_requests, worst_minute_requests, worst_minute_at
with
    metered as (
        select
            request_id,
            endpoint,
            model,
            started_at,
            epoch_us(started_at) as starts_us,
            status <> 'ok' as has_failed,
            billable and coalesce(input_tokens, 0) + coalesce(output_tokens, 0) > 0 as is_billed,
            input_tokens is null and output_tokens is null as lacks_usage,
            duration_ms,
            coalesce(error_type, cast(http_status as varchar), status) as error_type,
            case
                when status = 'ok'
                then null
                when
                    http_status = 429
                    or regexp_matches(lower(error_type), 'rate.?limit|quota|throttl|exhausted|too.?many')
                then 'rate limit'
                when
                    http_status in (408, 504, 524, 598, 599)
                    or regexp_matches(lower(error_type), 'time.?out|timed.?out|deadline')
                then 'time-out'
                when status = 'cancelled' or http_status = 499
                then 'cancelled'
                when
                    http_status in (503, 529)
                    or regexp_matches(lower(error_type), 'overload|unavailable|capacity')
                then 'overload'
                when http_status >= 500 or regexp_matches(lower(error_type), 'server|internal')
                then 'server error'
                when
                    http_status >= 400
                    or regexp_matches(lower(error_type), 'invalid|auth|permission|not.?found|content')
                then 'refused'
                else 'other'
            end as kind,
            -- The same request again: word for word or, without texts, by the same caller in the same
            -- session or trace.
            case
                when prompt_hash is not null
                then coalesce(account_id, '') || '|' || cast(prompt_hash as varchar)
                when session_id is not null or trace_id is not null
                then
                    coalesce(account_id, '')
                    || '|'
                    || coalesce(session_id, '')
                    || '|'
                    || coalesce(trace_id, '')
                    || '|'
                    || coalesce(endpoint, '')
            end as request_key
        from requests
        where coalesce(billing_mode, 'metered') = 'metered'
    ),
    failed_keys as (select distinct request_key from metered where has_failed and request_key is not null),
    nexts as (
        select
            m.request_id,
            lead(m.starts_us) over (
                partition by m.request_key order by m.started_at, m.request_id
            ) as again_us
        from metered as m
        semi join failed_keys as k on m.request_key = k.request_key
    ),
    failed as (
        select
            m.*,
            n.again_us is not null and n.again_us - m.starts_us <= 600000000 as was_retried,
            case
                when n.again_us - m.starts_us <= 600000000
                then cast(n.again_us - m.starts_us as double) / 1000
                else m.duration_ms
            end as lost_ms
        from metered as m
        left join nexts as n on m.request_id = n.request_id
        where m.has_failed
    ),
    counts as (
        select
            endpoint,
            model,
            count(*) as failed,
            count(*) filter (where is_billed) as billed,
            count(*) filter (where not is_billed) as unbilled,
            -- Providers bill what a caller stopped waiting for, and such a log line bears no usage.
            count(*) filter (where lacks_usage and kind in ('time-out', 'cancelled')) as maybe_billed,
            count(*) filter (where was_retried) as retried,
            sum(lost_ms) as delay_ms
        from failed
        group by 1, 2
    ),
    kinds as (
        select
            endpoint,
            model,
            string_agg(kind || ' ' || cast(calls as varchar), ', ' order by calls desc, kind) as kinds
        from (select endpoint, model, kind, count(*) as calls from failed group by 1, 2, 3) as k
        group by 1, 2
    ),
    types as (
        select endpoint, model, string_agg(error_type, ', ' order by error_type) as error_types
        from (select distinct endpoint, model, error_type from failed) as t
        group by 1, 2
    ),
    minutes as (
        select
            endpoint,
            model,
            date_trunc('minute', started_at) as minute_at,
            count(*) filter (where has_failed) as failed_requests,
            count(*) as all_requests
        from metered
        group by 1, 2, 3
    ),
    -- A storm: minutes on end in each of which ten calls or more fail, and at least half of all.
    stormy as (
        select
            *,
            coalesce(
                date_diff(
                    'minute',
                    lag(minute_at) over (partition by endpoint, model order by minute_at, failed_requests),
                    minute_at
                )
                > 1,
                true
            ) as begins
        from minutes
        where failed_requests >= 10 and failed_requests * 2 >= all_requests
    ),
    ranked as (
        select
            *,
            row_number() over (partition by endpoint, model order by failed_requests desc, minute_at) as place
        from stormy
    ),
    storms as (
        select
            endpoint,
            model,
            count(*) filter (where begins) as storms,
            sum(failed_requests) as storm_requests,
            max(failed_requests) as worst_minute_requests,
            min(case when place = 1 then minute_at end) as worst_minute_at
        from ranked
        group by 1, 2
    )
select
    c.endpoint,
    c.model,
    c.failed,
    c.billed,
    c.unbilled,
    c.maybe_billed,
    k.kinds,
    t.error_types,
    c.retried,
    c.delay_ms,
    coalesce(s.storms, 0) as storms,
    coalesce(s.storm_requests, 0) as storm_requests,
    s.worst_minute_requests,
    s.worst_minute_at
from counts as c
join kinds as k on c.endpoint is not distinct from k.endpoint and c.model is not distinct from k.model
join types as t on c.endpoint is not distinct from t.endpoint and c.model is not distinct from t.model
left join storms as s on c.endpoint is not distinct from s.endpoint and c.model is not distinct from s.model
order by c.failed desc, c.endpoint, c.model
