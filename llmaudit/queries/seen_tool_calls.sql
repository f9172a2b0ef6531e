-- question: Which sampled calls offered tools, whose are they, and of which pieces do they consist?
-- reads:    requests, sample
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint, model, session, tools_hash, message_hashes, output_hash
select
    r.request_id,
    r.endpoint,
    r.model,
    coalesce(r.session_id, r.trace_id, r.request_id) as session,
    r.tools_hash,
    r.message_hashes,
    r.output_hash
from requests as r
semi join sample as s on r.request_id = s.request_id
where r.tools_hash is not null and r.status = 'ok'
order by r.request_id
