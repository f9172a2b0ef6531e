-- question: Which calls have changed so far, once a lever has changed some again and some for the first time?
-- reads:    changed, again, fresh
-- grain:    one row per request_id
-- params:
-- columns:  changed
select c.*
from changed as c
anti join again as a on c.request_id = a.request_id
union all
select a.*
from again as a
union all
select f.*
from fresh as f
