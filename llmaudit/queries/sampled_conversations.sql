-- question: Of which pieces do the sampled prompts consist, and to which conversation does each belong?
-- reads:    requests, sample, context_steps
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint, model, conversation, message_hashes, prefix_hashes, prefix_bytes
select
    r.request_id,
    r.endpoint,
    r.model,
    -- a prompt that goes on from none is a conversation of its own, however often it is sent
    coalesce(
        'conversation ' || cast(c.conversation as varchar), 'prompt ' || cast(r.prompt_hash as varchar)
    ) as conversation,
    r.message_hashes,
    r.prefix_hashes,
    r.prefix_bytes
from requests as r
left join context_steps as c on r.request_id = c.request_id and c.calls > 1
semi join sample as s on r.request_id = s.request_id
where r.billable and r.prompt_hash is not null
order by r.request_id
