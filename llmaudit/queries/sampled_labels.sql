-- question: Which endpoint does every sampled call belong to?
-- reads:    requests, sample
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint
select r.request_id, r.endpoint
from requests as r
semi join sample as s on r.request_id = s.request_id
order by r.request_id
