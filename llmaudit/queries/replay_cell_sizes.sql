-- question: How many meeting calls are there by the levers that touch their cell?
-- reads:    meeting
-- grain:    one row per mask
-- params:
-- columns:  mask, cells, requests, largest
with cells as (select cell, bit_or(mask) as mask, count(*) as requests from meeting group by 1)
select mask, count(*) as cells, sum(requests) as requests, max(requests) as largest
from cells
group by 1
order by 1
