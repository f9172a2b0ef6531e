-- question: Which answers were cut off at the cap on output, and which of those had to be asked for again?
-- reads:    requests
-- grain:    one row per request_id that was cut
-- params:   reask_seconds
-- columns:  request_id, asked_again
with
    answered as (
        select
            request_id,
            -- The same question: word for word or, without texts, as long and in the same session.
            case
                when prompt_hash is not null and prompt_bytes > 0
                then coalesce(account_id, '') || '|' || cast(prompt_hash as varchar)
                when prompt_hash is null and session_id is not null
                then
                    coalesce(account_id, '')
                    || '|'
                    || session_id
                    || '|'
                    || coalesce(endpoint, '')
                    || '|'
                    || cast(input_tokens as varchar)
            end as question,
            started_at,
            epoch_us(started_at) as starts_us,
            epoch_us(started_at) + cast(round(coalesce(duration_ms, 0) * 1000) as bigint) as ends_us,
            coalesce(
                regexp_extract(lower(finish_reason), '[a-z_]+$') in (
                    'length',
                    'max_tokens',
                    'max_output_tokens',
                    'max_completion_tokens',
                    'max_length',
                    'model_length',
                    'token_limit',
                    'token_limit_reached',
                    'model_context_window_exceeded'
                ),
                false
            ) as is_cut
        from requests
        where coalesce(billing_mode, 'metered') = 'metered' and status = 'ok'
    ),
    asked_often as (
        select question
        from answered
        where question is not null
        group by question
        having count(*) > 1 and count(*) filter (where is_cut) > 0
    ),
    placed as (
        select
            request_id,
            is_cut,
            starts_us,
            ends_us,
            min(case when not is_cut then starts_us end) over (
                partition by question
                order by started_at, request_id
                rows between 1 following and unbounded following
            ) as complete_us,
            max(case when not is_cut then ends_us end) over (
                partition by question
                order by started_at, request_id
                rows between unbounded preceding and 1 preceding
            ) as complete_before_us
        from answered
        semi join asked_often using (question)
    ),
    again as (
        select request_id
        from placed
        where
            is_cut
            and complete_us >= ends_us
            and complete_us - ends_us <= $reask_seconds * 1000000
            -- Somebody who already has a whole answer is drawing several, not mending a cut one.
            and coalesce(starts_us - complete_before_us > $reask_seconds * 1000000, true)
    )
select a.request_id, g.request_id is not null as asked_again
from answered as a
left join again as g on a.request_id = g.request_id
where a.is_cut
order by a.request_id
