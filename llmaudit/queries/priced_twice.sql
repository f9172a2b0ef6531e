-- question: What do calls cost by one pricing and by another?
-- reads:    usage, before, after
-- grain:    one row per endpoint, provider, request_model, model, requested_service_tier and service_tier
-- params:
-- columns:  endpoint, provider, request_model, model, requested_service_tier, service_tier, requests,
-- priced_requests, before_usd, after_usd, low_usd, high_usd
select
    u.endpoint,
    u.provider,
    u.request_model,
    u.model,
    u.requested_service_tier,
    u.service_tier,
    count(*) as requests,
    count(*) filter (where b.cost_usd is not null and a.cost_usd is not null) as priced_requests,
    sum(case when a.cost_usd is not null then b.cost_usd end) as before_usd,
    sum(case when b.cost_usd is not null then a.cost_usd end) as after_usd,
    sum(
        case when a.cost_usd is not null and b.cost_usd is not null then least(a.cost_usd, b.cost_usd) end
    ) as low_usd,
    sum(
        case when a.cost_usd is not null and b.cost_usd is not null then greatest(a.cost_usd, b.cost_usd) end
    ) as high_usd
from usage as u
join before as b on u.request_id = b.request_id
join after as a on u.request_id = a.request_id
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
