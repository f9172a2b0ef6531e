with
    results as (
        select record as document, unread, unnest(page_results(data, start_time, end_time, results)) as page
        from raw
    ),
    opened as (
        select
            document,
            unread,
            row_number() over () as record,
            unnest(page),
            from_json(
                page.result,
                '{"object": "VARCHAR", "organization_id": "VARCHAR", "project_id": "VARCHAR", "user_id": "VARCHAR", "api_key_id": "VARCHAR",
                  "model": "VARCHAR", "batch": "VARCHAR", "service_tier": "VARCHAR", "api_source": "VARCHAR", "size": "VARCHAR", "source": "VARCHAR",
                  "context_level": "VARCHAR", "num_model_requests": "VARCHAR", "num_requests": "VARCHAR", "images": "VARCHAR",
                  "characters": "VARCHAR", "seconds": "VARCHAR",
                  "input_tokens": "VARCHAR", "input_uncached_tokens": "VARCHAR", "input_cached_tokens": "VARCHAR",
                  "input_cache_write_tokens": "VARCHAR", "input_cache_write_12h_tokens": "VARCHAR", "input_text_tokens": "VARCHAR",
                  "input_audio_tokens": "VARCHAR", "input_image_tokens": "VARCHAR", "input_cached_audio_tokens": "VARCHAR",
                  "input_cached_image_tokens": "VARCHAR", "output_tokens": "VARCHAR", "output_audio_tokens": "VARCHAR", "output_image_tokens": "VARCHAR"}'
            ) as r,
            replace(replace(page.result ->> '$.object', 'organization.usage.', ''), '.result', '') as family
        from results
    ),
    counted as (
        select
            *,
            coalesce(
                as_count(r.input_tokens),
                as_count(r.input_uncached_tokens)
                + coalesce(as_count(r.input_cached_tokens), 0)
                + coalesce(as_count(r.input_cache_write_tokens), 0)
            ) as input_tokens,
            as_count(r.input_cached_tokens) as cached,
            -- The split by kind counts the whole input in old files and what the cache left of it in new
            -- ones.
            coalesce(as_count(r.input_text_tokens), 0)
            + coalesce(as_count(r.input_audio_tokens), 0)
            + coalesce(as_count(r.input_image_tokens), 0)
            = as_count(r.input_tokens) as split_is_whole
        from opened
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    document,
                    period_start,
                    period_end,
                    r.object,
                    r.organization_id,
                    r.project_id,
                    r.user_id,
                    r.api_key_id,
                    r.model,
                    r.batch,
                    r.service_tier,
                    r.api_source,
                    r.size,
                    r.source,
                    r.context_level
                order by input_tokens desc, record
            ) as twin
        from counted
    )
select
    record,
    document,
    unread,
    coalesce(
        problem,
        case
            when cached + coalesce(as_count(r.input_cache_write_tokens), 0) > input_tokens
            then 'more cached and written tokens than input tokens'
        end
    ) as problem,
    coalesce(
        not_call,
        case
            when problem is not null
            then null
            when not coalesce(starts_with(r.object, 'organization.usage.'), false)
            then coalesce(r.object, 'result without object')
            when family in ('vector_stores', 'code_interpreter_sessions', 'file_searches')
            then concat('OpenAI ', family)
        end
    ) as not_call,
    md5(
        concat_ws(
            '|',
            'openai',
            r.object,
            coalesce(r.organization_id, '-'),
            coalesce(r.project_id, '-'),
            coalesce(r.user_id, '-'),
            coalesce(r.api_key_id, '-'),
            coalesce(r.model, '-'),
            coalesce(r.batch, '-'),
            coalesce(r.service_tier, '-'),
            coalesce(r.api_source, '-'),
            coalesce(r.size, '-'),
            coalesce(r.source, '-'),
            coalesce(r.context_level, '-'),
            period_start,
            period_end,
            twin
        )
    ) as usage_id,
    'openai' as provider,
    r.organization_id as account_id,
    r.project_id as project,
    r.user_id as user_id,
    r.api_key_id as api_key_id,
    period_start,
    period_end,
    case
        family
        when 'completions'
        then 'chat'
        when 'moderations'
        then 'moderation'
        when 'images'
        then 'image'
        when 'audio_speeches'
        then 'audio'
        when 'audio_transcriptions'
        then 'audio'
        else family
    end as operation,
    r.model as model,
    case
        when lower(r.batch) = 'true'
        then 'batch'
        when r.service_tier in ('default', 'auto')
        then 'standard'
        else r.service_tier
    end as service_tier,
    as_count(coalesce(r.num_model_requests, r.num_requests)) as requests,
    input_tokens,
    cached as cache_read_tokens,
    as_count(r.input_cache_write_tokens) as cache_write_tokens,
    as_count(r.input_cache_write_12h_tokens) as cache_write_long_tokens,
    as_count(r.output_tokens) as output_tokens,
    as_count(r.input_audio_tokens) + case
        when split_is_whole then 0 else coalesce(as_count(r.input_cached_audio_tokens), 0)
    end as input_audio_tokens,
    as_count(r.input_cached_audio_tokens) as cache_audio_read_tokens,
    as_count(r.output_audio_tokens) as output_audio_tokens,
    as_count(r.input_image_tokens) + case
        when split_is_whole then 0 else coalesce(as_count(r.input_cached_image_tokens), 0)
    end as input_image_tokens,
    as_count(r.input_cached_image_tokens) as cache_image_read_tokens,
    as_count(r.output_image_tokens) as output_image_tokens,
    as_count(r.images) as images,
    as_count(r.seconds) as audio_seconds,
    as_count(r.characters) as input_characters,
    case when family = 'web_searches' then as_count(r.num_requests) end as web_searches
from twins
order by record
