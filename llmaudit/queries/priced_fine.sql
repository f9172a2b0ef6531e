-- question: What does each call cost, as in priced, where rates or counts are too fine or too large for whole
-- numbers?
-- reads:    usage, price_names, price_rates_fine, price_ranges_fine
-- grain:    one row per request_id
-- params:
-- columns:  request_id, cost_usd, list_usd, priced_by, price_id, input_usd, cache_read_usd, cache_write_usd,
-- cache_write_long_usd, output_usd, other_usd, low_usd, high_usd
with
    -- quantities that do not overlap: every token is in exactly one class
    counted as (
        select
            u.request_id,
            u.started_at,
            u.billable,
            u.reported_cost_usd,
            n.rate_key,
            n.range_key,
            n.priced_by,
            u.input_tokens,
            date_diff('second', timestamp '1900-01-01 00:00:00', u.started_at) % 604800 as week_second,
            try_cast(u.input_tokens as decimal(12, 0)) as all_input_q,
            try_cast(u.output_tokens as decimal(12, 0)) as all_output_q,
            try_cast(coalesce(u.cache_read_tokens, 0) as decimal(12, 0)) as all_read_q,
            try_cast(coalesce(u.cache_write_tokens, 0) as decimal(12, 0)) as all_write_q,
            try_cast(coalesce(u.cache_write_long_tokens, 0) as decimal(12, 0)) as cache_write_long_q,
            try_cast(coalesce(u.reasoning_tokens, 0) as decimal(12, 0)) as reasoning_q,
            try_cast(coalesce(u.input_audio_tokens, 0) as decimal(12, 0)) as all_audio_q,
            try_cast(coalesce(u.cache_audio_read_tokens, 0) as decimal(12, 0)) as cache_audio_read_q,
            try_cast(coalesce(u.input_image_tokens, 0) as decimal(12, 0)) as all_image_q,
            try_cast(coalesce(u.cache_image_read_tokens, 0) as decimal(12, 0)) as cache_image_read_q,
            try_cast(coalesce(u.input_video_tokens, 0) as decimal(12, 0)) as all_video_q,
            try_cast(coalesce(u.cache_video_read_tokens, 0) as decimal(12, 0)) as cache_video_read_q,
            try_cast(coalesce(u.output_audio_tokens, 0) as decimal(12, 0)) as output_audio_q,
            try_cast(coalesce(u.output_image_tokens, 0) as decimal(12, 0)) as output_image_q,
            try_cast(coalesce(u.images, 0) as decimal(12, 0)) as images_q,
            try_cast(coalesce(u.web_searches, 0) as decimal(12, 0)) as web_searches_q,
            cast(1 as decimal(12, 0)) as requests_q
        from usage as u
        left join
            price_names as n
            on coalesce(u.provider, '') = n.provider
            and coalesce(u.model, '') = n.model
            and coalesce(u.service_tier, '') = n.service_tier
            and coalesce(u.region, '') = n.region
    ),
    -- `fresh` is input outside the cache, `marked` the audio, images and video that a log counts outside it
    sorted_out as (
        select
            *,
            all_input_q - all_read_q - all_write_q as fresh_q,
            all_audio_q - cache_audio_read_q as audio_q,
            all_audio_q + all_image_q - cache_audio_read_q - cache_image_read_q as audio_image_q,
            all_audio_q
            + all_image_q
            + all_video_q
            - cache_audio_read_q
            - cache_image_read_q
            - cache_video_read_q as marked_q,
            all_read_q - cache_audio_read_q - cache_image_read_q - cache_video_read_q as read_q
        from counted
    ),
    -- a log that does not say which cached tokens were audio or images counts them as both: they are cached
    split as (
        select
            *,
            cast(least(audio_q, fresh_q) as decimal(12, 0)) as input_audio_q,
            cast(least(audio_image_q, fresh_q) - least(audio_q, fresh_q) as decimal(12, 0)) as input_image_q,
            cast(least(marked_q, fresh_q) - least(audio_image_q, fresh_q) as decimal(12, 0)) as input_video_q,
            cast(fresh_q - least(marked_q, fresh_q) as decimal(12, 0)) as input_q,
            cast(read_q as decimal(12, 0)) as cache_read_q,
            cast(all_write_q - cache_write_long_q as decimal(12, 0)) as cache_write_q,
            cast(all_output_q - reasoning_q - output_audio_q - output_image_q as decimal(12, 0)) as output_q,
            marked_q > fresh_q as is_mixed
        from sorted_out
    ),
    -- the parts of one whole may not exceed it: such a count is wrong, and a wrong count has no cost
    sound as (
        select
            *,
            least(
                fresh_q,
                fresh_q + read_q - marked_q,
                audio_q,
                all_image_q - cache_image_read_q,
                all_video_q - cache_video_read_q,
                cache_read_q,
                cache_audio_read_q,
                cache_image_read_q,
                cache_video_read_q,
                cache_write_q,
                cache_write_long_q,
                output_q,
                reasoning_q,
                output_audio_q,
                output_image_q,
                images_q,
                web_searches_q
            )
            >= 0 as is_sound
        from split
    ),
    rated as (
        select
            s.*,
            p.* exclude (
                rate_key, valid_from, valid_to, week_from_second, week_to_second, from_tokens, to_tokens
            )
        from sound as s
        left join
            price_rates_fine as p
            on s.rate_key = p.rate_key
            and s.started_at >= p.valid_from
            and s.started_at < p.valid_to
            and s.input_tokens >= p.from_tokens
            and s.input_tokens < p.to_tokens
            and s.week_second >= p.week_from_second
            and s.week_second < p.week_to_second
            and s.billable
            and s.is_sound
    ),
    parts as (
        select
            *,
            cast(
                case when input_q = 0 then 0 else input_q * input_usd end
                + case when input_audio_q = 0 then 0 else input_audio_q * input_audio_usd end
                + case when input_image_q = 0 then 0 else input_image_q * input_image_usd end
                + case when input_video_q = 0 then 0 else input_video_q * input_video_usd end as decimal(
                    38, 12
                )
            ) as part_input_usd,
            cast(
                case when cache_read_q = 0 then 0 else cache_read_q * cache_read_usd end
                + case when cache_audio_read_q = 0 then 0 else cache_audio_read_q * cache_audio_read_usd end
                + case when cache_image_read_q = 0 then 0 else cache_image_read_q * cache_image_read_usd end
                + case
                    when cache_video_read_q = 0 then 0 else cache_video_read_q * cache_video_read_usd
                end as decimal(38, 12)
            ) as part_cache_read_usd,
            cast(
                case when cache_write_q = 0 then 0 else cache_write_q * cache_write_usd end as decimal(38, 12)
            ) as part_cache_write_usd,
            cast(
                case
                    when cache_write_long_q = 0 then 0 else cache_write_long_q * cache_write_long_usd
                end as decimal(38, 12)
            ) as part_cache_write_long_usd,
            cast(
                case when output_q = 0 then 0 else output_q * output_usd end
                + case when reasoning_q = 0 then 0 else reasoning_q * reasoning_usd end
                + case when output_audio_q = 0 then 0 else output_audio_q * output_audio_usd end
                + case when output_image_q = 0 then 0 else output_image_q * output_image_usd end as decimal(
                    38, 12
                )
            ) as part_output_usd,
            cast(
                case when images_q = 0 then 0 else images_q * images_usd end
                + case when web_searches_q = 0 then 0 else web_searches_q * web_searches_usd end
                + case when requests_q = 0 then 0 else requests_q * requests_usd end as decimal(38, 12)
            ) as part_other_usd,
            case
                when by_user
                then
                    cast(
                        case when input_q = 0 then 0 else input_q * list_input_usd end
                        + case when input_audio_q = 0 then 0 else input_audio_q * list_input_audio_usd end
                        + case when input_image_q = 0 then 0 else input_image_q * list_input_image_usd end
                        + case
                            when input_video_q = 0 then 0 else input_video_q * list_input_video_usd
                        end as decimal(38, 12)
                    ) + cast(
                        case when cache_read_q = 0 then 0 else cache_read_q * list_cache_read_usd end + case
                            when cache_audio_read_q = 0
                            then 0
                            else cache_audio_read_q * list_cache_audio_read_usd
                        end
                        + case
                            when cache_image_read_q = 0
                            then 0
                            else cache_image_read_q * list_cache_image_read_usd
                        end
                        + case
                            when cache_video_read_q = 0
                            then 0
                            else cache_video_read_q * list_cache_video_read_usd
                        end as decimal(38, 12)
                    )
                    + cast(
                        case
                            when cache_write_q = 0 then 0 else cache_write_q * list_cache_write_usd
                        end as decimal(38, 12)
                    )
                    + cast(
                        case
                            when cache_write_long_q = 0
                            then 0
                            else cache_write_long_q * list_cache_write_long_usd
                        end as decimal(38, 12)
                    )
                    + cast(
                        case when output_q = 0 then 0 else output_q * list_output_usd end
                        + case when reasoning_q = 0 then 0 else reasoning_q * list_reasoning_usd end
                        + case when output_audio_q = 0 then 0 else output_audio_q * list_output_audio_usd end
                        + case
                            when output_image_q = 0 then 0 else output_image_q * list_output_image_usd
                        end as decimal(38, 12)
                    )
                    + cast(
                        case when images_q = 0 then 0 else images_q * list_images_usd end
                        + case when web_searches_q = 0 then 0 else web_searches_q * list_web_searches_usd end
                        + case when requests_q = 0 then 0 else requests_q * list_requests_usd end as decimal(
                            38, 12
                        )
                    )
            end as own_list_usd
        from rated
    ),
    summed as (
        select
            *,
            part_input_usd
            + part_cache_read_usd
            + part_cache_write_usd
            + part_cache_write_long_usd
            + part_output_usd
            + part_other_usd as computed_usd
        from parts
    ),
    judged as (
        select
            *,
            case
                when not billable
                then 'free'
                when computed_usd is not null
                then 'book'
                when reported_cost_usd > 0
                then 'reported'
                else 'unknown'
            end as verdict,
            cache_read_q + cache_audio_read_q + cache_image_read_q + cache_video_read_q > 0
            and read_by_rule
            or cache_write_q > 0
            and write_by_rule
            or cache_write_long_q > 0
            and long_by_rule as lacks_cache_rate,
            output_by_rule and all_output_q > 0 as lacks_output_rate
        from summed
    )
