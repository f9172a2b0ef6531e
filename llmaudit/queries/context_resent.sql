-- question: How much of what conversations send has been sent before?
-- reads:    requests, context_steps
-- grain:    one row per (provider, endpoint, model) with calls that go on from others
-- params:
-- columns:  provider, endpoint, model, conversations, conversation_calls, input_tokens, longest_tokens,
-- resent_tokens, history_tokens, resent_read_tokens, result_tokens
with
    placed as (
        select
            r.request_id,
            r.provider,
            r.endpoint,
            r.model,
            s.conversation,
            r.input_tokens,
            coalesce(r.cache_read_tokens, 0) as read_tokens,
            cast(floor(r.input_tokens * s.result_share) as bigint) as result_tokens,
            lag(r.input_tokens) over (
                partition by s.conversation order by r.started_at, r.request_id
            ) as before_tokens,
            first_value(r.input_tokens) over (
                partition by s.conversation
                order by r.started_at, r.request_id
                rows between unbounded preceding and unbounded following
            ) as first_tokens,
            max(r.input_tokens) over (partition by s.conversation) as longest_tokens
        from requests as r
        join context_steps as s on r.request_id = s.request_id
        where s.calls > 1 and r.billable
    ),
    sent as (
        select *, case when before_tokens is null then 0 else least(before_tokens, input_tokens) end as resent
        from placed
    )
select
    provider,
    endpoint,
    model,
    count(distinct conversation) as conversations,
    count(*) as conversation_calls,
    sum(input_tokens) as input_tokens,
    sum(case when before_tokens is null then longest_tokens else 0 end) as longest_tokens,
    sum(resent) as resent_tokens,
    sum(greatest(resent - first_tokens, 0)) as history_tokens,
    sum(least(resent, read_tokens)) as resent_read_tokens,
    sum(result_tokens) as result_tokens
from sent
group by provider, endpoint, model
order by provider, endpoint, model
