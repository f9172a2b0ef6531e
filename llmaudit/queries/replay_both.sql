-- question: Which rows are in either of two tables that share no call?
-- reads:    first, second
-- grain:    one row per request_id
-- params:
-- columns:  first
select f.*
from first as f
union all
select s.*
from second as s
