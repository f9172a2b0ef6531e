-- question: What does a lever save per endpoint, model and day?
-- reads:    saving
-- grain:    one row per (endpoint, model, day)
-- params:
-- columns:  endpoint, model, day, requests, before_usd, after_usd, saving_usd
select
    endpoint,
    model,
    day,
    count(*) as requests,
    sum(before_usd) as before_usd,
    sum(after_usd) as after_usd,
    sum(before_usd - after_usd) as saving_usd
from saving
group by 1, 2, 3
order by 1, 2, 3
