with
    counted as (
        select
            *,
            as_utc_anyway(created_at) as started_at,
            coalesce(as_count(native_tokens_prompt), as_count(tokens_prompt)) as given,
            coalesce(as_count(native_tokens_completion), as_count(tokens_completion)) as made,
            as_count(native_tokens_cached) as cached,
            as_count(native_tokens_reasoning) as reasoned,
            case
                when as_count(native_tokens_prompt) is not null
                then 'reported'
                when as_count(tokens_prompt) is not null
                then 'estimated'
            end as counted_by
        from raw
    )
select
    record,
    unread,
    case
        when started_at is null
        then concat('no readable time in created_at: ', coalesce(created_at, 'missing'))
        when model is null and given is null and total_cost is null
        then 'neither model nor usage'
    end as problem,
    id as provider_id,
    id as own_id,
    started_at,
    try_cast(generation_time as double) as duration_ms,
    'openrouter' as provider,
    workspace_id as account_id,
    provider_name as deployment,
    case when model like '%:free' then 'free' else 'metered' end as billing_mode,
    case when api_type like '%embedding%' then 'embeddings' else 'chat' end as operation,
    model as response_model,
    data_region as region,
    service_tier,
    try_cast(streamed as boolean) as stream,
    external_user as user_id,
    session_id,
    cast(
        json_object(
            'provider_name',
            provider_name,
            'upstream_id',
            upstream_id,
            'upstream_inference_cost',
            upstream_inference_cost
        ) as varchar
    ) as tags,
    given + case when cached > given then cached else 0 end as input_tokens,
    cached as cache_read_tokens,
    made + case when reasoned > made then reasoned else 0 end as output_tokens,
    reasoned as reasoning_tokens,
    as_count(native_tokens_completion_images) as output_image_tokens,
    counted_by as usage_source,
    case
        when lower(cancelled) = 'true'
        then 'cancelled'
        when lower(finish_reason) = 'error'
        then 'error'
        else 'ok'
    end as status,
    coalesce(native_finish_reason, finish_reason) as finish_reason,
    response_cache_source_id is not null as gateway_cache_hit,
    coalesce(as_money(total_cost), as_money("usage")) as reported_cost_usd
from counted
