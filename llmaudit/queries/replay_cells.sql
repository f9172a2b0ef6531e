-- question: Which cells do the meeting calls fall into, in an order that has nothing to do with them?
-- reads:    meeting
-- grain:    one row per cell
-- params:   limit_cells
-- columns:  cell, mask, requests, whole, place
with
    cells as (
        select cell, bit_or(mask) as mask, count(*) as requests, bool_and(whole) as whole, md5(cell) as place
        from meeting
        group by cell
    ),
    ranked as (select *, row_number() over (order by place, cell) as rank from cells)
select cell, mask, requests, whole, place
from ranked
where rank <= $limit_cells
order by place, cell
