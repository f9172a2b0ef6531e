-- question: What do the calls of each key cost, and how much of it belongs to a cache that others read too?
-- reads:    requests, allocation_keys
-- grain:    one row per key and pool
-- params:   share_cache
-- columns:  key, pool, requests, tokens, cost_usd, own_cache_usd, even_cache_usd
with
    called as (
        select
            k.key,
            k.pool,
            r.provider,
            r.account_id,
            r.model,
            r.system_hash,
            r.tools_hash,
            r.cost_usd,
            coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0) as tokens,
            -- One opening: the same tools and system prompt, before the same model of one account.
            case
                when
                    $share_cache
                    and k.pool is null
                    and r.cost_usd is not null
                    and (r.system_hash is not null or r.tools_hash is not null)
                then coalesce(r.cache_read_tokens, 0) + coalesce(r.cache_write_tokens, 0)
                else 0
            end as cache_tokens,
            r.cache_read_usd + r.cache_write_usd + r.cache_write_long_usd as cache_usd
        from requests as r
        join allocation_keys as k on r.request_id = k.request_id
    ),
    touched as (
        select
            key,
            provider,
            account_id,
            model,
            system_hash,
            tools_hash,
            sum(cache_tokens) as cache_tokens,
            sum(cache_usd) as cache_usd
        from called
        where cache_tokens > 0
        group by 1, 2, 3, 4, 5, 6
    ),
    openings as (
        select
            provider,
            account_id,
            model,
            system_hash,
            tools_hash,
            sum(cache_tokens) as cache_tokens,
            sum(cache_usd) as cache_usd
        from touched
        group by 1, 2, 3, 4, 5
    ),
    evened as (
        select
            t.key,
            sum(t.cache_usd) as own_cache_usd,
            sum(cast(o.cache_usd * t.cache_tokens / o.cache_tokens as decimal(38, 12))) as even_cache_usd
        from touched as t
        join
            openings as o
            on t.provider is not distinct from o.provider
            and t.account_id is not distinct from o.account_id
            and t.model is not distinct from o.model
            and t.system_hash is not distinct from o.system_hash
            and t.tools_hash is not distinct from o.tools_hash
        group by 1
    ),
    summed as (
        select key, pool, count(*) as requests, sum(tokens) as tokens, sum(cost_usd) as cost_usd
        from called
        group by 1, 2
    )
select
    s.key,
    s.pool,
    s.requests,
    s.tokens,
    s.cost_usd,
    case when s.pool is null then e.own_cache_usd end as own_cache_usd,
    case when s.pool is null then e.even_cache_usd end as even_cache_usd
from summed as s
left join evened as e on s.key is not distinct from e.key
order by s.key, s.pool
