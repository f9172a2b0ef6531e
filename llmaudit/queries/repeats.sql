-- question: Where a cache would have had answers: what became of the other repeats?
-- reads:    duplicates
-- grain:    one row per (endpoint, model) with cacheable repeats
-- params:
-- columns:  endpoint, model, cacheable, same_answer, different_answer, retries, empty_prompts, answer_unknown
select
    endpoint,
    model,
    count(*) filter (where class = 'cacheable') as cacheable,
    count(*) filter (where class = 'same_answer') as same_answer,
    count(*) filter (where class = 'different_answer') as different_answer,
    count(*) filter (where class = 'retry') as retries,
    count(*) filter (where class = 'empty_prompt') as empty_prompts,
    count(*) filter (where class = 'answer_unknown') as answer_unknown
from duplicates
group by 1, 2
having count(*) filter (where class = 'cacheable') > 0
order by endpoint, model
