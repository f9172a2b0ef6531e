-- question: What do all calls come to?
-- reads:    requests, unmetered
-- grain:    one row
-- params:
-- columns:  requests, errors, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
-- reasoning_tokens,
-- cost_usd, list_usd, reported_cost_usd, estimated_usage_usd, unmetered_list_usd, unpriced_requests,
-- unpriced_low_usd,
-- unpriced_high_usd, exact_usd, alias_usd, rule_usd, user_usd, reported_usd, first_at, last_at
select
    count(*) as requests,
    count(*) filter (where r.status <> 'ok') as errors,
    sum(r.input_tokens) as input_tokens,
    sum(r.cache_read_tokens) as cache_read_tokens,
    sum(r.cache_write_tokens) as cache_write_tokens,
    sum(r.output_tokens) as output_tokens,
    sum(r.reasoning_tokens) as reasoning_tokens,
    sum(r.cost_usd) as cost_usd,
    sum(r.list_usd) as list_usd,
    sum(r.reported_cost_usd) as reported_cost_usd,
    sum(r.cost_usd) filter (where r.usage_source = 'estimated') as estimated_usage_usd,
    sum(u.list_usd) as unmetered_list_usd,
    count(*) filter (where r.billable and r.cost_usd is null) as unpriced_requests,
    sum(r.low_usd) filter (where r.billable and r.cost_usd is null) as unpriced_low_usd,
    sum(r.high_usd) filter (where r.billable and r.cost_usd is null) as unpriced_high_usd,
    sum(r.cost_usd) filter (where r.priced_by = 'exact') as exact_usd,
    sum(r.cost_usd) filter (where r.priced_by = 'alias') as alias_usd,
    sum(r.cost_usd) filter (where r.priced_by = 'rule') as rule_usd,
    sum(r.cost_usd) filter (where r.priced_by = 'user') as user_usd,
    sum(r.cost_usd) filter (where r.priced_by = 'reported') as reported_usd,
    min(r.started_at) as first_at,
    max(r.started_at) as last_at
from requests as r
left join unmetered as u on r.request_id = u.request_id
