-- question: What do the calls of each key cost by month, provider, model and team, for margins that depend
-- on these?
-- reads:    requests, allocation_keys
-- grain:    one row per key, month, provider, model and team
-- params:
-- columns:  key, month, provider, model, team, contracted_usd
select
    k.key,
    cast(date_trunc('month', r.started_at) as date) as month,
    r.provider,
    r.model,
    r.team,
    sum(r.cost_usd) as contracted_usd
from requests as r
join allocation_keys as k on r.request_id = k.request_id
where k.pool is null and r.cost_usd is not null
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5
