-- question: What was used and paid on each local day, by model and tier?
-- reads:    requests, days
-- grain:    one row per (day, provider, model, service_tier)
-- params:
-- columns:  day, provider, model, service_tier, requests, input_tokens, cache_read_tokens,
-- cache_write_tokens,
-- cache_write_long_tokens, output_tokens, input_usd, cache_read_usd, cache_write_usd, cache_write_long_usd,
-- output_usd, other_usd
select
    d.day,
    r.provider,
    r.model,
    coalesce(r.service_tier, 'standard') as service_tier,
    count(*) as requests,
    sum(
        coalesce(r.input_tokens, 0) - coalesce(r.cache_read_tokens, 0) - coalesce(r.cache_write_tokens, 0)
    ) as input_tokens,
    sum(coalesce(r.cache_read_tokens, 0)) as cache_read_tokens,
    sum(coalesce(r.cache_write_tokens, 0) - coalesce(r.cache_write_long_tokens, 0)) as cache_write_tokens,
    sum(coalesce(r.cache_write_long_tokens, 0)) as cache_write_long_tokens,
    sum(coalesce(r.output_tokens, 0)) as output_tokens,
    sum(r.input_usd) as input_usd,
    sum(r.cache_read_usd) as cache_read_usd,
    sum(r.cache_write_usd) as cache_write_usd,
    sum(r.cache_write_long_usd) as cache_write_long_usd,
    sum(r.output_usd) as output_usd,
    sum(r.other_usd) as other_usd
from requests as r
join days as d on r.started_at >= d.starts_at and r.started_at < d.ends_at
where r.billable and r.cost_usd is not null
group by 1, 2, 3, 4
order by day, provider, model, service_tier
