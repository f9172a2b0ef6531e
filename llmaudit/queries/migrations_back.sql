-- question: What do the moved calls look like, made on the model of before?
-- reads:    requests, migrations, migrations_parts
-- grain:    one row per request_id that moved
-- params:
-- columns:  request_id, started_at, provider, model, service_tier, region, billable, reported_cost_usd,
-- input_tokens, cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens,
-- reasoning_tokens, input_audio_tokens, output_audio_tokens, cache_audio_read_tokens, input_image_tokens,
-- output_image_tokens, cache_image_read_tokens, input_video_tokens, cache_video_read_tokens, images,
-- web_searches, storage_searches, input_document_pages, input_annotated_document_pages, audio_seconds,
-- video_seconds, input_characters, output_characters, input_text_messages
select
    r.request_id,
    r.started_at,
    m.old_provider as provider,
    m.old_model as model,
    'standard' as service_tier,
    r.region,
    true as billable,
    cast(null as decimal(38, 12)) as reported_cost_usd,
    r.input_tokens,
    r.cache_read_tokens,
    r.cache_write_tokens,
    r.cache_write_long_tokens,
    r.output_tokens,
    r.reasoning_tokens,
    r.input_audio_tokens,
    r.output_audio_tokens,
    r.cache_audio_read_tokens,
    r.input_image_tokens,
    r.output_image_tokens,
    r.cache_image_read_tokens,
    r.input_video_tokens,
    r.cache_video_read_tokens,
    r.images,
    r.web_searches,
    r.storage_searches,
    r.input_document_pages,
    r.input_annotated_document_pages,
    r.audio_seconds,
    r.video_seconds,
    r.input_characters,
    r.output_characters,
    r.input_text_messages
from requests as r
join migrations_parts as p on r.request_id = p.request_id
join migrations as m on p.endpoint = m.endpoint
where p.part = 'moved' and p.status = 'ok'
order by r.request_id
