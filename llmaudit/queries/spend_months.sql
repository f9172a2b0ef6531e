-- question: What do calls cost by month, provider, model and team, at contracted and at list prices?
-- reads:    requests
-- grain:    one row per month, provider, model and team
-- params:
-- columns:  month, provider, model, team, contracted_usd, list_usd
select
    cast(date_trunc('month', started_at) as date) as month,
    provider,
    model,
    team,
    sum(cost_usd) as contracted_usd,
    sum(list_usd) as list_usd
from requests
where cost_usd is not null
group by 1, 2, 3, 4
order by 1, 2, 3, 4
