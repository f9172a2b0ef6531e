-- question: Which sampled calls of which model are there, and what did the cheaper one say to the same
-- prompt?
-- reads:    requests, sample, size_pairs
-- grain:    one row per (request_id, to_provider, to_model)
-- params:
-- columns:  request_id, call_key, provider, endpoint, model, to_provider, to_model, prompt_hash, says_same
select
    r.request_id,
    s.call_key,
    coalesce(r.provider, '') as provider,
    r.endpoint,
    r.model,
    p.to_provider,
    p.to_model,
    r.prompt_hash,
    p.says_same
from requests as r
join sample as s on r.request_id = s.request_id
left join
    size_pairs as p
    on r.model = p.model
    and coalesce(r.provider, '') = p.provider
    and r.prompt_hash = p.prompt_hash
    and r.endpoint is not distinct from p.endpoint
where r.billable and r.status = 'ok' and r.prompt_hash is not null
order by r.request_id, p.to_provider, p.to_model
