with
    results as (
        select record as document, unread, unnest(page_results(data, start_time, end_time, results)) as page
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
                '{"object": "VARCHAR", "amount": {"value": "VARCHAR", "currency": "VARCHAR"}, "line_item": "VARCHAR", "quantity": "VARCHAR",
                  "quantity_unit": "VARCHAR", "project_id": "VARCHAR", "user_id": "VARCHAR", "api_key_id": "VARCHAR",
                  "organization_id": "VARCHAR", "api_source": "VARCHAR"}'
            ) as r
        from results
    ),
    worded as (
        select
            *,
            coalesce(
                try_cast(r.amount.value as decimal(38, 12)),
                try_cast(try_cast(r.amount.value as double) as decimal(38, 12))
            ) as amount,
            regexp_replace(r.line_item, '^[^|,]*\|\s*', '') as item,
            trim(
                replace(
                    lower(
                        regexp_extract(regexp_replace(r.line_item, '^[^|,]*\|\s*', ''), '(?:^|,)([^,]*)$', 1)
                    ),
                    '_',
                    ' '
                )
            ) as words
        from opened
    ),
    sorted_words as (
        select
            *,
            case when contains(item, ',') then regexp_extract(item, '^(.*),[^,]*$', 1) end as named,
            coalesce(
                nullif(regexp_extract(words, '\b(text|audio|image)\b', 1), ''),
                nullif(regexp_extract(item, '\s(text|audio|image),[^,]*$', 1), '')
            ) as modality,
            trim(
                regexp_replace(
                    regexp_replace(words, '\b(text|audio|image|tokens?)\b', '', 'g'), '\s+', ' ', 'g'
                )
            ) as kind
        from worded
    ),
    classed as (
        select
            *,
            regexp_replace(named, '\s(text|audio|image)$', '') as model,
            case
                when regexp_full_match(kind, 'input|uncached input|input uncached')
                then
                    case
                        modality when 'audio' then 'input_audio' when 'image' then 'input_image' else 'input'
                    end
                when
                    regexp_full_match(
                        kind, 'cached input|input cached|cached|cache reads?|input cache reads?'
                    )
                then
                    case
                        modality
                        when 'audio'
                        then 'cache_audio_read'
                        when 'image'
                        then 'cache_image_read'
                        else 'cache_read'
                    end
                when regexp_full_match(kind, '(input )?cache writes?( 30m)?')
                then 'cache_write'
                when regexp_full_match(kind, '(input )?cache writes? 12h')
                then 'cache_write_long'
                when kind = 'output'
                then
                    case
                        modality
                        when 'audio'
                        then 'output_audio'
                        when 'image'
                        then 'output_image'
                        else 'output'
                    end
            end as token_class
        from sorted_words
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    document,
                    period_start,
                    period_end,
                    r.organization_id,
                    r.project_id,
                    r.user_id,
                    r.api_key_id,
                    r.api_source,
                    r.line_item
                order by amount desc, record
            ) as twin
        from classed
    )
select
    record,
    document,
    unread,
    coalesce(
        problem,
        case when amount is null then concat('no readable amount: ', coalesce(r.amount.value, 'missing')) end
    ) as problem,
    coalesce(
        not_call,
        case
            when problem is null and r.object is distinct from 'organization.costs.result'
            then coalesce(r.object, 'result without object')
        end
    ) as not_call,
    md5(
        concat_ws(
            '|',
            'openai',
            coalesce(r.organization_id, '-'),
            coalesce(r.project_id, '-'),
            coalesce(r.user_id, '-'),
            coalesce(r.api_key_id, '-'),
            coalesce(r.api_source, '-'),
            period_start,
            coalesce(r.line_item, '-'),
            twin
        )
    ) as charge_id,
    'openai' as provider,
    r.organization_id as account_id,
    r.project_id as sub_account_id,
    period_start as charge_period_start,
    period_end as charge_period_end,
    'Usage' as charge_category,
    r.line_item as charge_description,
    model,
    coalesce(
        token_class, nullif(trim(regexp_replace(words, '[^a-z0-9]+', '_', 'g'), '_'), '')
    ) as token_class,
    try_cast(try_cast(r.quantity as double) as decimal(38, 12)) * case
        r.quantity_unit
        when '1000_tokens'
        then 1000
        when 'duration_minutes'
        then 60
        when 'duration_hours'
        then 3600
        else 1
    end as quantity,
    case
        when r.quantity_unit = '1000_tokens'
        then 'tokens'
        when starts_with(r.quantity_unit, 'duration_')
        then 'seconds'
        when r.quantity_unit is null and token_class is not null and r.quantity is not null
        then 'tokens'
        else r.quantity_unit
    end as quantity_unit,
    r.api_key_id as api_key_id,
    r.user_id as user_id,
    amount as billed_cost,
    upper(r.amount.currency) as billing_currency
from twins
order by record
