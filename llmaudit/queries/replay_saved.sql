-- question: What does a lever save per endpoint, model, day and block of the bootstrap?
-- reads:    moved
-- grain:    one row per (endpoint, model, day, block)
-- params:
-- columns:  endpoint, model, day, block, requests, before_usd, after_usd, saving_usd
select
    endpoint,
    model,
    day,
    block,
    count(*) as requests,
    sum(before_usd) as before_usd,
    sum(after_usd) as after_usd,
    sum(before_usd - after_usd) as saving_usd
from moved
group by 1, 2, 3, 4
order by 1, 2, 3, 4
