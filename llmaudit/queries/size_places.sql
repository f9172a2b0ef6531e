-- question: How many answered calls does each model get on each endpoint, and how long are its answers and
-- thoughts?
-- reads:    requests
-- grain:    one row per (provider, endpoint, model)
-- params:
-- columns:  provider, endpoint, model, answered_calls, output_tokens, reasoning_tokens, sized_calls
select
    coalesce(provider, '') as provider,
    endpoint,
    model,
    count(*) as answered_calls,
    sum(output_tokens) as output_tokens,
    sum(reasoning_tokens) as reasoning_tokens,
    count(output_tokens) as sized_calls
from requests
where
    billable
    and status = 'ok'
    and model is not null
    and coalesce(billing_mode, 'metered') = 'metered'
    and coalesce(operation, 'chat') in ('chat', 'responses', 'completions', 'completion', 'messages')
group by 1, 2, 3
order by provider, endpoint, model
