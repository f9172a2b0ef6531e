-- question: Which sampled calls belong to conversations, and of which pieces do they consist?
-- reads:    requests, sample, context_steps
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint, model, conversation, message_hashes
select r.request_id, r.endpoint, r.model, c.conversation, r.message_hashes
from requests as r
join context_steps as c on r.request_id = c.request_id
semi join sample as s on r.request_id = s.request_id
where c.calls > 1 and r.billable
order by r.request_id
