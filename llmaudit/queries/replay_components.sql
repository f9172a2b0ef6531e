-- question: Which calls belong together once those of one scope do?
-- reads:    masks, scopes
-- grain:    one row per request_id
-- params:
-- columns:  request_id, component, mask
select m.request_id, min(m.component) over (partition by s.scope_key) as component, m.mask
from masks as m
join scopes as s on m.request_id = s.request_id
