-- question: Whose bill goes down and whose goes up by what a lever changes, by month, provider and model?
-- reads:    moved, earlier, later
-- grain:    one row per (month, provider, model)
-- params:
-- columns:  month, provider, model, usd
with
    shifted as (
        select e.started_at, e.provider, e.model, - v.before_usd as usd
        from moved as v
        join earlier as e on v.request_id = e.request_id
        union all
        select e.started_at, l.provider, l.model, v.after_usd as usd
        from moved as v
        join earlier as e on v.request_id = e.request_id
        join later as l on v.request_id = l.request_id
    )
select cast(date_trunc('month', started_at) as date) as month, provider, model, sum(usd) as usd
from shifted
where usd is not null
group by 1, 2, 3
order by 1, 2, 3
