-- question: What does each call cost at the price in force when it was made, and if nobody knows, between
-- what and what?
-- reads:    usage, price_names, price_rates, price_ranges
-- grain:    one row per request_id
-- params:
-- columns:  request_id, cost_usd, list_usd, priced_by, price_id, input_usd, cache_read_usd, cache_write_usd,
-- cache_write_long_usd, output_usd, other_usd, low_usd, high_usd
with
    -- Rates are whole numbers of 1e-15 dollars, and pricing/usage.py takes priced_fine where an integer could
    -- not hold them, or what they come to. `week_second` counts from Monday.
    counted as (
        select
            u.request_id,
            u.started_at,
            u.billable,
            u.reported_cost_usd,
            n.rate_key,
            n.range_key,
            n.priced_by,
            date_diff('second', timestamp '1900-01-01 00:00:00', u.started_at) % 604800 as week_second,
            u.input_tokens as all_input_q,
            u.output_tokens as all_output_q,
            coalesce(u.cache_read_tokens, 0) as all_read_q,
            coalesce(u.cache_write_tokens, 0) as all_write_q,
            coalesce(u.cache_write_long_tokens, 0) as cache_write_long_q,
            coalesce(u.reasoning_tokens, 0) as reasoning_q,
            coalesce(u.input_audio_tokens, 0) as all_audio_q,
            coalesce(u.cache_audio_read_tokens, 0) as cache_audio_read_q,
            coalesce(u.input_image_tokens, 0) as all_image_q,
            coalesce(u.cache_image_read_tokens, 0) as cache_image_read_q,
            coalesce(u.input_video_tokens, 0) as all_video_q,
            coalesce(u.cache_video_read_tokens, 0) as cache_video_read_q,
            coalesce(u.output_audio_tokens, 0) as output_audio_q,
            coalesce(u.output_image_tokens, 0) as output_image_q,
            coalesce(u.images, 0) as images_q,
            coalesce(u.web_searches, 0) as web_searches_q
        from usage as u
        left join
            price_names as n
            on coalesce(u.provider, '') = n.provider
            and coalesce(u.model, '') = n.model
            and coalesce(u.service_tier, '') = n.service_tier
            and coalesce(u.region, '') = n.region
    ),
    -- `fresh` is input outside the cache; `audio`, `image` and `video` what a log counts outside it
    sorted_out as (
        select
            *,
            all_input_q - all_read_q - all_write_q as fresh_q,
            all_audio_q - cache_audio_read_q as audio_q,
            all_image_q - cache_image_read_q as image_q,
            all_video_q - cache_video_read_q as video_q,
            all_read_q - cache_audio_read_q - cache_image_read_q - cache_video_read_q as cache_read_q,
            all_write_q - cache_write_long_q as cache_write_q,
            all_output_q - reasoning_q - output_audio_q - output_image_q as output_q
        from counted
    ),
    -- the parts of one whole may not exceed it: such a count is wrong, and a wrong count has no cost
    sound as (
        select
            *,
            coalesce(
                fresh_q >= 0
                and fresh_q + cache_read_q >= audio_q + image_q + video_q
                and audio_q >= 0
                and image_q >= 0
                and video_q >= 0
                and cache_read_q >= 0
                and cache_audio_read_q >= 0
                and cache_image_read_q >= 0
                and cache_video_read_q >= 0
                and cache_write_q >= 0
                and cache_write_long_q >= 0
                and output_q >= 0
                and reasoning_q >= 0
                and output_audio_q >= 0
                and output_image_q >= 0
                and images_q >= 0
                and web_searches_q >= 0,
                false
            ) as is_sound
        from sorted_out
    ),
    -- a log that does not say which cached tokens were audio or images counts them as both: they are cached
    rated as (
        select
            s.* exclude (audio_q, image_q, video_q),
            least(audio_q, fresh_q) as input_audio_q,
            least(audio_q + image_q, fresh_q) - least(audio_q, fresh_q) as input_image_q,
            least(audio_q + image_q + video_q, fresh_q) - least(audio_q + image_q, fresh_q) as input_video_q,
            fresh_q - least(audio_q + image_q + video_q, fresh_q) as input_q,
            audio_q + image_q + video_q > fresh_q as is_mixed,
            p.* exclude (
                rate_key, valid_from, valid_to, week_from_second, week_to_second, from_tokens, to_tokens
            )
        from sound as s
        left join
            price_rates as p
            on s.rate_key = p.rate_key
            and s.started_at >= p.valid_from
            and s.started_at < p.valid_to
            and s.all_input_q >= p.from_tokens
            and s.all_input_q < p.to_tokens
            and s.week_second >= p.week_from_second
            and s.week_second < p.week_to_second
    ),
    -- each part rounded to 1e-12 dollars, which are what is left
    parts as (
        select
            *,
            -- fmt: off
            (
                input_q * input_steps
                + input_audio_q * input_audio_steps
                + input_image_q * input_image_steps
                + input_video_q * input_video_steps
                + 500
            ) // 1000 as input_part,
            (
                cache_read_q * cache_read_steps
                + cache_audio_read_q * cache_audio_read_steps
                + cache_image_read_q * cache_image_read_steps
                + cache_video_read_q * cache_video_read_steps
                + 500
            ) // 1000 as cache_read_part,
            (cache_write_q * cache_write_steps + 500) // 1000 as cache_write_part,
            (cache_write_long_q * cache_write_long_steps + 500) // 1000 as cache_write_long_part,
            (
                output_q * output_steps
                + reasoning_q * reasoning_steps
                + output_audio_q * output_audio_steps
                + output_image_q * output_image_steps
                + 500
            ) // 1000 as output_part,
            (images_q * images_steps + web_searches_q * web_searches_steps + requests_steps + 500) // 1000 as other_part,
            case
                when by_user
                then (
                        input_q * list_input_steps
                        + input_audio_q * list_input_audio_steps
                        + input_image_q * list_input_image_steps
                        + input_video_q * list_input_video_steps
                        + 500
                    ) // 1000
                    + (
                        cache_read_q * list_cache_read_steps
                        + cache_audio_read_q * list_cache_audio_read_steps
                        + cache_image_read_q * list_cache_image_read_steps
                        + cache_video_read_q * list_cache_video_read_steps
                        + 500
                    ) // 1000
                    + (cache_write_q * list_cache_write_steps + 500) // 1000
                    + (cache_write_long_q * list_cache_write_long_steps + 500) // 1000
                    + (
                        output_q * list_output_steps
                        + reasoning_q * list_reasoning_steps
                        + output_audio_q * list_output_audio_steps
                        + output_image_q * list_output_image_steps
                        + 500
                    ) // 1000
                    + (
                        images_q * list_images_steps
                        + web_searches_q * list_web_searches_steps
                        + list_requests_steps
                        + 500
                    ) // 1000
            end as own_list_part,
            -- fmt: on
            case
                when not billable or not is_sound or price_id is null
                then false
                when images_q > 0 and lacks_images
                then false
                when web_searches_q > 0 and lacks_web_searches
                then false
                when lacking = 0
                then true
                else
                    (input_q = 0 or (lacking & 1) = 0)
                    and (cache_read_q = 0 or (lacking & 2) = 0)
                    and (cache_write_q = 0 or (lacking & 4) = 0)
                    and (cache_write_long_q = 0 or (lacking & 8) = 0)
                    and (output_q = 0 or (lacking & 16) = 0)
                    and (reasoning_q = 0 or (lacking & 32) = 0)
                    and (input_audio_q = 0 or (lacking & 64) = 0)
                    and (cache_audio_read_q = 0 or (lacking & 128) = 0)
                    and (input_image_q = 0 or (lacking & 256) = 0)
                    and (cache_image_read_q = 0 or (lacking & 512) = 0)
                    and (input_video_q = 0 or (lacking & 1024) = 0)
                    and (cache_video_read_q = 0 or (lacking & 2048) = 0)
                    and (output_audio_q = 0 or (lacking & 4096) = 0)
                    and (output_image_q = 0 or (lacking & 8192) = 0)
            end as is_known
        from rated
    ),
    summed as (
        select
            *,
            input_part
            + cache_read_part
            + cache_write_part
            + cache_write_long_part
            + output_part
            + other_part as cost_part
        from parts
    ),
    judged as (
        select
            *,
            is_known is false and billable and reported_cost_usd > 0 as is_reported,
            billable
            and is_known is false
            and is_sound
            and (reported_cost_usd is null or reported_cost_usd <= 0) as is_open,
            (read_by_rule and all_read_q > 0)
            or (write_by_rule and cache_write_q > 0)
            or (long_by_rule and cache_write_long_q > 0) as lacks_cache_rate,
            output_by_rule and all_output_q > 0 as lacks_output_rate
        from summed
    )
