-- question: How many calls did each endpoint send to each model?
-- reads:    requests
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, requests
select endpoint, model, count(*) as requests from requests group by endpoint, model order by endpoint, model
