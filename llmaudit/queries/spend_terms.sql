-- question: What do calls cost by day or month, provider, model and kind of token or unit, and of how many?
-- reads:    requests
-- grain:    one row per month, provider, model and token_class
-- params:   by_day
-- columns:  month, provider, model, token_class, quantity, contracted_usd
with
    called as (
        select
            cast(
                case
                    when $by_day then date_trunc('day', started_at) else date_trunc('month', started_at)
                end as date
            ) as month,
            provider,
            model,
            coalesce(images, 0) as images,
            coalesce(web_searches, 0) as web_searches,
            coalesce(storage_searches, 0) as storage_searches,
            coalesce(input_document_pages, 0) as input_document_pages,
            coalesce(audio_seconds, 0) as audio_seconds,
            coalesce(video_seconds, 0) as video_seconds,
            coalesce(input_characters, 0) as input_characters,
            coalesce(output_characters, 0) as output_characters,
            coalesce(input_text_messages, 0) as input_text_messages,
            coalesce(input_tokens, 0)
            - coalesce(cache_read_tokens, 0)
            - coalesce(cache_write_tokens, 0) as input_tokens,
            coalesce(cache_read_tokens, 0) as cache_read_tokens,
            coalesce(cache_write_tokens, 0) - coalesce(cache_write_long_tokens, 0) as cache_write_tokens,
            coalesce(cache_write_long_tokens, 0) as cache_write_long_tokens,
            coalesce(output_tokens, 0) as output_tokens,
            priced_by = 'reported' as is_unsplit,
            input_usd,
            cache_read_usd,
            cache_write_usd,
            cache_write_long_usd,
            output_usd,
            other_usd
        from requests
        where billable and cost_usd is not null
    ),
    measured as (
        select
            *,
            images
            + web_searches
            + storage_searches
            + input_document_pages
            + audio_seconds
            + video_seconds
            + input_characters
            + output_characters
            + input_text_messages as units
        from called
    ),
    named as (
        select
            *,
            -- Where a call has several units, or a cost that the log alone knew, it is counted itself.
            case
                when is_unsplit or units = 0
                then 'requests'
                when images = units
                then 'images'
                when web_searches = units
                then 'web_searches'
                when storage_searches = units
                then 'storage_searches'
                when input_document_pages = units
                then 'input_document_pages'
                when audio_seconds = units
                then 'audio_seconds'
                when video_seconds = units
                then 'video_seconds'
                when input_characters = units
                then 'input_characters'
                when output_characters = units
                then 'output_characters'
                when input_text_messages = units
                then 'input_text_messages'
                else 'requests'
            end as unit
        from measured
    ),
    summed as (
        select
            month,
            provider,
            model,
            unit,
            sum(case when is_unsplit then 0 else input_tokens end) as input_tokens,
            sum(case when is_unsplit then 0 else cache_read_tokens end) as cache_read_tokens,
            sum(case when is_unsplit then 0 else cache_write_tokens end) as cache_write_tokens,
            sum(case when is_unsplit then 0 else cache_write_long_tokens end) as cache_write_long_tokens,
            sum(case when is_unsplit then 0 else output_tokens end) as output_tokens,
            sum(case when unit <> 'requests' then units when other_usd <> 0 then 1 else 0 end) as units,
            sum(input_usd) as input_usd,
            sum(cache_read_usd) as cache_read_usd,
            sum(cache_write_usd) as cache_write_usd,
            sum(cache_write_long_usd) as cache_write_long_usd,
            sum(output_usd) as output_usd,
            sum(other_usd) as other_usd
        from named
        group by 1, 2, 3, 4
    ),
    lines as (
        select month, provider, model, 'input' as token_class, input_tokens as quantity, input_usd as usd
        from summed
        union all
        select month, provider, model, 'cache_read', cache_read_tokens, cache_read_usd
        from summed
        union all
        select month, provider, model, 'cache_write', cache_write_tokens, cache_write_usd
        from summed
        union all
        select month, provider, model, 'cache_write_long', cache_write_long_tokens, cache_write_long_usd
        from summed
        union all
        select month, provider, model, 'output', output_tokens, output_usd
        from summed
        union all
        select month, provider, model, unit, units, other_usd
        from summed
    )
select month, provider, model, token_class, sum(quantity) as quantity, sum(usd) as contracted_usd
from lines
where usd <> 0 or quantity > 0
group by 1, 2, 3, 4
order by 1, 2, 3, 4