select
    j.request_id,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then computed_usd when 'reported' then reported_cost_usd
        end as decimal(38, 12)
    ) as cost_usd,
    cast(
        case
            j.verdict
            when 'free'
            then 0
            when 'book'
            then coalesce(own_list_usd, computed_usd)
            when 'reported'
            then reported_cost_usd
        end as decimal(38, 12)
    ) as list_usd,
    case
        when j.verdict = 'reported'
        then 'reported'
        when j.verdict <> 'book'
        then null
        when j.by_user
        then 'user'
        when j.by_rule or j.lacks_cache_rate or j.lacks_output_rate or j.is_mixed
        then 'rule'
        else j.priced_by
    end as priced_by,
    case
        when j.verdict = 'reported'
        then 'reported'
        when j.verdict = 'book'
        then
            j.price_id
            || case when j.lacks_cache_rate then '+no-cache-rate' else '' end
            || case when j.lacks_output_rate then '+no-output-rate' else '' end
            || case when j.is_mixed then '+mixed-cache' else '' end
    end as price_id,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then part_input_usd when 'reported' then 0
        end as decimal(38, 12)
    ) as input_usd,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then part_cache_read_usd when 'reported' then 0
        end as decimal(38, 12)
    ) as cache_read_usd,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then part_cache_write_usd when 'reported' then 0
        end as decimal(38, 12)
    ) as cache_write_usd,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then part_cache_write_long_usd when 'reported' then 0
        end as decimal(38, 12)
    ) as cache_write_long_usd,
    cast(
        case
            j.verdict when 'free' then 0 when 'book' then part_output_usd when 'reported' then 0
        end as decimal(38, 12)
    ) as output_usd,
    cast(
        case
            j.verdict
            when 'free'
            then 0
            when 'book'
            then part_other_usd
            when 'reported'
            then reported_cost_usd
        end as decimal(38, 12)
    ) as other_usd,
    cast(
        case
            when j.verdict = 'unknown' and j.is_sound
            then
                (all_input_q - all_read_q - all_write_q) * r.low_input
                + all_read_q * r.low_cache_read
                + all_write_q * r.low_cache_write
                + all_output_q * r.low_output
        end as decimal(38, 12)
    ) as low_usd,
    cast(
        case
            when j.verdict = 'unknown' and j.is_sound
            then
                (all_input_q - all_read_q - all_write_q) * r.high_input
                + all_read_q * r.high_cache_read
                + all_write_q * r.high_cache_write
                + all_output_q * r.high_output
        end as decimal(38, 12)
    ) as high_usd
from judged as j
left join
    price_ranges_fine as r
    on j.verdict = 'unknown'
    and j.range_key = r.range_key
    and j.started_at >= r.valid_from
    and j.started_at < r.valid_to
