-- question: Which earlier prompts is each call nearly a copy of, by the bar of its endpoint and model, as far
-- as both are made?
-- reads:    usage, near_pairs, near_bars
-- grain:    one row per (request_id, earlier_id), by time, the most alike first
-- params:
-- columns:  request_id, earlier_id, started_us, earlier_answered_us
with made as (select request_id from usage where billable)
select p.request_id, p.earlier_id, p.started_us, p.earlier_answered_us
from near_pairs as p
join near_bars as b on p.model = b.model and p.endpoint is not distinct from b.endpoint
semi join made as m on p.request_id = m.request_id
semi join made as e on p.earlier_id = e.request_id
where p.similarity >= b.least_similarity
order by p.started_us, p.request_id, p.similarity desc, p.earlier_answered_us desc, p.earlier_id
