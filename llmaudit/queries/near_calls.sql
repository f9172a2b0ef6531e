-- question: Which answered calls may be near-copies of one another, everything but the last message being
-- equal?
-- reads:    requests
-- grain:    one row per request_id
-- params:
-- columns:  request_id, endpoint, model, context, started_us, answered_us, prompt_sketch, output_hash
with
    asked as (
        select
            request_id,
            account_id,
            provider,
            request_model,
            endpoint,
            model,
            params_hash,
            case when array_length(prefix_hashes) > 1 then prefix_hashes[-2] else 0 end as before_hash,
            prompt_hash,
            epoch_us(started_at) as started_us,
            epoch_us(started_at) + cast(round(coalesce(duration_ms, 0) * 1000) as bigint) as answered_us,
            prompt_sketch,
            output_hash
        from requests
        where
            billable
            and status = 'ok'
            and coalesce(billing_mode, 'metered') = 'metered'
            and model is not null
            and prompt_sketch is not null
            and output_hash is not null
            and prompt_bytes > 0
    ),
    -- a prompt asked again word for word is for a cache of exact answers
    first_time as (
        select
            *,
            row_number() over (
                partition by account_id, provider, request_model, endpoint, model, params_hash, prompt_hash
                order by started_us, request_id
            ) as turn
        from asked
    ),
    placed as (
        select
            *,
            dense_rank() over (
                order by account_id, provider, request_model, endpoint, model, params_hash, before_hash
            ) as context
        from first_time
        where turn = 1
    )
select request_id, endpoint, model, context, started_us, answered_us, prompt_sketch, output_hash
from placed
