-- question: Which groups of calls belong together, because calls of one scope do?
-- reads:    masks, scopes
-- grain:    one row per (name, first)
-- params:
-- columns:  name, first
with
    placed as (
        select m.component as name, min(m.component) over (partition by s.scope_key) as first
        from masks as m
        join scopes as s on m.request_id = s.request_id
    )
select distinct name, first
from placed
where name <> first
order by name, first
