-- question: How many calls does each scope of the replay of provider caches have?
-- reads:    scopes
-- grain:    one row per scope_key
-- params:
-- columns:  scope_key, requests
select scope_key, count(*) as requests from scopes group by scope_key order by scope_key
