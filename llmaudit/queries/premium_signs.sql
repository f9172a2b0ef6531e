-- question: What shows that a tier, a region or the long-context price was not needed?
-- reads:    requests, hits, needless_premiums
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, tiers, tier_requests, unwaited_requests, faster_share, faster_share_high,
-- premium_requests, standard_requests, regions, region_requests, plain_requests, trimmed_requests,
-- most_trimmed_tokens
with
    changed as (
        select
            r.endpoint,
            r.model,
            r.service_tier,
            r.region,
            r.input_tokens - h.to_input_tokens as trimmed_tokens,
            h.drops_tier,
            h.leaves_region,
            h.trims,
            n.nobody_waits,
            n.faster_share,
            n.faster_share_high,
            n.premium_requests,
            n.standard_requests,
            n.plain_requests
        from hits as h
        join requests as r on h.request_id = r.request_id
        left join needless_premiums as n on h.request_id = n.request_id
    ),
    tiers as (
        select endpoint, model, string_agg(service_tier, ', ' order by service_tier) as tiers
        from (select distinct endpoint, model, service_tier from changed where drops_tier) as t
        group by 1, 2
    ),
    regions as (
        select endpoint, model, string_agg(region, ', ' order by region) as regions
        from (select distinct endpoint, model, region from changed where leaves_region) as t
        group by 1, 2
    ),
    counts as (
        select
            endpoint,
            model,
            count(*) filter (where drops_tier) as tier_requests,
            count(*) filter (where drops_tier and nobody_waits) as unwaited_requests,
            max(faster_share) as faster_share,
            max(faster_share_high) as faster_share_high,
            max(premium_requests) as premium_requests,
            max(standard_requests) as standard_requests,
            count(*) filter (where leaves_region) as region_requests,
            max(case when leaves_region then plain_requests end) as plain_requests,
            count(*) filter (where trims) as trimmed_requests,
            max(case when trims then trimmed_tokens end) as most_trimmed_tokens
        from changed
        group by 1, 2
    )
select
    c.endpoint,
    c.model,
    t.tiers,
    c.tier_requests,
    c.unwaited_requests,
    c.faster_share,
    c.faster_share_high,
    c.premium_requests,
    c.standard_requests,
    g.regions,
    c.region_requests,
    c.plain_requests,
    c.trimmed_requests,
    c.most_trimmed_tokens
from counts as c
left join tiers as t on c.endpoint is not distinct from t.endpoint and c.model is not distinct from t.model
left join regions as g on c.endpoint is not distinct from g.endpoint and c.model is not distinct from g.model
order by c.endpoint, c.model
