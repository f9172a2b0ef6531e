-- question: How many requests are repeats, in how many groups, at what cost?
-- reads:    duplicates
-- grain:    one row
-- params:
-- columns:  groups, requests, cost_usd, cacheable_requests, cacheable_usd
select
    count(distinct group_key) as groups,
    count(*) as requests,
    sum(cost_usd) as cost_usd,
    count(*) filter (where class = 'cacheable') as cacheable_requests,
    sum(cost_usd) filter (where class = 'cacheable') as cacheable_usd
from duplicates
