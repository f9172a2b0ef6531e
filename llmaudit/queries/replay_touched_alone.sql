-- question: What do the calls become of those groups that no lever but this one touches?
-- reads:    after, masks
-- grain:    one row per request_id
-- params:   bit
-- columns:  after
with
    groups as (select component, bit_or(mask) as mask from masks group by component),
    alone as (
        select m.request_id from masks as m join groups as g on m.component = g.component where g.mask = $bit
    )
select a.*
from after as a
semi join alone as o on a.request_id = o.request_id
