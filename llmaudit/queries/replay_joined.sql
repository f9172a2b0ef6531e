-- question: To which group does each call belong, once groups that are linked are one?
-- reads:    masks, joined
-- grain:    one row per request_id
-- params:
-- columns:  request_id, component, mask
select m.request_id, coalesce(j.first, m.component) as component, m.mask
from masks as m
left join joined as j on m.component = j.name
