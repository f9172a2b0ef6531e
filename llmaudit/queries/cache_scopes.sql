-- question: Which calls does the replay of provider caches look at together: those of endpoints whose prompts
-- begin alike?
-- reads:    usage, cache_joined
-- grain:    one row per request_id
-- params:
-- columns:  request_id, scope_key
select u.request_id, coalesce(j.first, u.endpoint, '') as scope_key
from usage as u
left join cache_joined as j on coalesce(u.endpoint, '') = j.name
