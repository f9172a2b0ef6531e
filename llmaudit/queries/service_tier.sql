-- question: Which calls could have had the standard tier, no regional surcharge or the price of a shorter
-- prompt?
-- reads:    usage, needless_premiums, offers
-- grain:    one row per request_id
-- params:   trim_share
-- columns:  request_id, to_tier, to_region, to_input_tokens, drops_tier, leaves_region, trims
with
    made as (
        select
            request_id,
            started_at,
            coalesce(provider, '') as provider,
            coalesce(model, '') as model,
            service_tier,
            region,
            input_tokens,
            coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) as cached_tokens,
            coalesce(input_audio_tokens, 0)
            + coalesce(input_image_tokens, 0)
            + coalesce(input_video_tokens, 0) as media_tokens,
            case
                when lower(coalesce(service_tier, 'standard')) in ('standard', 'default', 'auto', 'on_demand')
                then 'standard'
                else lower(service_tier)
            end as tier
        from usage
        where billable and status = 'ok'
    ),
    -- Prompts that are a little longer than where the long-context price begins, by no more than is not
    -- cached.
    long_prompts as (
        select m.request_id, min(o.from_tokens) - 1 as to_input_tokens
        from made as m
        join
            offers as o
            on m.provider = o.provider
            and m.model = o.model
            and coalesce(m.region, '') = o.region
            and m.tier = o.tier
            and m.started_at >= o.valid_from
            and m.started_at < o.valid_to
            and o.is_long_context
            and m.input_tokens >= o.from_tokens
            and m.input_tokens - o.from_tokens < $trim_share * o.from_tokens
        where m.media_tokens = 0 and m.input_tokens - o.from_tokens + 1 <= m.input_tokens - m.cached_tokens
        group by m.request_id
    ),
    judged as (
        select
            m.request_id,
            m.service_tier,
            m.region,
            m.input_tokens,
            n.plain_region,
            l.to_input_tokens,
            coalesce(
                n.nobody_waits is not null and m.tier not in ('standard', 'batch', 'flex'), false
            ) as drops_tier,
            coalesce(
                n.plain_region is not null and coalesce(m.region, '') <> n.plain_region, false
            ) as leaves_region,
            l.request_id is not null as trims
        from made as m
        left join needless_premiums as n on m.request_id = n.request_id
        left join long_prompts as l on m.request_id = l.request_id
    )
select
    request_id,
    case when drops_tier then 'standard' else service_tier end as to_tier,
    case when leaves_region then nullif(plain_region, '') else region end as to_region,
    case when trims then to_input_tokens else input_tokens end as to_input_tokens,
    drops_tier,
    leaves_region,
    trims
from judged
where drops_tier or leaves_region or trims
order by request_id
