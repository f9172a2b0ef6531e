-- question: How much do repeated requests cost, by what became of the answer?
-- reads:    duplicates
-- grain:    one row per class
-- params:
-- columns:  class, requests, cost_usd
select class, count(*) as requests, sum(cost_usd) as cost_usd from duplicates group by 1 order by 1
