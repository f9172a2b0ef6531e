-- question: What is known of the prompts of some calls?
-- reads:    known, cache_prompts
-- grain:    one row per row of known
-- params:
-- columns:  known
select k.* from known as k semi join cache_prompts as p on k.prompt_hash = p.prompt_hash
