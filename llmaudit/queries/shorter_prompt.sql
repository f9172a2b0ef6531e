-- question: Which calls carry words that all calls of their endpoint share, and what share of the prompt?
-- reads:    usage, frames
-- grain:    one row per request_id
-- params:
-- columns:  request_id, frame_share
select u.request_id, f.frame_share
from usage as u
join frames as f on u.endpoint = f.endpoint
where u.billable and u.status = 'ok'
order by u.request_id
