-- question: Which texts stand in calls of this user and in nobody else's?
-- reads:    request_rows, forgotten_calls
-- grain:    one row per text_hash
-- params:
-- columns:  text_hash
with
    told as (
        select unnest(r.message_hashes) as text_hash, r.call_key
        from request_rows as r
        union all
        select r.output_hash as text_hash, r.call_key
        from request_rows as r
    ),
    others as (
        select distinct t.text_hash from told as t anti join forgotten_calls as f on t.call_key = f.call_key
    ),
    theirs as (
        select distinct t.text_hash from told as t semi join forgotten_calls as f on t.call_key = f.call_key
    )
select t.text_hash
from theirs as t
anti join others as o on t.text_hash = o.text_hash
where t.text_hash is not null
order by 1
