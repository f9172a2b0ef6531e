-- question: Which calls were made for this user, other rows of the same call included?
-- reads:    request_rows
-- grain:    one row per call_key
-- params:   user
-- columns:  call_key, rows, further_rows
with theirs as (select call_key from request_rows where user_id = $user group by 1)
select r.call_key, count(*) as rows, count(*) filter (where r.user_id is distinct from $user) as further_rows
from request_rows as r
join theirs as t on r.call_key = t.call_key
group by 1
order by 1
