-- question: Which calls can no charge be written for, because nothing says what they cost?
-- reads:    requests
-- grain:    one row
-- params:
-- columns:  requests, priced_requests, cost_usd, list_usd, unpriced_requests, unpriced_low_usd,
-- unpriced_high_usd
select
    count(*) as requests,
    count(*) filter (where billable and cost_usd is not null) as priced_requests,
    sum(cost_usd) filter (where billable) as cost_usd,
    sum(list_usd) filter (where billable) as list_usd,
    count(*) filter (where billable and cost_usd is null) as unpriced_requests,
    sum(low_usd) filter (where billable and cost_usd is null) as unpriced_low_usd,
    sum(high_usd) filter (where billable and cost_usd is null) as unpriced_high_usd
from requests
