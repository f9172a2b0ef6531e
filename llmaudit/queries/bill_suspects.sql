-- question: Which logged calls could make a log differ from its bill: failures without usage, failures with
-- it, rows that repeat a row, and calls whose usage is estimated?
-- reads:    requests, model_keys
-- grain:    one row per (suspect, day_at, provider, account_id, model)
-- params:
-- columns:  suspect, day_at, provider, account_id, model, calls, known_calls, known_input_tokens, input_q,
-- cache_read_q, cache_write_q, cache_write_long_q, output_q
with
    -- A call that failed names the model it asked for; the others show which one answers to that name.
    answering as (
        select provider, request_model, min(response_model) as response_model
        from requests
        where response_model is not null
        group by 1, 2
        having min(response_model) = max(response_model)
    ),
    -- What a prompt counts in tokens, where an answered call had the very same one.
    prompts as (
        select provider, request_model, prompt_hash, min(input_tokens) as input_tokens
        from requests
        where prompt_hash is not null and status = 'ok' and input_tokens > 0
        group by 1, 2, 3
        having min(input_tokens) = max(input_tokens)
    ),
    calls as (
        select
            r.*,
            coalesce(k.model_key, a.response_model, r.model) as model_key,
            p.input_tokens as known_tokens,
            date_trunc('day', r.started_at) as day_at,
            row_number() over (
                partition by
                    r.provider,
                    r.started_at,
                    r.model,
                    r.input_tokens,
                    r.output_tokens,
                    coalesce(cast(r.prompt_hash as varchar), ''),
                    coalesce(cast(r.output_hash as varchar), '')
                order by r.source, r.source_file, r.request_id
            ) as place
        from requests as r
        left join
            answering as a
            on r.response_model is null
            and r.provider = a.provider
            and r.request_model = a.request_model
        left join
            model_keys as k
            on r.provider = k.provider
            and coalesce(r.response_model, a.response_model, r.request_model) = k.model
        left join
            prompts as p
            on r.provider = p.provider
            and r.request_model = p.request_model
            and r.prompt_hash = p.prompt_hash
        where r.billing_mode = 'metered' and not coalesce(r.gateway_cache_hit, false)
    ),
    named as (
        select
            *,
            case
                -- Whoever gave up waiting may have been answered, and billed, all the same.
                when
                    status = 'cancelled'
                    or http_status in (408, 499, 504)
                    or http_status is null
                    or regexp_matches(lower(coalesce(error_type, '')), 'time|abort|cancel|connection')
                then 'gave_up'
                when http_status >= 500
                then 'server_error'
                else 'refused'
            end as suspect
        from calls
        where status <> 'ok' and not billable
        union all
        select *, 'failed_with_usage'
        from calls
        where status <> 'ok' and billable
        union all
        select *, 'repeated_row'
        from calls
        where billable and input_tokens > 0 and place > 1
        union all
        select *, 'estimated'
        from calls
        where billable and usage_source = 'estimated'
    )
select
    suspect,
    day_at,
    provider,
    account_id,
    model_key as model,
    count(*) as calls,
    count(known_tokens) as known_calls,
    sum(known_tokens) as known_input_tokens,
    sum(input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)) as input_q,
    sum(coalesce(cache_read_tokens, 0)) as cache_read_q,
    sum(coalesce(cache_write_tokens, 0) - coalesce(cache_write_long_tokens, 0)) as cache_write_q,
    sum(coalesce(cache_write_long_tokens, 0)) as cache_write_long_q,
    sum(coalesce(output_tokens, 0)) as output_q
from named
group by 1, 2, 3, 4, 5
order by suspect, day_at, provider, account_id, model
