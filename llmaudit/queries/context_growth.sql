-- question: Of which conversations do the calls count, what do they hold, and when are they to be shortened?
-- reads:    usage, context_steps, context_bars
-- grain:    one row per request_id, by conversation and time
-- params:   fewest_calls, part, parts
-- columns:  request_id, conversation, bar_tokens, clears, input_tokens, result_tokens, cache_read_tokens,
-- cache_write_tokens,
-- cache_write_long_tokens, output_tokens
with
    known as (
        select
            u.request_id,
            u.started_at,
            u.billable,
            s.conversation,
            b.bar_tokens,
            b.clears,
            u.input_tokens,
            cast(floor(u.input_tokens * coalesce(s.result_share, 0)) as bigint) as result_tokens,
            coalesce(u.cache_read_tokens, 0) as cache_read_tokens,
            coalesce(u.cache_write_tokens, 0) as cache_write_tokens,
            coalesce(u.cache_write_long_tokens, 0) as cache_write_long_tokens,
            coalesce(u.output_tokens, 0) as output_tokens,
            -- a call that shortens has a prompt of unknown size: it was done already
            count(*) filter (where u.prompt_bytes is null) over (partition by s.conversation) as shortened,
            max(case when u.billable then u.input_tokens else 0 end) over (
                partition by s.conversation
            ) as longest_tokens
        from usage as u
        join context_steps as s on u.request_id = s.request_id
        join context_bars as b on s.conversation = b.conversation
        where s.calls >= $fewest_calls and u.input_tokens > 0 and s.conversation % $parts = $part
    )
select
    request_id,
    conversation,
    bar_tokens,
    clears,
    input_tokens,
    result_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_long_tokens,
    output_tokens
from known
where billable and shortened = 0 and longest_tokens > bar_tokens
order by conversation, started_at, request_id
