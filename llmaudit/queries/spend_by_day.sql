-- question: What was spent on each local day?
-- reads:    requests, days
-- grain:    one row per day
-- params:
-- columns:  key, requests, input_tokens, output_tokens, priced_requests, cost_usd
select
    d.day as key,
    count(*) as requests,
    sum(r.input_tokens) as input_tokens,
    sum(r.output_tokens) as output_tokens,
    count(*) filter (where r.cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where r.billable) > 0
            and count(*) filter (where r.billable and r.cost_usd is not null) = 0
        then null
        else sum(r.cost_usd)
    end as cost_usd
from requests as r
join days as d on r.started_at >= d.starts_at and r.started_at < d.ends_at
group by 1
order by 1
