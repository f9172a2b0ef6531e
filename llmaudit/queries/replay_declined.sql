-- question: Which calls are those of findings that were declined?
-- reads:    usage, declined
-- grain:    one row per request_id
-- params:
-- columns:  request_id
select u.request_id
from usage as u
semi join declined as d on u.endpoint is not distinct from d.endpoint and u.model is not distinct from d.model
order by u.request_id
