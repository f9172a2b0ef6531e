-- question: When are the first and the last call, and how far from 0 does each count of theirs lie?
-- reads:    usage
-- grain:    one row
-- params:
-- columns:  first_at, last_at, input_tokens, cache_read_tokens, cache_write_tokens,
-- cache_write_long_tokens, output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
-- cache_audio_read_tokens, input_image_tokens, output_image_tokens, cache_image_read_tokens,
-- input_video_tokens, cache_video_read_tokens, images, web_searches
select
    min(started_at) as first_at,
    max(started_at) as last_at,
    greatest(coalesce(max(input_tokens), 0), -1 - coalesce(min(input_tokens), 0)) as input_tokens,
    greatest(
        coalesce(max(cache_read_tokens), 0), -1 - coalesce(min(cache_read_tokens), 0)
    ) as cache_read_tokens,
    greatest(
        coalesce(max(cache_write_tokens), 0), -1 - coalesce(min(cache_write_tokens), 0)
    ) as cache_write_tokens,
    greatest(
        coalesce(max(cache_write_long_tokens), 0), -1 - coalesce(min(cache_write_long_tokens), 0)
    ) as cache_write_long_tokens,
    greatest(coalesce(max(output_tokens), 0), -1 - coalesce(min(output_tokens), 0)) as output_tokens,
    greatest(coalesce(max(reasoning_tokens), 0), -1 - coalesce(min(reasoning_tokens), 0)) as reasoning_tokens,
    greatest(
        coalesce(max(input_audio_tokens), 0), -1 - coalesce(min(input_audio_tokens), 0)
    ) as input_audio_tokens,
    greatest(
        coalesce(max(output_audio_tokens), 0), -1 - coalesce(min(output_audio_tokens), 0)
    ) as output_audio_tokens,
    greatest(
        coalesce(max(cache_audio_read_tokens), 0), -1 - coalesce(min(cache_audio_read_tokens), 0)
    ) as cache_audio_read_tokens,
    greatest(
        coalesce(max(input_image_tokens), 0), -1 - coalesce(min(input_image_tokens), 0)
    ) as input_image_tokens,
    greatest(
        coalesce(max(output_image_tokens), 0), -1 - coalesce(min(output_image_tokens), 0)
    ) as output_image_tokens,
    greatest(
        coalesce(max(cache_image_read_tokens), 0), -1 - coalesce(min(cache_image_read_tokens), 0)
    ) as cache_image_read_tokens,
    greatest(
        coalesce(max(input_video_tokens), 0), -1 - coalesce(min(input_video_tokens), 0)
    ) as input_video_tokens,
    greatest(
        coalesce(max(cache_video_read_tokens), 0), -1 - coalesce(min(cache_video_read_tokens), 0)
    ) as cache_video_read_tokens,
    greatest(coalesce(max(images), 0), -1 - coalesce(min(images), 0)) as images,
    greatest(coalesce(max(web_searches), 0), -1 - coalesce(min(web_searches), 0)) as web_searches
from usage
