-- question: What is to be charged for each hour or day, account, owner, model, tier, place and kind of token?
-- reads:    requests, list_money, kept_tags
-- grain:    one row per charge_start, provider, account_id, project, team, environment, endpoint,
-- kept_tags, region,
-- deployment, model, service_tier, priced_by, price_id, list_price_id, other_media and token_class
-- params:   by_hour
-- columns:  charge_start, provider, account_id, project, team, environment, endpoint, kept_tags, region,
-- deployment,
-- model, service_tier, priced_by, price_id, list_price_id, other_media, token_class, quantity, list_usd,
-- contracted_usd
with
    called as (
        select
            case
                when $by_hour then date_trunc('hour', r.started_at) else date_trunc('day', r.started_at)
            end as charge_start,
            r.provider,
            r.account_id,
            r.project,
            r.team,
            r.environment,
            r.endpoint,
            k.kept_tags,
            r.region,
            r.deployment,
            r.model,
            coalesce(r.service_tier, 'standard') as service_tier,
            r.priced_by,
            r.price_id,
            case
                when coalesce(l.priced_by, 'reported') = 'reported' then r.price_id else l.price_id
            end as list_price_id,
            -- Audio, images and video have rates of their own but no cost of their own: they stand apart.
            coalesce(r.input_audio_tokens, 0)
            + coalesce(r.output_audio_tokens, 0)
            + coalesce(r.input_image_tokens, 0)
            + coalesce(r.output_image_tokens, 0)
            + coalesce(r.input_video_tokens, 0)
            + coalesce(r.cache_audio_read_tokens, 0)
            + coalesce(r.cache_image_read_tokens, 0)
            + coalesce(r.cache_video_read_tokens, 0)
            > 0 as other_media,
            -- A cost that the log reported is one sum for all the tokens of its call.
            r.priced_by = 'reported' as is_unsplit,
            coalesce(r.input_tokens, 0)
            - coalesce(r.cache_read_tokens, 0)
            - coalesce(r.cache_write_tokens, 0) as input_tokens,
            coalesce(r.cache_read_tokens, 0) as cache_read_tokens,
            coalesce(r.cache_write_tokens, 0) - coalesce(r.cache_write_long_tokens, 0) as cache_write_tokens,
            coalesce(r.cache_write_long_tokens, 0) as cache_write_long_tokens,
            coalesce(r.output_tokens, 0) as output_tokens,
            coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0) as all_tokens,
            coalesce(r.images, 0) as images,
            coalesce(r.web_searches, 0) as web_searches,
            coalesce(r.storage_searches, 0) as storage_searches,
            coalesce(r.input_document_pages, 0) as input_document_pages,
            coalesce(r.audio_seconds, 0) as audio_seconds,
            coalesce(r.video_seconds, 0) as video_seconds,
            coalesce(r.input_characters, 0) as input_characters,
            coalesce(r.output_characters, 0) as output_characters,
            coalesce(r.input_text_messages, 0) as input_text_messages,
            case when r.other_usd <> 0 then 1 else 0 end as other_calls,
            r.input_usd,
            r.cache_read_usd,
            r.cache_write_usd,
            r.cache_write_long_usd,
            r.output_usd,
            r.other_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported' then r.input_usd else l.input_usd
            end as list_input_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported'
                then r.cache_read_usd
                else l.cache_read_usd
            end as list_cache_read_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported'
                then r.cache_write_usd
                else l.cache_write_usd
            end as list_cache_write_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported'
                then r.cache_write_long_usd
                else l.cache_write_long_usd
            end as list_cache_write_long_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported' then r.output_usd else l.output_usd
            end as list_output_usd,
            case
                when coalesce(l.priced_by, 'reported') = 'reported' then r.other_usd else l.other_usd
            end as list_other_usd
        from requests as r
        left join list_money as l on r.request_id = l.request_id
        left join kept_tags as k on r.request_id = k.request_id
        where r.billable and r.cost_usd is not null
    ),
    summed as (
        select
            charge_start,
            provider,
            account_id,
            project,
            team,
            environment,
            endpoint,
            kept_tags,
            region,
            deployment,
            model,
            service_tier,
            priced_by,
            price_id,
            list_price_id,
            other_media,
            is_unsplit,
            sum(input_tokens) as input_tokens,
            sum(cache_read_tokens) as cache_read_tokens,
            sum(cache_write_tokens) as cache_write_tokens,
            sum(cache_write_long_tokens) as cache_write_long_tokens,
            sum(output_tokens) as output_tokens,
            sum(all_tokens) as all_tokens,
            sum(images) as images,
            sum(web_searches) as web_searches,
            sum(storage_searches) as storage_searches,
            sum(input_document_pages) as input_document_pages,
            sum(audio_seconds) as audio_seconds,
            sum(video_seconds) as video_seconds,
            sum(input_characters) as input_characters,
            sum(output_characters) as output_characters,
            sum(input_text_messages) as input_text_messages,
            sum(
                images
                + web_searches
                + storage_searches
                + input_document_pages
                + audio_seconds
                + video_seconds
                + input_characters
                + output_characters
                + input_text_messages
            ) as units,
            sum(other_calls) as other_calls,
            sum(input_usd) as input_usd,
            sum(cache_read_usd) as cache_read_usd,
            sum(cache_write_usd) as cache_write_usd,
            sum(cache_write_long_usd) as cache_write_long_usd,
            sum(output_usd) as output_usd,
            sum(other_usd) as other_usd,
            sum(list_input_usd) as list_input_usd,
            sum(list_cache_read_usd) as list_cache_read_usd,
            sum(list_cache_write_usd) as list_cache_write_usd,
            sum(list_cache_write_long_usd) as list_cache_write_long_usd,
            sum(list_output_usd) as list_output_usd,
            sum(list_other_usd) as list_other_usd
        from called
        group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    ),
    kinds as (
        select 'input' as token_class
        union all
        select 'cache_read' as token_class
        union all
        select 'cache_write' as token_class
        union all
        select 'cache_write_long' as token_class
        union all
        select 'output' as token_class
        union all
        select 'other' as token_class
    ),
    lines as (
        select
            s.charge_start,
            s.provider,
            s.account_id,
            s.project,
            s.team,
            s.environment,
            s.endpoint,
            s.kept_tags,
            s.region,
            s.deployment,
            s.model,
            s.service_tier,
            s.priced_by,
            s.price_id,
            s.list_price_id,
            s.other_media,
            case
                when k.token_class <> 'other'
                then k.token_class
                when s.is_unsplit
                then case when s.all_tokens > 0 then 'all_tokens' else 'requests' end
                when s.images > 0 and s.images = s.units
                then 'images'
                when s.web_searches > 0 and s.web_searches = s.units
                then 'web_searches'
                when s.storage_searches > 0 and s.storage_searches = s.units
                then 'storage_searches'
                when s.input_document_pages > 0 and s.input_document_pages = s.units
                then 'input_document_pages'
                when s.audio_seconds > 0 and s.audio_seconds = s.units
                then 'audio_seconds'
                when s.video_seconds > 0 and s.video_seconds = s.units
                then 'video_seconds'
                when s.input_characters > 0 and s.input_characters = s.units
                then 'input_characters'
                when s.output_characters > 0 and s.output_characters = s.units
                then 'output_characters'
                when s.input_text_messages > 0 and s.input_text_messages = s.units
                then 'input_text_messages'
                else 'requests'
            end as token_class,
            case
                k.token_class
                when 'input'
                then s.input_tokens
                when 'cache_read'
                then s.cache_read_tokens
                when 'cache_write'
                then s.cache_write_tokens
                when 'cache_write_long'
                then s.cache_write_long_tokens
                when 'output'
                then s.output_tokens
                else
                    case
                        when s.is_unsplit
                        then case when s.all_tokens > 0 then s.all_tokens else s.other_calls end
                        when s.images > 0 and s.images = s.units
                        then s.images
                        when s.web_searches > 0 and s.web_searches = s.units
                        then s.web_searches
                        when s.storage_searches > 0 and s.storage_searches = s.units
                        then s.storage_searches
                        when s.input_document_pages > 0 and s.input_document_pages = s.units
                        then s.input_document_pages
                        when s.audio_seconds > 0 and s.audio_seconds = s.units
                        then s.audio_seconds
                        when s.video_seconds > 0 and s.video_seconds = s.units
                        then s.video_seconds
                        when s.input_characters > 0 and s.input_characters = s.units
                        then s.input_characters
                        when s.output_characters > 0 and s.output_characters = s.units
                        then s.output_characters
                        when s.input_text_messages > 0 and s.input_text_messages = s.units
                        then s.input_text_messages
                        else s.other_calls
                    end
            end as quantity,
            case
                k.token_class
                when 'input'
                then s.list_input_usd
                when 'cache_read'
                then s.list_cache_read_usd
                when 'cache_write'
                then s.list_cache_write_usd
                when 'cache_write_long'
                then s.list_cache_write_long_usd
                when 'output'
                then s.list_output_usd
                else s.list_other_usd
            end as list_usd,
            case
                k.token_class
                when 'input'
                then s.input_usd
                when 'cache_read'
                then s.cache_read_usd
                when 'cache_write'
                then s.cache_write_usd
                when 'cache_write_long'
                then s.cache_write_long_usd
                when 'output'
                then s.output_usd
                else s.other_usd
            end as contracted_usd,
            k.token_class = 'other' or not s.is_unsplit as is_a_line
        from summed as s
        cross join kinds as k
    )
select
    charge_start,
    provider,
    account_id,
    project,
    team,
    environment,
    endpoint,
    kept_tags,
    region,
    deployment,
    model,
    service_tier,
    priced_by,
    price_id,
    list_price_id,
    other_media,
    token_class,
    quantity,
    list_usd,
    contracted_usd
from lines
where is_a_line and (quantity > 0 or contracted_usd <> 0 or list_usd <> 0)
order by
    charge_start,
    provider,
    account_id,
    project,
    team,
    environment,
    endpoint,
    kept_tags,
    region,
    deployment,
    model,
    service_tier,
    priced_by,
    price_id,
    list_price_id,
    other_media,
    token_class
