-- question: How much of each call's prompt could have been read from the provider's cache, and how far is it
-- worth writing?
-- reads:    usage, cache_rules, prefix_nodes, prompt_sizes, prompt_breaks
-- grain:    one row per request_id
-- params:   common_calls
-- columns:  request_id, provider, endpoint, model, input_tokens, read_tokens, write_tokens,
-- write_long_tokens,
-- base_tokens, short_tokens, long_tokens, short_common_tokens, long_common_tokens, shared_tokens,
-- common_tokens
with
    covered as (
        select
            row_number() over (order by u.started_at, u.request_id) as call_number,
            u.request_id,
            u.provider,
            u.account_id,
            u.region,
            u.endpoint,
            u.model,
            u.prompt_hash,
            u.template_hash,
            u.input_tokens,
            coalesce(u.cache_read_tokens, 0) as read_tokens,
            coalesce(u.cache_write_tokens, 0) as write_tokens,
            coalesce(u.cache_write_long_tokens, 0) as write_long_tokens,
            epoch_us(u.started_at) as started_us,
            -- an entry can be read once the call that writes it has begun to answer
            epoch_us(u.started_at) + cast(
                round(1000 * greatest(coalesce(u.first_token_ms, u.duration_ms, 0), 0)) as bigint
            ) as ready_us,
            s.chain_bytes,
            r.min_tokens,
            r.increment_tokens,
            1000000 * r.short_seconds as short_us,
            1000000 * r.long_seconds as long_us
        from usage as u
        join cache_rules as r on u.provider = r.provider and u.model = r.model
        join prompt_sizes as s on u.prompt_hash = s.prompt_hash
        -- a prompt of unknown size is not the one its hash names: an earlier change rewrote it
        where u.billable and u.input_tokens > 0 and u.prompt_bytes is not null and s.chain_bytes > 0
    ),
    scopes as (
        select
            provider,
            account_id,
            model,
            region,
            row_number() over (order by provider, account_id, model, region) as scope_number
        from (select distinct provider, account_id, model, region from covered) as found
    ),
    placed as (
        select c.*, s.scope_number
        from covered as c
        join
            scopes as s
            on c.provider = s.provider
            and c.model = s.model
            and c.account_id is not distinct from s.account_id
            and c.region is not distinct from s.region
    ),
    -- the openings a call has, and the one it would have if what breaks it came last
    openings as (
        select
            c.scope_number,
            n.node_hash,
            c.call_number,
            c.started_us,
            c.ready_us,
            n.opening_bytes,
            false as is_mended
        from placed as c
        join prefix_nodes as n on c.prompt_hash = n.prompt_hash
        union all
        select
            c.scope_number,
            b.node_hash,
            c.call_number,
            c.started_us,
            c.ready_us,
            least(b.static_bytes, c.chain_bytes) as opening_bytes,
            true as is_mended
        from placed as c
        join
            prompt_breaks as b
            on c.model = b.model
            and c.endpoint is not distinct from b.endpoint
            and (b.template_hash is null or c.template_hash = b.template_hash)
    ),
    -- each opening is asked for when its call starts, and is there from when the call begins to answer
    moments as (
        select
            scope_number,
            node_hash,
            started_us as at_us,
            call_number,
            0 as is_there,
            started_us,
            opening_bytes,
            is_mended
        from openings
        union all
        select
            scope_number,
            node_hash,
            ready_us as at_us,
            call_number,
            1 as is_there,
            started_us,
            opening_bytes,
            is_mended
        from openings
    ),
    touched as (
        select
            call_number,
            is_there,
            opening_bytes,
            is_mended,
            started_us - max(case when is_there = 1 then started_us end) over (
                partition by scope_number, node_hash
                order by at_us, call_number, is_there
                rows between unbounded preceding and current row
            ) as gap_us,
            sum(is_there) over (partition by scope_number, node_hash) >= $common_calls as is_common
        from moments
    ),
    reached as (
        select
            t.call_number,
            max(t.opening_bytes) filter (where not t.is_mended and t.gap_us <= c.short_us) as base_bytes,
            max(t.opening_bytes) filter (where t.gap_us <= c.short_us) as short_bytes,
            max(t.opening_bytes) filter (where t.gap_us <= c.long_us) as long_bytes,
            max(t.opening_bytes) filter (where t.is_common and t.gap_us <= c.short_us) as short_common_bytes,
            max(t.opening_bytes) filter (where t.is_common and t.gap_us <= c.long_us) as long_common_bytes,
            max(t.opening_bytes) as shared_bytes,
            max(t.opening_bytes) filter (where t.is_common) as common_bytes
        from touched as t
        join covered as c on t.call_number = c.call_number
        where t.is_there = 0
        group by t.call_number
    ),
    -- tokens of an opening: the call's input tokens by share of bytes
    counted as (
        select
            c.*,
            cast(round(c.input_tokens * coalesce(t.base_bytes, 0) / c.chain_bytes) as bigint) as base_q,
            cast(round(c.input_tokens * coalesce(t.short_bytes, 0) / c.chain_bytes) as bigint) as short_q,
            cast(round(c.input_tokens * coalesce(t.long_bytes, 0) / c.chain_bytes) as bigint) as long_q,
            cast(
                round(c.input_tokens * coalesce(t.short_common_bytes, 0) / c.chain_bytes) as bigint
            ) as short_common_q,
            cast(
                round(c.input_tokens * coalesce(t.long_common_bytes, 0) / c.chain_bytes) as bigint
            ) as long_common_q,
            cast(round(c.input_tokens * coalesce(t.shared_bytes, 0) / c.chain_bytes) as bigint) as shared_q,
            cast(round(c.input_tokens * coalesce(t.common_bytes, 0) / c.chain_bytes) as bigint) as common_q
        from covered as c
        left join reached as t on c.call_number = t.call_number
    )
select
    request_id,
    provider,
    endpoint,
    model,
    input_tokens,
    read_tokens,
    write_tokens,
    write_long_tokens,
    case when base_q < min_tokens then 0 else base_q - base_q % increment_tokens end as base_tokens,
    case when short_q < min_tokens then 0 else short_q - short_q % increment_tokens end as short_tokens,
    case when long_q < min_tokens then 0 else long_q - long_q % increment_tokens end as long_tokens,
    case
        when short_common_q < min_tokens then 0 else short_common_q - short_common_q % increment_tokens
    end as short_common_tokens,
    case
        when long_common_q < min_tokens then 0 else long_common_q - long_common_q % increment_tokens
    end as long_common_tokens,
    case when shared_q < min_tokens then 0 else shared_q end as shared_tokens,
    case when common_q < min_tokens then 0 else common_q end as common_tokens
from counted
order by request_id
