-- question: What does the replay of provider caches read of each call of these scopes?
-- reads:    cache_calls, scopes, cache_part
-- grain:    one row per request_id
-- params:
-- columns:  request_id, started_at, first_token_ms, duration_ms, account_id, endpoint, prompt_hash,
-- template_hash, provider, model, region, billable, prompt_bytes, input_tokens, cache_read_tokens,
-- cache_write_tokens, cache_write_long_tokens
select c.*
from cache_calls as c
join scopes as s on c.request_id = s.request_id
semi join cache_part as p on s.scope_key = p.scope_key
order by c.request_id
