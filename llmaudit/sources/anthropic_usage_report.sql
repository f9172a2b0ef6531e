with
    results as (
        select
            record as document,
            unread,
            unnest(anthropic_results(data, starting_at, ending_at, results)) as page
        from raw
    ),
    opened as (
        select
            document,
            unread,
            row_number() over () as record,
            unnest(page),
            from_json(
                page.result,
                '{"uncached_input_tokens": "VARCHAR", "cache_read_input_tokens": "VARCHAR", "output_tokens": "VARCHAR", "requests": "VARCHAR",
                  "cache_creation": {"ephemeral_5m_input_tokens": "VARCHAR", "ephemeral_1h_input_tokens": "VARCHAR"},
                  "server_tool_use": {"web_search_requests": "VARCHAR"}, "api_key_id": "VARCHAR", "workspace_id": "VARCHAR", "model": "VARCHAR",
                  "service_tier": "VARCHAR", "context_window": "VARCHAR", "inference_geo": "VARCHAR", "speed": "VARCHAR",
                  "account_id": "VARCHAR", "service_account_id": "VARCHAR", "product": "VARCHAR", "user_id": "VARCHAR", "rbac_group_id": "VARCHAR"}'
            ) as r
        from results
    ),
    counted as (
        select
            *,
            as_count(r.cache_creation.ephemeral_1h_input_tokens) as written_long,
            coalesce(
                as_count(r.cache_creation.ephemeral_5m_input_tokens)
                + coalesce(as_count(r.cache_creation.ephemeral_1h_input_tokens), 0),
                as_count(r.cache_creation.ephemeral_1h_input_tokens)
            ) as written,
            concat_ws(
                '|',
                'anthropic',
                coalesce(r.workspace_id, '-'),
                coalesce(r.api_key_id, '-'),
                coalesce(r.account_id, '-'),
                coalesce(r.service_account_id, '-'),
                coalesce(r.user_id, '-'),
                coalesce(r.product, '-'),
                coalesce(r.model, '-'),
                coalesce(r.service_tier, '-'),
                coalesce(r.context_window, '-'),
                coalesce(r.inference_geo, '-'),
                coalesce(r.speed, '-'),
                period_start,
                period_end
            ) as bucket
        from opened
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by document, bucket order by as_count(r.output_tokens) desc, record
            ) as twin
        from counted
    )
select
    record,
    document,
    unread,
    coalesce(
        problem,
        case
            when
                as_count(
                    coalesce(
                        r.uncached_input_tokens,
                        r.output_tokens,
                        r.requests,
                        r.server_tool_use.web_search_requests
                    )
                )
                is null
            then 'no readable counts'
        end
    ) as problem,
    coalesce(
        not_call,
        -- Groups overlap: their rows are further views of what other rows count.
        case when problem is null and r.rbac_group_id is not null then 'usage of a group' end
    ) as not_call,
    md5(concat_ws('|', bucket, twin)) as usage_id,
    'anthropic' as provider,
    r.workspace_id as project,
    coalesce(r.user_id, r.account_id, r.service_account_id) as user_id,
    r.api_key_id as api_key_id,
    period_start,
    period_end,
    'chat' as operation,
    r.model as model,
    anthropic_tier(r.service_tier, r.speed) as service_tier,
    as_count(r.requests) as requests,
    as_count(r.uncached_input_tokens)
    + coalesce(as_count(r.cache_read_input_tokens), 0)
    + coalesce(written, 0) as input_tokens,
    as_count(r.cache_read_input_tokens) as cache_read_tokens,
    written as cache_write_tokens,
    written_long as cache_write_long_tokens,
    as_count(r.output_tokens) as output_tokens,
    as_count(r.server_tool_use.web_search_requests) as web_searches
from twins
order by record
