-- question: Which calls had their answer cut off, and which of them would not have been needed with more
-- room?
-- reads:    usage, cut_calls
-- grain:    one row per request_id that was cut
-- params:
-- columns:  request_id, asked_again
select u.request_id, c.asked_again
from usage as u
join cut_calls as c on u.request_id = c.request_id
order by u.request_id
