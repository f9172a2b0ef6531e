-- question: What do the calls look like that were served by another tier or model than asked for, had they
-- been
-- served as asked?
-- reads:    usage
-- grain:    one row per request_id
-- params:
-- columns:  request_id, started_at, provider, model, service_tier, region, billable, reported_cost_usd,
-- input_tokens, cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens,
-- reasoning_tokens, input_audio_tokens, output_audio_tokens, cache_audio_read_tokens, input_image_tokens,
-- output_image_tokens, cache_image_read_tokens, input_video_tokens, cache_video_read_tokens, images,
-- web_searches,
-- storage_searches, input_document_pages, input_annotated_document_pages, audio_seconds, video_seconds,
-- input_characters, output_characters, input_text_messages
with
    asked as (
        select
            *,
            case
                when lower(requested_service_tier) in ('', 'auto', 'default', 'standard', 'standard_only')
                then null
                else lower(requested_service_tier)
            end as asked_tier,
            case
                when lower(service_tier) in ('', 'auto', 'default', 'standard', 'standard_only', 'on_demand')
                then null
                else lower(service_tier)
            end as served_tier
        from usage
    )
select
    request_id,
    started_at,
    provider,
    coalesce(request_model, model) as model,
    case when asked_tier is not null then asked_tier else served_tier end as service_tier,
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
    storage_searches,
    input_document_pages,
    input_annotated_document_pages,
    audio_seconds,
    video_seconds,
    input_characters,
    output_characters,
    input_text_messages
from asked
where
    billable
    and (
        (request_model is not null and request_model <> model)
        or (asked_tier is not null and asked_tier is distinct from served_tier)
    )
order by request_id
