-- question: By which rows of the price book were calls priced?
-- reads:    money
-- grain:    one row per price_id
-- params:
-- columns:  price_id, requests
select price_id, count(*) as requests from money where price_id is not null group by 1 order by 1
