-- question: What do the changed calls cost, once a lever has changed some again and some for the first time?
-- reads:    changed_money, again, fresh
-- grain:    one row per request_id
-- params:
-- columns:  request_id, cost_usd
select c.request_id, c.cost_usd
from changed_money as c
anti join again as a on c.request_id = a.request_id
union all
select a.request_id, a.after_usd as cost_usd
from again as a
union all
select f.request_id, f.after_usd as cost_usd
from fresh as f
