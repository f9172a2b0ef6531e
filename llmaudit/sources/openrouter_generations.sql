with
    counted as (
        select
            *,
            as_utc_anyway(created_at) as started_at,
            as_count(tokens_prompt) as given,
            as_count(tokens_cached) as cached,
            as_count(tokens_completion) as made,
            as_count(tokens_reasoning) as reasoned
        from raw
    )
select
    record,
    unread,
    case
        when started_at is null
        then concat('no readable time in created_at: ', coalesce(created_at, 'missing'))
        when model_permaslug is null and given is null and cost_total is null
        then 'neither model nor usage'
    end as problem,
    generation_id as provider_id,
    generation_id as own_id,
    started_at,
    try_cast(generation_time_ms as double) as duration_ms,
    case when lower(streamed) = 'true' then try_cast(time_to_first_token_ms as double) end as first_token_ms,
    'openrouter' as provider,
    provider_name as deployment,
    case when lower(variant) = 'free' then 'free' else 'metered' end as billing_mode,
    'chat' as operation,
    model_permaslug as response_model,
    try_cast(streamed as boolean) as stream,
    app_name as project,
    "user" as user_id,
    api_key_name as api_key_id,
    cast(
        json_object(
            'provider_name', provider_name, 'variant', variant, 'byok_usage_inference', byok_usage_inference
        ) as varchar
    ) as tags,
    given + case when cached > given then cached else 0 end as input_tokens,
    cached as cache_read_tokens,
    made + case when reasoned > made then reasoned else 0 end as output_tokens,
    reasoned as reasoning_tokens,
    case when given is not null or made is not null then 'reported' end as usage_source,
    case
        when lower(cancelled) = 'true'
        then 'cancelled'
        when lower(finish_reason_normalized) = 'error'
        then 'error'
        else 'ok'
    end as status,
    coalesce(finish_reason_raw, finish_reason_normalized) as finish_reason,
    coalesce(
        try_cast(cost_total as decimal(38, 12)), try_cast(try_cast(cost_total as double) as decimal(38, 12))
    ) as reported_cost_usd
from counted
