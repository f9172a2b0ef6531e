-- question: What was spent by month, provider and model?
-- reads:    usage, money
-- grain:    one row per (month, provider, model)
-- params:
-- columns:  month, provider, model, usd
select cast(date_trunc('month', u.started_at) as date) as month, u.provider, u.model, sum(m.cost_usd) as usd
from usage as u
join money as m on u.request_id = m.request_id
where m.cost_usd is not null
group by 1, 2, 3
order by 1, 2, 3
