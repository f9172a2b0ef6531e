-- question: Which calls that may be near-copies are in some of the contexts?
-- reads:    near_calls
-- grain:    one row per request_id, by context and time
-- params:   part, parts
-- columns:  request_id, endpoint, model, context, started_us, answered_us, prompt_sketch, output_hash
select request_id, endpoint, model, context, started_us, answered_us, prompt_sketch, output_hash
from near_calls
where context % $parts = $part
order by context, started_us, request_id
