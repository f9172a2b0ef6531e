-- question: To which provider, endpoint and model does each conversation belong that is long enough to be
-- compacted?
-- reads:    requests, context_steps
-- grain:    one row per conversation
-- params:   fewest_calls
-- columns:  conversation, provider, endpoint, model
select s.conversation, min(r.provider) as provider, min(r.endpoint) as endpoint, min(r.model) as model
from context_steps as s
join requests as r on s.request_id = r.request_id
where s.calls >= $fewest_calls
group by s.conversation
order by s.conversation
