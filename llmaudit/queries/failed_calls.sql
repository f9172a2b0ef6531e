-- question: Which calls were paid for although they brought no answer?
-- reads:    usage
-- grain:    one row per request_id
-- params:
-- columns:  request_id
select request_id
from usage
where
    billable
    and status <> 'ok'
    and (
        coalesce(input_tokens, 0)
        + coalesce(output_tokens, 0)
        + coalesce(images, 0)
        + coalesce(web_searches, 0)
        + coalesce(storage_searches, 0)
        + coalesce(input_document_pages, 0)
        + coalesce(audio_seconds, 0)
        + coalesce(video_seconds, 0)
        + coalesce(input_characters, 0)
        + coalesce(output_characters, 0)
        + coalesce(input_text_messages, 0)
        > 0
        or reported_cost_usd > 0
    )
order by request_id
