-- question: What did each touched call cost, and what would it have cost?
-- reads:    touched, before, after
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint, model, day, before_usd, after_usd
select
    t.request_id,
    t.endpoint,
    t.model,
    cast(date_trunc('day', t.started_at) as date) as day,
    b.cost_usd as before_usd,
    a.cost_usd as after_usd
from touched as t
join before as b on t.request_id = b.request_id
join after as a on t.request_id = a.request_id
order by t.request_id
