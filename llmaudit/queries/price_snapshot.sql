-- question: Which prices made the calls of each month cost what?
-- reads:    requests
-- grain:    one row per month, provider, model, service_tier, priced_by and price_id
-- params:
-- columns:  month, provider, model, service_tier, priced_by, price_id, requests, charged_requests,
-- unpriced_requests, tokens, cost_usd
select
    cast(date_trunc('month', started_at) as date) as month,
    provider,
    model,
    coalesce(service_tier, 'standard') as service_tier,
    priced_by,
    price_id,
    count(*) as requests,
    count(*) filter (where billable) as charged_requests,
    count(*) filter (where billable and cost_usd is null) as unpriced_requests,
    sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as tokens,
    sum(cost_usd) as cost_usd
from requests
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
