-- question: What was spent, by every way of dividing it?
-- reads:    requests
-- grain:    one row per (dimension, key)
-- params:
-- columns:  dimension, key, requests, input_tokens, output_tokens, priced_requests, cost_usd
select
    'provider' as dimension,
    provider as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'model' as dimension,
    model as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'endpoint' as dimension,
    endpoint as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'team' as dimension,
    team as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'project' as dimension,
    project as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'user_id' as dimension,
    user_id as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'api_key_id' as dimension,
    api_key_id as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'account_id' as dimension,
    account_id as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'operation' as dimension,
    operation as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'service_tier' as dimension,
    coalesce(service_tier, 'standard') as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'region' as dimension,
    region as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'environment' as dimension,
    environment as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
union all
select
    'source' as dimension,
    source as key,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    count(*) filter (where cost_usd is not null) as priced_requests,
    case
        when
            count(*) filter (where billable) > 0
            and count(*) filter (where billable and cost_usd is not null) = 0
        then null
        else sum(cost_usd)
    end as cost_usd
from requests
group by 2
order by dimension, cost_usd desc nulls last, requests desc, key
