-- question: Which sampled calls are compared, to see what the prompts of the dearest endpoints have in
-- common?
-- reads:    sample, requests
-- grain:    one row per request_id
-- params:   places, per_place
-- columns:  request_id, call_key, provider, endpoint, model, started_at, template_hash, message_hashes
with
    ranked as (
        select endpoint, model, row_number() over (order by sum(input_tokens) desc, endpoint, model) as place
        from requests
        where billable and prompt_hash is not null
        group by endpoint, model
    ),
    counted as (
        select
            r.request_id,
            s.call_key,
            r.provider,
            r.endpoint,
            r.model,
            r.started_at,
            r.template_hash,
            s.message_hashes,
            row_number() over (partition by r.endpoint, r.model order by s.call_key) as turn
        from sample as s
        join requests as r on s.request_id = r.request_id
        join ranked as p on r.model = p.model and r.endpoint is not distinct from p.endpoint
        where r.billable and r.input_tokens > 0 and p.place <= $places
    )
select request_id, call_key, provider, endpoint, model, started_at, template_hash, message_hashes
from counted
where turn <= $per_place
order by endpoint, model, turn
