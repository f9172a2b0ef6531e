-- question: Which providers, models, tiers and regions have to be looked up in the price book?
-- reads:    usage
-- grain:    one row per provider, model, service_tier and region
-- params:
-- columns:  provider, model, service_tier, region
select
    coalesce(provider, '') as provider,
    coalesce(model, '') as model,
    coalesce(service_tier, '') as service_tier,
    coalesce(region, '') as region
from usage
group by 1, 2, 3, 4
order by 1, 2, 3, 4
