-- question: Which calls paid for a faster tier or a region of their own, although the log shows no need of
-- it?
-- reads:    requests, unwaited, offers
-- grain:    one row per request_id
-- params:
-- columns:  request_id, nobody_waits, faster_share, faster_share_high, premium_requests, standard_requests,
-- plain_region, plain_requests
with
    paid as (
        select
            r.request_id,
            r.started_at,
            coalesce(r.endpoint, '')
            || '|'
            || coalesce(r.model, '')
            || '|'
            || coalesce(r.provider, '')
            || '|'
            || coalesce(r.account_id, '')
            || '|'
            || coalesce(r.environment, '') as site,
            coalesce(r.provider, '') as provider,
            coalesce(r.model, '') as model,
            r.region,
            coalesce(r.region, '') as region_key,
            case
                when
                    lower(coalesce(r.service_tier, 'standard'))
                    in ('standard', 'default', 'auto', 'on_demand')
                then 'standard'
                else lower(r.service_tier)
            end as tier,
            case when r.output_tokens > 0 then r.duration_ms / r.output_tokens end as ms_per_token
        from requests as r
        where coalesce(r.billing_mode, 'metered') = 'metered' and r.billable and r.status = 'ok'
    ),
    dear_tiers as (
        select distinct provider, model, region, tier, valid_from, valid_to
        from offers
        where against_standard > 0 and tier not in ('batch', 'flex')
    ),
    premium as (
        select distinct p.request_id, p.site, p.tier
        from paid as p
        join
            dear_tiers as d
            on p.provider = d.provider
            and p.model = d.model
            and p.region_key = d.region
            and p.tier = d.tier
            and p.started_at >= d.valid_from
            and p.started_at < d.valid_to
    ),

    -- Is the dearer tier faster at all? Ranks of both tiers' milliseconds per token (Mann and Whitney).
    pairs as (select distinct site, tier from premium),
    timed as (
        select a.site, a.tier as premium_tier, p.tier <> 'standard' as is_premium, p.ms_per_token
        from pairs as a
        join paid as p on a.site = p.site and p.tier in (a.tier, 'standard')
        where p.ms_per_token is not null
    ),
    ranked as (
        select
            site,
            premium_tier,
            is_premium,
            rank() over (partition by site, premium_tier order by ms_per_token)
            + cast(count(*) over (partition by site, premium_tier, ms_per_token) - 1 as double) / 2 as place
        from timed
    ),
    rank_sums as (
        select
            site,
            premium_tier,
            count(*) filter (where is_premium) as premium_requests,
            count(*) filter (where not is_premium) as standard_requests,
            sum(case when is_premium then place else 0 end) as places
        from ranked
        group by site, premium_tier
    ),
    speeds as (
        select
            site,
            premium_tier,
            premium_requests,
            standard_requests,
            1
            - (places - cast(premium_requests as double) * (premium_requests + 1) / 2)
            / (cast(premium_requests as double) * standard_requests) as faster_share,
            sqrt(
                cast(premium_requests + standard_requests + 1 as double)
                / (12.0 * cast(premium_requests as double) * standard_requests)
            ) as error
        from rank_sums
        where premium_requests >= 30 and standard_requests >= 30
    ),

    -- Do other calls of the same site run where there is no surcharge?
    surcharges as (select distinct provider, model, region, has_surcharge from offers),
    placed as (
        select p.request_id, p.site, p.region, s.has_surcharge, p.provider
        from paid as p
        join surcharges as s on p.provider = s.provider and p.model = s.model and p.region_key = s.region
    ),
    site_regions as (
        select
            site,
            count(*) as requests,
            count(*) filter (
                where
                    not has_surcharge
                    and (lower(region) = 'global' or (region is null and provider in ('anthropic', 'openai')))
            ) as plain_requests,
            max(case when lower(region) = 'global' then region end) as plain_region
        from placed
        group by site
    ),
    regional as (
        select p.request_id, coalesce(s.plain_region, '') as plain_region, s.plain_requests
        from placed as p
        join site_regions as s on p.site = s.site
        where p.has_surcharge and s.plain_requests >= 20 and s.plain_requests * 10 >= s.requests
    ),
    dropped as (
        select
            p.request_id,
            w.request_id is not null as nobody_waits,
            round(s.faster_share, 4) as faster_share,
            round(s.faster_share + 1.645 * s.error, 4) as faster_share_high,
            s.premium_requests,
            s.standard_requests
        from premium as p
        left join unwaited as w on p.request_id = w.request_id
        left join speeds as s on p.site = s.site and p.tier = s.premium_tier
        where w.request_id is not null or s.faster_share + 1.645 * s.error <= 0.6
    )
select
    coalesce(d.request_id, r.request_id) as request_id,
    d.nobody_waits,
    d.faster_share,
    d.faster_share_high,
    d.premium_requests,
    d.standard_requests,
    r.plain_region,
    r.plain_requests
from dropped as d
full join regional as r on d.request_id = r.request_id
order by 1
