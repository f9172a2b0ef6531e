-- question: How many calls of the endpoint share each fate and model, what did they cost, and when were they?
-- reads:    handoff_calls
-- grain:    one row per fate, provider and model
-- params:
-- columns:  fate, provider, model, requests, cost_usd, first_at, last_at
select
    fate,
    provider,
    model,
    count(*) as requests,
    sum(cost_usd) as cost_usd,
    min(started_at) as first_at,
    max(started_at) as last_at
from handoff_calls
group by fate, provider, model
order by fate, provider, model
