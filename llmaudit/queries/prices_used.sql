-- question: Which price rows were used, and how much of the money is each behind?
-- reads:    requests
-- grain:    one row per provider, model, service_tier, priced_by and price_id
-- params:
-- columns:  provider, model, service_tier, priced_by, price_id, requests, input_tokens, output_tokens,
-- list_usd,
-- cost_usd, first_at, last_at
select
    provider,
    model,
    coalesce(service_tier, 'standard') as service_tier,
    priced_by,
    price_id,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    sum(list_usd) as list_usd,
    sum(cost_usd) as cost_usd,
    min(started_at) as first_at,
    max(started_at) as last_at
from requests
group by 1, 2, 3, 4, 5
order by cost_usd desc nulls last, provider, model, service_tier, priced_by, price_id