select
    j.request_id,
    case
        when j.is_known
        then
            cast(
                cast(j.cost_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then j.reported_cost_usd
    end as cost_usd,
    case
        when j.is_known
        then
            cast(
                cast(case when j.by_user then j.own_list_part else j.cost_part end as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then j.reported_cost_usd
    end as list_usd,
    case
        when j.is_reported
        then 'reported'
        when not j.is_known
        then null
        when j.by_user
        then 'user'
        when j.by_rule or j.lacks_cache_rate or j.lacks_output_rate or j.is_mixed
        then 'rule'
        else j.priced_by
    end as priced_by,
    case
        when j.is_reported
        then 'reported'
        when not j.is_known
        then null
        when j.lacks_cache_rate or j.lacks_output_rate or j.is_mixed
        then
            j.price_id
            || case when j.lacks_cache_rate then '+no-cache-rate' else '' end
            || case when j.lacks_output_rate then '+no-output-rate' else '' end
            || case when j.is_mixed then '+mixed-cache' else '' end
        else j.price_id
    end as price_id,
    case
        when j.is_known
        then
            cast(
                cast(j.input_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then 0
    end as input_usd,
    case
        when j.is_known
        then
            cast(
                cast(j.cache_read_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then 0
    end as cache_read_usd,
    case
        when j.is_known
        then
            cast(
                cast(j.cache_write_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then 0
    end as cache_write_usd,
    case
        when j.is_known
        then
            cast(
                cast(j.cache_write_long_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then 0
    end as cache_write_long_usd,
    case
        when j.is_known
        then
            cast(
                cast(j.output_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then 0
    end as output_usd,
    case
        when j.is_known
        then
            cast(
                cast(j.other_part as decimal(19, 0))
                * cast('0.000000000001' as decimal(12, 12)) as decimal(38, 12)
            )
        when not j.billable
        then 0
        when j.is_reported
        then j.reported_cost_usd
    end as other_usd,
    case
        when j.is_open
        then
            cast(
                cast(
                    j.fresh_q * r.low_input
                    + j.all_read_q * r.low_cache_read
                    + j.all_write_q * r.low_cache_write
                    + j.all_output_q * r.low_output as decimal(19, 0)
                )
                * cast('0.000000000000001' as decimal(15, 15)) as decimal(38, 12)
            )
    end as low_usd,
    case
        when j.is_open
        then
            cast(
                cast(
                    j.fresh_q * r.high_input
                    + j.all_read_q * r.high_cache_read
                    + j.all_write_q * r.high_cache_write
                    + j.all_output_q * r.high_output as decimal(19, 0)
                )
                * cast('0.000000000000001' as decimal(15, 15)) as decimal(38, 12)
            )
    end as high_usd
from judged as j
left join
    price_ranges as r
    on case when j.is_open then j.range_key end = r.range_key
    and j.started_at >= r.valid_from
    and j.started_at < r.valid_to
