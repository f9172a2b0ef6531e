-- question: What do the answered calls of an endpoint cost today, and what do those of them that would
-- move?
-- reads:    usage, moves, money
-- grain:    one row per (endpoint, provider, model)
-- params:
-- columns:  endpoint, provider, model, calls, moved_calls, input_tokens, output_tokens,
-- tuned_input_tokens, moved_input_tokens, moved_output_tokens, moved_tuned_input_tokens, cost_usd,
-- moved_usd, unpriced
with
    answered as (
        select
            u.endpoint,
            u.provider,
            u.model,
            coalesce(u.input_tokens, 0) as input_tokens,
            coalesce(u.output_tokens, 0) as output_tokens,
            cast(ceil(coalesce(u.input_tokens, 0) * m.kept_input) as bigint) as tuned_input_tokens,
            c.cost_usd,
            m.below is null or substr(md5(u.request_id), 1, 8) < m.below as moves
        from usage as u
        join moves as m on u.endpoint = m.endpoint
        join money as c on u.request_id = c.request_id
        where u.billable and u.status = 'ok'
    )
select
    endpoint,
    provider,
    model,
    count(*) as calls,
    count(*) filter (where moves) as moved_calls,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    sum(tuned_input_tokens) as tuned_input_tokens,
    sum(input_tokens) filter (where moves) as moved_input_tokens,
    sum(output_tokens) filter (where moves) as moved_output_tokens,
    sum(tuned_input_tokens) filter (where moves) as moved_tuned_input_tokens,
    sum(cost_usd) as cost_usd,
    sum(cost_usd) filter (where moves) as moved_usd,
    count(*) filter (where cost_usd is null) as unpriced
from answered
group by 1, 2, 3
order by 1, 2, 3
