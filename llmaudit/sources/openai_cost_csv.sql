with
    worded as (
        select
            *,
            coalesce(as_utc(start_time), as_utc(concat(left(start_time_iso, 19), 'Z'))) as period_start,
            coalesce(as_utc(end_time), as_utc(concat(left(end_time_iso, 19), 'Z'))) as period_end,
            coalesce(
                try_cast(amount_value as decimal(38, 12)),
                try_cast(try_cast(amount_value as double) as decimal(38, 12))
            ) as amount,
            openai_line_item(line_item) as item
        from raw
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    period_start, organization_id, project_id, user_id, api_key_id, api_source, line_item
                order by amount desc, record
            ) as twin
        from worded
    )
select
    record,
    unread,
    case
        when period_start is null
        then concat('no readable start_time: ', coalesce(start_time, 'missing'))
        when amount_value is not null and amount is null
        then concat('no readable amount_value: ', amount_value)
        when amount_value is null and coalesce(line_item, quantity) is not null
        then 'no amount_value'
    end as problem,
    case
        when period_start is not null and coalesce(amount_value, line_item, quantity) is null
        then 'empty bucket'
    end as not_call,
    md5(
        concat_ws(
            '|',
            'openai',
            coalesce(organization_id, '-'),
            coalesce(project_id, '-'),
            coalesce(user_id, '-'),
            coalesce(api_key_id, '-'),
            coalesce(api_source, '-'),
            period_start,
            coalesce(line_item, '-'),
            twin
        )
    ) as charge_id,
    'openai' as provider,
    organization_id as account_id,
    project_id as sub_account_id,
    period_start as charge_period_start,
    period_end as charge_period_end,
    'Usage' as charge_category,
    line_item as charge_description,
    item.model as model,
    item.token_class as token_class,
    try_cast(try_cast(quantity as double) as decimal(38, 12)) * case
        quantity_unit
        when '1000_tokens'
        then 1000
        when 'duration_minutes'
        then 60
        when 'duration_hours'
        then 3600
        else 1
    end as quantity,
    case
        when quantity_unit = '1000_tokens'
        then 'tokens'
        when starts_with(quantity_unit, 'duration_')
        then 'seconds'
        when quantity_unit is null and item.is_tokens and quantity is not null
        then 'tokens'
        else quantity_unit
    end as quantity_unit,
    api_key_id,
    user_id,
    amount as billed_cost,
    upper(amount_currency) as billing_currency
from twins
order by record
