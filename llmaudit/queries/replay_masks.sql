-- question: Which levers have touched each call, as a sum of powers of two?
-- reads:    masks, moved
-- grain:    one row per request_id
-- params:   bit
-- columns:  request_id, component, mask
select m.request_id, m.component, case when v.request_id is null then m.mask else m.mask | $bit end as mask
from masks as m
left join moved as v on m.request_id = v.request_id
