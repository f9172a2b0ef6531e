with
    counted as (
        select
            *,
            try_cast(usage.input_tokens as bigint) as fresh,
            try_cast(usage.cache_read_input_tokens as bigint) as read,
            greatest(
                try_cast(usage.cache_creation_input_tokens as bigint),
                try_cast(usage.cache_creation.ephemeral_5m_input_tokens as bigint)
                + try_cast(usage.cache_creation.ephemeral_1h_input_tokens as bigint)
            ) as written,
            try_cast(usage.output_tokens as bigint) as answered,
            try_cast(usage.output_tokens_details.thinking_tokens as bigint) as thinking,
            list_filter(usage.iterations, lambda step:step.type = 'compaction') as compactions
        from raw
    ),
    -- What compacting the context took is billed beside the top-level counts.
    compacted as (
        select
            *,
            coalesce(
                list_sum(list_transform(compactions, lambda step:coalesce(step.input_tokens, 0)))::bigint, 0
            ) as more_input,
            coalesce(
                list_sum(
                    list_transform(compactions, lambda step:coalesce(step.cache_read_input_tokens, 0))
                )::bigint,
                0
            ) as more_read,
            coalesce(
                list_sum(
                    list_transform(compactions, lambda step:coalesce(step.cache_creation_input_tokens, 0))
                )::bigint,
                0
            ) as more_written,
            coalesce(
                list_sum(list_transform(compactions, lambda step:coalesce(step.output_tokens, 0)))::bigint, 0
            ) as more_output
        from counted
    )
select
    record,
    merged,
    unread,
    case
        when unread
        then 'nothing of it is a line of a transcript'
        when not_call is not null
        then null
        when started_at is null
        then concat('no readable time in timestamp: ', coalesce(timestamp, 'missing'))
        when model is null
        then 'no model in message'
    end as problem,
    case when not unread then not_call end as not_call,
    message_id as provider_id,
    case when message_id is null then uuid end as own_id,
    started_at,
    case
        when starts_with(message_id, 'msg_bdrk_')
        then 'aws.bedrock'
        when starts_with(message_id, 'msg_vrtx_')
        then 'gcp.vertex_ai'
        else 'anthropic'
    end as provider,
    'chat' as operation,
    model as response_model,
    nullif(usage.inference_geo, 'not_available') as region,
    case when usage.speed = 'fast' then 'fast' else usage.service_tier end as service_tier,
    coalesce(tools_called, 0) as tools_called,
    'claude-code' as endpoint,
    regexp_extract(cwd, '([^/\\]+)[/\\]*$', 1) as project,
    sessionid as session_id,
    cast(json_object('version', version, 'isSidechain', is_sidechain) as varchar) as tags,
    fresh + coalesce(read, 0) + coalesce(written, 0) + more_input + more_read + more_written as input_tokens,
    read + more_read as cache_read_tokens,
    written + more_written as cache_write_tokens,
    try_cast(usage.cache_creation.ephemeral_1h_input_tokens as bigint) as cache_write_long_tokens,
    case when fresh is not null or answered is not null then coalesce(answered, 0) end
    + case when thinking > coalesce(answered, 0) then thinking else 0 end
    + more_output as output_tokens,
    thinking as reasoning_tokens,
    try_cast(usage.server_tool_use.web_search_requests as bigint) as web_searches,
    case when fresh is not null or answered is not null then 'reported' end as usage_source,
    'ok' as status,
    stop_reason as finish_reason,
    cost_usd as reported_cost_usd
from compacted
