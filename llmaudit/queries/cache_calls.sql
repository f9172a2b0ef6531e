-- question: What does the replay of provider caches read of each call?
-- reads:    usage
-- grain:    one row per request_id
-- params:
-- columns:  request_id, started_at, first_token_ms, duration_ms, account_id, endpoint, prompt_hash,
-- template_hash, provider, model, region, billable, prompt_bytes, input_tokens, cache_read_tokens,
-- cache_write_tokens, cache_write_long_tokens
select
    request_id,
    started_at,
    first_token_ms,
    duration_ms,
    account_id,
    endpoint,
    prompt_hash,
    template_hash,
    provider,
    model,
    region,
    billable,
    prompt_bytes,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_long_tokens
from usage
order by request_id
