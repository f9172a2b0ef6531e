-- question: Which earlier prompts is each call nearly a copy of, by the bar of its endpoint and model, as far
-- as both are made and the earlier answer was there?
-- reads:    usage, near_pairs, near_bars
-- grain:    one row per (request_id, earlier), call by call, the most alike first
-- params:   ttl_seconds
-- columns:  request_id, later, earlier
with made as (select request_id from usage where billable)
select p.request_id, p.later, p.earlier
from near_pairs as p
join near_bars as b on p.model = b.model and p.endpoint is not distinct from b.endpoint
semi join made as m on p.request_id = m.request_id
semi join made as e on p.earlier_id = e.request_id
where
    p.similarity >= b.least_similarity
    and p.started_us - p.earlier_answered_us between 0 and cast($ttl_seconds as bigint) * 1000000
order by p.later, p.similarity desc, p.earlier_answered_us desc, p.earlier desc
