-- question: How much of each sku does a lever bring, per endpoint, model and day?
-- reads:    lever_charges
-- grain:    one row per (endpoint, model, day, sku)
-- params:
-- columns:  endpoint, model, day, sku, quantity
select endpoint, model, day, sku, cast(sum(quantity) as decimal(38, 12)) as quantity
from lever_charges
group by 1, 2, 3, 4
order by 1, 2, 3, 4
