-- question: Which of the calls that a lever finds in the log are still made in this state of it?
-- reads:    hits, usage
-- grain:    one row per request_id
-- params:
-- columns:  hits
with still_made as (select request_id from usage where billable)
select h.*
from hits as h
semi join still_made as m on h.request_id = m.request_id
order by h.request_id
