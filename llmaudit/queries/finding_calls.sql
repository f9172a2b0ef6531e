-- question: Which calls stand behind each finding of a lever, the dearest first and no more than $most of
-- each?
-- reads:    moved, found
-- grain:    one row per (finding_id, request_id)
-- params:   most
-- columns:  finding_id, lever, request_id, before_usd, after_usd, place, requests, saving_usd
with
    ranked as (
        select
            f.finding_id,
            f.lever,
            v.request_id,
            v.before_usd,
            v.after_usd,
            f.saving_usd,
            row_number() over (
                partition by f.finding_id order by coalesce(v.before_usd - v.after_usd, 0) desc, v.request_id
            ) as place,
            count(*) over (partition by f.finding_id) as requests
        from moved as v
        join found as f on v.endpoint is not distinct from f.endpoint and v.model is not distinct from f.model
    )
select finding_id, lever, request_id, before_usd, after_usd, place, requests, saving_usd
from ranked
where place <= $most
order by finding_id, place
