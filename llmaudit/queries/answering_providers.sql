-- question: Which providers answer the calls of each endpoint?
-- reads:    requests
-- grain:    one row per (endpoint, provider)
-- params:
-- columns:  endpoint, provider
select endpoint, provider
from requests
where status = 'ok' and provider is not null
group by 1, 2
order by 1, 2
