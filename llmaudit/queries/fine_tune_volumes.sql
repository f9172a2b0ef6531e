-- question: How much do the calls amount to that move, per endpoint and model of today?
-- reads:    usage, hits
-- grain:    one row per (endpoint, provider, model)
-- params:
-- columns:  endpoint, provider, model, calls, input_tokens, output_tokens, tuned_input_tokens, last_day
select
    u.endpoint,
    u.provider,
    u.model,
    count(*) as calls,
    sum(coalesce(u.input_tokens, 0)) as input_tokens,
    sum(coalesce(u.output_tokens, 0)) as output_tokens,
    sum(cast(ceil(coalesce(u.input_tokens, 0) * h.kept_input) as bigint)) as tuned_input_tokens,
    cast(date_trunc('day', max(u.started_at)) as date) as last_day
from usage as u
join hits as h on u.request_id = h.request_id
group by 1, 2, 3
order by 1, 2, 3
