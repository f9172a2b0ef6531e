-- question: Which calls were made for this user, other rows of the same call included?
-- reads:    request_rows
-- grain:    one row per call_key
-- params:   user
-- columns:  call_key, rows, further_rows
with
    named as (select call_key, trace_id, span_id from request_rows where user_id = $user),
    -- Another file may know the same span by another id, and no user.
    theirs as (
        select call_key
        from named
        union
        select r.call_key
        from request_rows as r
        semi join named as n on r.trace_id = n.trace_id and r.span_id = n.span_id
    )
select r.call_key, count(*) as rows, count(*) filter (where r.user_id is distinct from $user) as further_rows
from request_rows as r
join theirs as t on r.call_key = t.call_key
group by 1
order by 1
