-- question: How many repeats would a cache have answered, by how long it keeps an answer?
-- reads:    cache_hits, requests
-- grain:    one row per ttl_seconds
-- params:
-- columns:  ttl_seconds, requests, saving_usd
select h.ttl_seconds, count(*) as requests, sum(r.cost_usd) as saving_usd
from cache_hits as h
join requests as r on h.request_id = r.request_id
group by 1
order by 1
