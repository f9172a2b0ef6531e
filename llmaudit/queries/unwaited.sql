-- question: Which calls does nobody wait for, and what shows it?
-- reads:    requests
-- grain:    one row per request_id
-- params:
-- columns:  request_id, sign, jobs, job_calls, spread_seconds, job_minutes
with
    made as (
        select
            request_id,
            coalesce(endpoint, '')
            || '|'
            || coalesce(account_id, '')
            || '|'
            || coalesce(api_key_id, '')
            || '|'
            || coalesce(environment, '') as caller,
            epoch_us(started_at) as at_us,
            cast(round(coalesce(duration_ms, 0) * 1000) as bigint) as busy_us,
            duration_ms is not null as is_timed,
            input_tokens,
            user_id,
            session_id,
            trace_id,
            prompt_hash,
            prefix_hashes,
            coalesce(
                stream, coalesce(first_token_ms < duration_ms * 0.9, first_token_ms is not null)
            ) as is_stream,
            coalesce(tools_called, 0) > 0 and coalesce(tools_offered, 2) > 1 as chose_a_tool
        from requests
        where
            coalesce(billing_mode, 'metered') = 'metered'
            and started_at is not null
            and coalesce(service_tier, '') not in ('batch', 'flex')
    ),
    log_ends as (select min(at_us) as log_from_us, max(at_us) as log_to_us from made),
    -- People stream, are many, and let a model choose among tools. A caller with any of these is left alone.
    machines as (
        select caller, count(*) as caller_calls
        from made
        group by caller
        having
            count(*) >= 40
            and count(*) filter (where is_stream) * 50 <= count(*)
            and count(distinct user_id) <= 2
            and count(*) filter (where chose_a_tool) * 20 <= count(*)
    ),
    kept as (
        select m.request_id, m.caller, m.at_us, m.busy_us, m.is_timed, c.caller_calls
        from made as m
        join machines as c on m.caller = c.caller
    ),

    -- Every day at the same time: the day is cut twelve hours from the middle of the caller's calls.
    middles as (
        select
            caller,
            cast(
                round(
                    atan2(
                        round(sum(sin(2 * pi() * cast(at_us % 86400000000 as double) / 86400000000)), 9),
                        round(sum(cos(2 * pi() * cast(at_us % 86400000000 as double) / 86400000000)), 9)
                    )
                    / (2 * pi())
                    * 86400
                ) as bigint
            )
            * 1000000 as middle_us
        from kept
        group by caller
    ),
    placed as (
        select
            k.*,
            m.middle_us,
            cast(
                floor(cast(k.at_us - m.middle_us + 43200000000 as double) / 86400000000) as bigint
            ) as day_number
        from kept as k
        join middles as m on k.caller = m.caller
    ),
    days as (
        select
            caller,
            day_number,
            count(*) as calls,
            cast(
                floor(cast(min(at_us - middle_us) - day_number * 86400000000 as double) / 1000000) as bigint
            ) as starts_s,
            cast(floor(cast(min(at_us) % 3600000000 as double) / 1000000) as bigint) as hour_s,
            cast(floor(cast(min(at_us) % 86400000000 as double) / 1000000) as bigint) as day_s,
            max(at_us) - min(at_us) as length_us
        from placed
        group by caller, day_number
        having count(*) >= 5 and max(at_us) - min(at_us) <= 7200000000
    ),
    daily_sums as (
        select
            caller,
            count(*) as jobs,
            sum(calls) as calls,
            min(calls) as fewest,
            sum(length_us) as length_us,
            -- In the small hours of the log's clock a slow or late job will do. Else its calls have to follow
            -- close on another, and begin on the minute: a class or a meeting does not.
            min(day_s) >= 1800 and max(day_s) <= 19800 as is_night,
            sum(length_us) <= sum(calls) * 10000000 as is_close,
            -- Squared seconds times jobs squared.
            count(*) * sum(starts_s * starts_s) - sum(starts_s) * sum(starts_s) as spread,
            round(
                sqrt(
                    power(sum(cos(2 * pi() * hour_s / 3600)), 2)
                    + power(sum(sin(2 * pi() * hour_s / 3600)), 2)
                )
                / count(*),
                9
            ) as hour_r
        from days
        group by caller
        having count(*) >= 3
    ),
    daily as (
        select
            s.caller,
            s.jobs,
            cast(round(cast(s.calls as double) / s.jobs) as bigint) as job_calls,
            cast(round(sqrt(cast(s.spread as double)) / s.jobs) as bigint) as spread_seconds,
            cast(round(cast(s.length_us as double) / s.jobs / 60000000) as bigint) as job_minutes
        from daily_sums as s
        join machines as c on s.caller = c.caller
        where
            s.calls * 10 >= c.caller_calls * 8
            and (s.is_night or s.is_close)
            and (
                s.spread <= 60 * 60 * s.jobs * s.jobs
                or (s.is_night and s.spread <= 600 * 600 * s.jobs * s.jobs and s.fewest >= 10)
                -- Clocks that change leave the minute as it is and move the hour once.
                or (
                    s.spread <= 2400 * 2400 * s.jobs * s.jobs
                    and s.fewest >= 10
                    and s.jobs >= 6
                    and s.hour_r >= case when s.is_night then 0.96 else 0.9945 end
                )
            )
    ),

    -- Runs: calls of one caller with less than a quarter of an hour between them.
    spaced as (
        select *, at_us - lag(at_us) over (partition by caller order by at_us, request_id) as gap_us from kept
    ),
    opened as (select *, case when gap_us <= 900000000 then 0 else 1 end as opens from spaced),
    numbered as (
        select
            *,
            sum(opens) over (
                partition by caller
                order by at_us, request_id
                rows between unbounded preceding and current row
            ) as run
        from opened
    ),
    runs as (
        select
            caller,
            run,
            min(caller_calls) as caller_calls,
            count(*) as calls,
            count(*) filter (where is_timed) as timed_calls,
            min(at_us) as from_us,
            max(at_us) as to_us,
            sum(busy_us) as busy_us,
            round(sum(case when opens = 0 then power(cast(gap_us as double) / 1000, 2) end), 3) as gap_squares
        from numbered
        group by caller, run
    ),
    hourly_sums as (
        select
            caller,
            count(*) as jobs,
            sum(calls) as calls,
            min(caller_calls) as caller_calls,
            sum(to_us - from_us) as length_us,
            count(
                distinct cast(floor(cast(from_us % 86400000000 as double) / 3600000000) as bigint)
            ) as hours,
            round(
                sqrt(
                    power(sum(cos(2 * pi() * cast(from_us % 3600000000 as double) / 3600000000)), 2)
                    + power(sum(sin(2 * pi() * cast(from_us % 3600000000 as double) / 3600000000)), 2)
                )
                / count(*),
                12
            ) as hour_r
        from runs
        where calls >= 5 and to_us - from_us <= 7200000000
        group by caller
        having count(*) >= 8
    ),
    hourly as (
        select
            caller,
            jobs,
            cast(round(cast(calls as double) / jobs) as bigint) as job_calls,
            cast(round(sqrt(greatest(-2 * ln(hour_r), 0)) * 3600 / (2 * pi())) as bigint) as spread_seconds,
            cast(round(cast(length_us as double) / jobs / 60000000) as bigint) as job_minutes
        from hourly_sums
        -- 0.97825: starts that lie within two minutes of each other, as a standard deviation.
        where
            calls * 10 >= caller_calls * 9
            and hour_r >= 0.97825
            and (length_us <= calls * 10000000 or (hours >= 6 and length_us <= calls * 60000000))
    ),

    -- Workers that take the next item as soon as one is done: the number of calls under way hardly changes.
    long_runs as (
        select *
        from runs
        where
            calls >= 200
            and to_us - from_us >= 600000000
            and timed_calls * 20 >= calls * 19
            -- Not on a fixed beat: that is how logs are made up.
            and gap_squares * (calls - 1) >= 1.0025 * power(cast(to_us - from_us as double) / 1000, 2)
    ),
    steps as (
        select n.caller, n.run, n.request_id, n.at_us as step_us, 1 as step
        from numbered as n
        join long_runs as r on n.caller = r.caller and n.run = r.run
        union all
        select n.caller, n.run, n.request_id, n.at_us + n.busy_us as step_us, -1 as step
        from numbered as n
        join long_runs as r on n.caller = r.caller and n.run = r.run
    ),
    levels as (
        select
            caller,
            run,
            step,
            sum(step) over (
                partition by caller, run
                order by step_us, step, request_id
                rows between unbounded preceding and current row
            ) as under_way
        from steps
    ),
    level_sums as (
        select caller, run, count(*) as calls, sum(under_way) as total, sum(under_way * under_way) as squares
        from levels
        where step = 1
        group by caller, run
    ),
    pools as (
        select l.caller, l.run
        from level_sums as l
        join long_runs as r on l.caller = r.caller and l.run = r.run
        where
            l.total * 2 >= l.calls * 3
            and (l.calls * l.squares - l.total * l.total) * 5 <= l.calls * l.total
            and cast(r.busy_us as double) * l.calls >= 0.8 * cast(r.to_us - r.from_us as double) * l.total
    ),

    -- One-off jobs: at most two steady runs, each with quiet before and after it.
    few as (select caller from runs group by caller having count(*) <= 2),
    minutes as (
        select
            n.caller,
            n.run,
            cast(floor(cast(n.at_us - r.from_us as double) / 60000000) as bigint) as minute,
            count(*) as calls
        from numbered as n
        join runs as r on n.caller = r.caller and n.run = r.run
        semi join few as f on n.caller = f.caller
        group by 1, 2, 3
    ),
    minute_sums as (
        select caller, run, max(minute) + 1 as minutes, sum(calls) as calls, sum(calls * calls) as squares
        from minutes
        group by caller, run
    ),
    backfills as (
        select r.caller, r.run
        from runs as r
        semi join few as f on r.caller = f.caller
        join minute_sums as m on r.caller = m.caller and r.run = m.run
        join
            log_ends as e
            on r.from_us - e.log_from_us >= greatest(7200000000, 4 * (r.to_us - r.from_us))
            and e.log_to_us - r.to_us >= greatest(7200000000, 4 * (r.to_us - r.from_us))
        where
            r.calls >= 200
            and r.calls >= 20 * m.minutes
            and (m.minutes < 4 or m.squares * m.minutes - m.calls * m.calls <= 2 * m.calls * m.minutes)
    ),
    single_runs as (
        select caller, run, min(sign) as sign
        from
            (
                select caller, run, 'worker pool' as sign
                from pools
                union all
                select caller, run, 'one-off job' as sign
                from backfills
            ) as s
        group by caller, run
    ),
    found as (
        select
            p.request_id,
            p.caller,
            'every day' as sign,
            s.jobs,
            s.job_calls,
            s.spread_seconds,
            s.job_minutes,
            1 as place
        from placed as p
        join days as d on p.caller = d.caller and p.day_number = d.day_number
        join daily as s on p.caller = s.caller
        union all
        select
            n.request_id,
            n.caller,
            'same minute of the hour',
            s.jobs,
            s.job_calls,
            s.spread_seconds,
            s.job_minutes,
            2
        from numbered as n
        join
            runs as r
            on n.caller = r.caller
            and n.run = r.run
            and r.calls >= 5
            and r.to_us - r.from_us <= 7200000000
        join hourly as s on n.caller = s.caller
        union all
        select
            n.request_id,
            n.caller,
            s.sign,
            1,
            r.calls,
            null,
            cast(round(cast(r.to_us - r.from_us as double) / 60000000) as bigint),
            3
        from numbered as n
        join runs as r on n.caller = r.caller and n.run = r.run
        join single_runs as s on n.caller = s.caller and n.run = s.run
    ),
    suspects as (select distinct caller from found),

    -- A call that another one builds on: the next of its session or trace, or one whose prompt goes on from
    -- it.
    threads as (
        select m.request_id, m.caller, 's' || m.session_id as thread, m.at_us, m.busy_us, m.input_tokens
        from made as m
        where m.session_id is not null
        union all
        select m.request_id, m.caller, 't' || m.trace_id as thread, m.at_us, m.busy_us, m.input_tokens
        from made as m
        where m.trace_id is not null
    ),
    suspect_threads as (
        select distinct t.thread from threads as t semi join suspects as s on t.caller = s.caller
    ),
    followed as (
        select
            t.request_id,
            t.caller,
            t.thread,
            lead(t.at_us) over (partition by t.thread order by t.at_us, t.request_id) - t.at_us as next_us,
            t.busy_us,
            lead(t.input_tokens) over (partition by t.thread order by t.at_us, t.request_id)
            > t.input_tokens as grows
        from threads as t
        semi join suspect_threads as s on t.thread = s.thread
    ),
    -- A session of many calls that do not grow is a job, not a conversation.
    job_threads as (
        select thread
        from followed
        group by thread
        having count(*) >= 20 and count(*) filter (where grows) * 100 <= count(*) * 65
    ),
    openings as (
        select distinct m.caller, m.prefix_hashes[array_length(m.prefix_hashes) - b.back] as opening
        from
            (
                select caller, prefix_hashes
                from made as a
                semi join suspects as s on a.caller = s.caller
                where array_length(prefix_hashes) > 1
            ) as m
        join (select unnest(generate_series(1, 6)) as back) as b on b.back < array_length(m.prefix_hashes)
    ),
    built_on as (
        select f.request_id, f.caller
        from followed as f
        anti join job_threads as j on f.thread = j.thread
        where f.next_us >= f.busy_us and f.next_us <= 1800000000
        union
        select m.request_id, m.caller
        from made as m
        join openings as o on m.caller = o.caller and m.prompt_hash = o.opening
    ),
    chatty as (
        select b.caller
        from built_on as b
        join machines as c on b.caller = c.caller
        group by b.caller
        having count(*) * 20 > min(c.caller_calls)
    ),
    ranked as (
        select f.*, row_number() over (partition by f.request_id order by f.place, f.sign) as rank
        from found as f
        anti join chatty as c on f.caller = c.caller
    )
select request_id, sign, jobs, job_calls, spread_seconds, job_minutes
from ranked
where rank = 1
order by request_id
