-- question: How many answers does each endpoint and model give, and how many pairs of equal ones are among
-- them?
-- reads:    requests
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, answered_calls, equal_pairs
with
    counted as (
        select endpoint, model, output_hash, count(*) as answers
        from requests
        where billable and status = 'ok' and output_hash is not null and prompt_sketch is not null
        group by endpoint, model, output_hash
    )
select
    endpoint,
    model,
    sum(answers) as answered_calls,
    cast(sum(answers * (answers - 1)) as bigint) as equal_pairs
from counted
group by endpoint, model
order by endpoint, model
