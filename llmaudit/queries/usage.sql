-- question: What do the levers see of every call that counts?
-- reads:    requests
-- grain:    one row per request_id
-- params:
-- columns:  request_id, started_at, provider, account_id, request_model, response_model, model, service_tier, region, billable, reported_cost_usd, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, cache_audio_read_tokens, input_image_tokens, output_image_tokens, cache_image_read_tokens, input_video_tokens, cache_video_read_tokens, images, web_searches, endpoint, operation, session_id, status, temperature, stream, prompt_hash, params_hash, output_hash, prompt_bytes
select
    request_id,
    started_at,
    provider,
    account_id,
    request_model,
    response_model,
    model,
    service_tier,
    region,
    billable,
    reported_cost_usd,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_long_tokens,
    output_tokens,
    reasoning_tokens,
    input_audio_tokens,
    output_audio_tokens,
    cache_audio_read_tokens,
    input_image_tokens,
    output_image_tokens,
    cache_image_read_tokens,
    input_video_tokens,
    cache_video_read_tokens,
    images,
    web_searches,
    endpoint,
    operation,
    session_id,
    status,
    temperature,
    stream,
    prompt_hash,
    params_hash,
    output_hash,
    prompt_bytes
from requests
where coalesce(billing_mode, 'metered') = 'metered'
