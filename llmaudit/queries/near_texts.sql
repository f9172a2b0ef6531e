-- question: Which pieces hold the last message and the answer of the calls that are nearly copies?
-- reads:    requests, near_shown
-- grain:    one row per request_id
-- params:
-- columns:  request_id, message_hash, output_hash
select distinct r.request_id, r.message_hashes[-1] as message_hash, r.output_hash
from requests as r
join near_shown as s on r.request_id = s.request_id or r.request_id = s.earlier_id
where array_length(r.message_hashes) > 0
order by r.request_id
