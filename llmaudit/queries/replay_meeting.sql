-- question: Which calls belong to a group that two levers or more touch, and to which cell of it, where
-- groups
-- of more than $most calls are cut into cells of so many in a row of one endpoint?
-- reads:    masks, usage
-- grain:    one row per request_id
-- params:   most
-- columns:  request_id, cell, mask, whole
with
    groups as (select component, bit_or(mask) as mask, count(*) as requests from masks group by 1),
    meeting as (
        select m.request_id, m.component, m.mask, g.requests, u.endpoint, u.started_at
        from masks as m
        join groups as g on m.component = g.component
        join usage as u on m.request_id = u.request_id
        where (g.mask & (g.mask - 1)) <> 0
    ),
    numbered as (
        select
            *,
            row_number() over (partition by component, endpoint order by started_at, request_id) - 1 as place
        from meeting
    )
select
    request_id,
    case
        when requests <= $most
        then component
        else concat(component, '|', coalesce(endpoint, ''), '|', cast((place - place % $most) as varchar))
    end as cell,
    mask,
    requests <= $most as whole
from numbered
order by request_id
