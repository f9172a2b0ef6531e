-- question: How many calls and tokens did the providers themselves count, by day, model and tier?
-- reads:    aggregates, model_keys
-- grain:    one row per (source, provider, account_id, day_at, model, service_tier)
-- params:
-- columns:  source, provider, account_id, day_at, model, service_tier, calls, input_q, cache_read_q,
-- cache_write_q, cache_write_long_q, output_q
select
    a.source,
    a.provider,
    a.account_id,
    date_trunc('day', a.period_start) as day_at,
    coalesce(k.model_key, a.model) as model,
    a.service_tier,
    sum(a.requests) as calls,
    sum(a.input_tokens - coalesce(a.cache_read_tokens, 0) - coalesce(a.cache_write_tokens, 0)) as input_q,
    sum(coalesce(a.cache_read_tokens, 0)) as cache_read_q,
    sum(coalesce(a.cache_write_tokens, 0) - coalesce(a.cache_write_long_tokens, 0)) as cache_write_q,
    sum(coalesce(a.cache_write_long_tokens, 0)) as cache_write_long_q,
    sum(coalesce(a.output_tokens, 0)) as output_q
from aggregates as a
left join model_keys as k on a.provider = k.provider and a.model = k.model
where a.model is not null and epoch_us(a.period_end) - epoch_us(a.period_start) <= 86400000000
group by 1, 2, 3, 4, 5, 6
order by source, provider, account_id, day_at, model, service_tier
