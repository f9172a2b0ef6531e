-- question: Which calls are a sample of those that were made, as far as the logs or the user say so?
-- reads:    requests
-- grain:    one row per (source, sample_rate)
-- params:
-- columns:  source, sample_rate, requests, cost_usd
select source, sample_rate, count(*) as requests, sum(cost_usd) as cost_usd
from requests
where sample_rate < 1
group by 1, 2
order by source, sample_rate
