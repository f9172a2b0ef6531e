-- question: What did the calls cost that a cache of near-copies would have answered?
-- reads:    requests, near_hits
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, requests, cost_usd
select r.endpoint, r.model, count(*) as requests, sum(r.cost_usd) as cost_usd
from requests as r
semi join near_hits as h on r.request_id = h.request_id
group by r.endpoint, r.model
order by r.endpoint, r.model
