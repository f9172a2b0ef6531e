-- question: Which calls could have been sent to the provider's batch or flex tier, because nobody waits for
-- them?
-- reads:    usage, unwaited, offers, tier_rules
-- grain:    one row per request_id
-- params:   by_word
-- columns:  request_id, to_tier, keeps_cache, sign
with
    -- Tiers that are cheaper than standard for this model, here, then and at this length; batch goes before
    -- flex.
    cheaper as (
        select
            u.request_id,
            o.tier,
            r.keeps_cache,
            r.min_calls,
            row_number() over (
                partition by u.request_id
                order by case when o.tier = 'batch' then 0 else 1 end, o.from_tokens desc
            ) as place
        from usage as u
        join
            offers as o
            on coalesce(u.provider, '') = o.provider
            and coalesce(u.model, '') = o.model
            and coalesce(u.region, '') = o.region
            and u.started_at >= o.valid_from
            and u.started_at < o.valid_to
            and coalesce(u.input_tokens, 0) >= o.from_tokens
        join tier_rules as r on o.provider = r.provider and o.model = r.model and o.tier = r.tier
        where
            u.billable
            and u.status = 'ok'
            and lower(coalesce(u.service_tier, 'standard')) in ('standard', 'default', 'auto', 'on_demand')
            and o.tier in ('batch', 'flex')
            and o.against_standard < 0
    )
select u.request_id, c.tier as to_tier, c.keeps_cache, coalesce(w.sign, 'named by you') as sign
from usage as u
join cheaper as c on u.request_id = c.request_id and c.place = 1
left join unwaited as w on u.request_id = w.request_id
where $by_word or w.job_calls >= c.min_calls
order by u.request_id
