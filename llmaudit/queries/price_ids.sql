-- question: Which rows of the price book priced a call?
-- reads:    requests
-- grain:    one row per price_id
-- params:
-- columns:  price_id
select price_id from requests where price_id is not null group by price_id order by price_id
