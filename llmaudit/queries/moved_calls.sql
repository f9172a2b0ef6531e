-- question: What do the calls look like that go to models whose price will change, made at one moment to
-- come?
-- reads:    usage, moved_models
-- grain:    one row per request_id
-- params:   moment
-- columns:  request_id, started_at, provider, model, service_tier, region, billable, reported_cost_usd,
-- input_tokens, cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens,
-- reasoning_tokens, input_audio_tokens, output_audio_tokens, cache_audio_read_tokens, input_image_tokens,
-- output_image_tokens, cache_image_read_tokens, input_video_tokens, cache_video_read_tokens, images,
-- web_searches,
-- storage_searches, input_document_pages, input_annotated_document_pages, audio_seconds, video_seconds,
-- input_characters, output_characters, input_text_messages
select
    u.request_id,
    cast($moment as timestamp) as started_at,
    u.provider,
    u.model,
    u.service_tier,
    u.region,
    u.billable,
    u.reported_cost_usd,
    u.input_tokens,
    u.cache_read_tokens,
    u.cache_write_tokens,
    u.cache_write_long_tokens,
    u.output_tokens,
    u.reasoning_tokens,
    u.input_audio_tokens,
    u.output_audio_tokens,
    u.cache_audio_read_tokens,
    u.input_image_tokens,
    u.output_image_tokens,
    u.cache_image_read_tokens,
    u.input_video_tokens,
    u.cache_video_read_tokens,
    u.images,
    u.web_searches,
    u.storage_searches,
    u.input_document_pages,
    u.input_annotated_document_pages,
    u.audio_seconds,
    u.video_seconds,
    u.input_characters,
    u.output_characters,
    u.input_text_messages
from usage as u
join moved_models as m on coalesce(u.provider, '') = m.provider and coalesce(u.model, '') = m.model
order by u.request_id
