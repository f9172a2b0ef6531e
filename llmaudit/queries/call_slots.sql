-- question: What did the logged calls use and come to, by slot of time, model, tier and token class?
-- reads:    requests, model_keys
-- grain:    one row per (slot, provider, account_id, project, model, service_tier, requested_service_tier,
-- token_class)
-- params:   slot_minutes
-- columns:  slot, provider, account_id, project, model, service_tier, requested_service_tier, token_class,
-- calls, unpriced_calls, reported_calls, quantity, cost_usd
with
    wide as (
        select
            cast(
                floor(epoch_us(r.started_at) / (cast($slot_minutes as bigint) * 60000000)) as bigint
            ) as slot,
            r.provider,
            r.account_id,
            r.project,
            coalesce(k.model_key, r.model) as model,
            r.service_tier,
            r.requested_service_tier,
            count(*) filter (where r.billable) as calls,
            count(*) filter (where r.billable and r.cost_usd is null) as unpriced_calls,
            count(*) filter (where r.billable and r.priced_by = 'reported') as reported_calls,
            sum(
                r.input_tokens - coalesce(r.cache_read_tokens, 0) - coalesce(r.cache_write_tokens, 0)
            ) filter (where r.billable) as input_q,
            sum(r.cache_read_tokens) filter (where r.billable) as cache_read_q,
            sum(coalesce(r.cache_write_tokens, 0) - coalesce(r.cache_write_long_tokens, 0)) filter (
                where r.billable
            ) as cache_write_q,
            sum(r.cache_write_long_tokens) filter (where r.billable) as cache_write_long_q,
            sum(r.output_tokens) filter (where r.billable) as output_q,
            sum(
                coalesce(r.images, 0)
                + coalesce(r.web_searches, 0)
                + coalesce(r.storage_searches, 0)
                + coalesce(r.input_document_pages, 0)
                + coalesce(r.audio_seconds, 0)
                + coalesce(r.video_seconds, 0)
                + coalesce(r.input_characters, 0)
                + coalesce(r.output_characters, 0)
                + coalesce(r.input_text_messages, 0)
            ) filter (where r.billable) as other_q,
            sum(r.input_usd) as input_usd,
            sum(r.cache_read_usd) as cache_read_usd,
            sum(r.cache_write_usd) as cache_write_usd,
            sum(r.cache_write_long_usd) as cache_write_long_usd,
            sum(r.output_usd) as output_usd,
            sum(r.other_usd) as other_usd
        from requests as r
        left join model_keys as k on r.provider = k.provider and r.model = k.model
        where r.billing_mode = 'metered'
        group by 1, 2, 3, 4, 5, 6, 7
    ),
    long as (
        select *, 'input' as token_class, input_q as quantity, input_usd as cost_usd
        from wide
        union all
        select *, 'cache_read', cache_read_q, cache_read_usd
        from wide
        union all
        select *, 'cache_write', cache_write_q, cache_write_usd
        from wide
        union all
        select *, 'cache_write_long', cache_write_long_q, cache_write_long_usd
        from wide
        union all
        select *, 'output', output_q, output_usd
        from wide
        union all
        select *, 'other', other_q, other_usd
        from wide
    )
select
    slot,
    provider,
    account_id,
    project,
    model,
    service_tier,
    requested_service_tier,
    token_class,
    calls,
    unpriced_calls,
    reported_calls,
    quantity,
    cost_usd
from long
where quantity <> 0 or cost_usd <> 0
order by slot, provider, account_id, project, model, service_tier, requested_service_tier, token_class
