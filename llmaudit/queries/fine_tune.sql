-- question: Which calls belong to endpoints that could move to a tuned small model?
-- reads:    usage, moves
-- grain:    one row per request_id
-- params:
-- columns:  request_id, target_provider, target_model, kept_input, keeps_cache, priced_at
select u.request_id, m.target_provider, m.target_model, m.kept_input, m.keeps_cache, m.priced_at
from usage as u
join moves as m on u.endpoint = m.endpoint
where u.billable and u.status = 'ok' and (m.below is null or substr(md5(u.request_id), 1, 8) < m.below)
order by u.request_id
