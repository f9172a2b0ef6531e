-- question: What do the calls that a lever has to look at again cost now?
-- reads:    dirty, money, changed_money
-- grain:    one row per request_id
-- params:
-- columns:  request_id, cost_usd
select d.request_id, m.cost_usd
from dirty as d
join money as m on d.request_id = m.request_id
anti join changed_money as c on d.request_id = c.request_id
union all
select c.request_id, c.cost_usd
from changed_money as c
