with
    counted as (
        select
            *,
            coalesce(as_utc(start_time), as_utc(concat(left(start_time_iso, 19), 'Z'))) as period_start,
            coalesce(as_utc(end_time), as_utc(concat(left(end_time_iso, 19), 'Z'))) as period_end,
            lower(batch) as is_batch,
            coalesce(as_count(num_model_requests), as_count(num_requests)) as calls,
            coalesce(
                as_count(input_tokens),
                as_count(input_uncached_tokens)
                + coalesce(as_count(input_cached_tokens), 0)
                + coalesce(as_count(input_cache_write_tokens), 0)
            ) as input,
            case
                when output_tokens is not null
                then 'completions'
                when images is not null
                then 'images'
                when characters is not null
                then 'audio_speeches'
                when seconds is not null
                then 'audio_transcriptions'
                when contains(model, 'moderation')
                then 'moderations'
                when contains(model, 'embedding')
                then 'embeddings'
                else 'completions'
            end as family,
            -- The split by kind counts the whole input in old files and what the cache left of it in new
            -- ones.
            coalesce(as_count(input_text_tokens), 0)
            + coalesce(as_count(input_audio_tokens), 0)
            + coalesce(as_count(input_image_tokens), 0)
            = as_count(input_tokens) as split_is_whole
        from raw
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    period_start,
                    period_end,
                    family,
                    organization_id,
                    project_id,
                    user_id,
                    api_key_id,
                    model,
                    is_batch,
                    service_tier,
                    api_source,
                    "size",
                    "source",
                    context_level
                order by input desc, record
            ) as twin
        from counted
    )
select
    record,
    unread,
    case
        when period_start is null
        then concat('no readable start_time: ', coalesce(start_time, 'missing'))
        when
            coalesce(as_count(input_cached_tokens), 0) + coalesce(as_count(input_cache_write_tokens), 0)
            > input
        then 'more cached and written tokens than input tokens'
    end as problem,
    case
        when
            period_start is not null
            and coalesce(
                model,
                num_model_requests,
                num_requests,
                input_tokens,
                output_tokens,
                images,
                characters,
                seconds
            )
            is null
        then 'empty bucket'
    end as not_call,
    md5(
        concat_ws(
            '|',
            'openai',
            concat('organization.usage.', family, '.result'),
            coalesce(organization_id, '-'),
            coalesce(project_id, '-'),
            coalesce(user_id, '-'),
            coalesce(api_key_id, '-'),
            coalesce(model, '-'),
            coalesce(is_batch, '-'),
            coalesce(service_tier, '-'),
            coalesce(api_source, '-'),
            coalesce("size", '-'),
            coalesce("source", '-'),
            coalesce(context_level, '-'),
            period_start,
            period_end,
            twin
        )
    ) as usage_id,
    'openai' as provider,
    organization_id as account_id,
    project_id as project,
    user_id,
    api_key_id,
    period_start,
    period_end,
    case
        family
        when 'completions'
        then 'chat'
        when 'images'
        then 'image'
        when 'moderations'
        then 'moderation'
        when 'embeddings'
        then 'embeddings'
        else 'audio'
    end as operation,
    model,
    case
        when is_batch = 'true'
        then 'batch'
        when service_tier in ('default', 'auto')
        then 'standard'
        else service_tier
    end as service_tier,
    calls as requests,
    input as input_tokens,
    as_count(input_cached_tokens) as cache_read_tokens,
    as_count(input_cache_write_tokens) as cache_write_tokens,
    as_count(input_cache_write_12h_tokens) as cache_write_long_tokens,
    as_count(output_tokens) as output_tokens,
    as_count(input_audio_tokens) + case
        when split_is_whole then 0 else coalesce(as_count(input_cached_audio_tokens), 0)
    end as input_audio_tokens,
    as_count(input_cached_audio_tokens) as cache_audio_read_tokens,
    as_count(output_audio_tokens) as output_audio_tokens,
    as_count(input_image_tokens) + case
        when split_is_whole then 0 else coalesce(as_count(input_cached_image_tokens), 0)
    end as input_image_tokens,
    as_count(input_cached_image_tokens) as cache_image_read_tokens,
    as_count(output_image_tokens) as output_image_tokens,
    as_count(images) as images
from twins
order by record
