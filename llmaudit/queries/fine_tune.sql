-- question: Which calls belong to endpoints that could move to a tuned small model?
-- reads:    usage, moves
-- grain:    one row per request_id
-- params:
-- columns:  request_id, target_provider, target_model
select u.request_id, m.target_provider, m.target_model
from usage as u
join moves as m on u.endpoint = m.endpoint
where u.billable and u.status = 'ok'
order by u.request_id
