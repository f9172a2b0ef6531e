with
    paid as (
        select
            *,
            as_utc(concat(left(usage_date_utc, 10), 'T00:00:00Z')) as period_start,
            try_cast(cost_usd as decimal(38, 12)) as amount,
            concat_ws(
                '|',
                'anthropic console',
                coalesce(workspace, '-'),
                coalesce(api_key_id, api_key, '-'),
                coalesce(model, '-'),
                coalesce(usage_type, '-'),
                coalesce(context_window, '-'),
                coalesce(token_type, '-'),
                coalesce(cost_type, '-'),
                coalesce(inference_geo, '-'),
                coalesce(speed, '-'),
                left(usage_date_utc, 10)
            ) as line
        from raw
    ),
    twins as (select *, row_number() over (partition by line order by amount desc, record) as twin from paid)
select
    record,
    unread,
    case
        when period_start is null
        then concat('no readable usage_date_utc: ', coalesce(usage_date_utc, 'missing'))
        when amount is null
        then concat('no readable cost_usd: ', coalesce(cost_usd, 'missing'))
    end as problem,
    md5(concat_ws('|', line, twin)) as charge_id,
    'anthropic' as provider,
    workspace as sub_account_id,
    period_start as charge_period_start,
    period_start + interval 1 day as charge_period_end,
    'Usage' as charge_category,
    nullif(concat_ws(' - ', model, coalesce(token_type, cost_type)), '') as charge_description,
    nullif(inference_geo, 'not_available') as region,
    anthropic_tier(
        case when usage_type in ('standard', 'batch', 'priority', 'flex') then usage_type end, speed
    ) as service_tier,
    model,
    anthropic_token_class(token_type, cost_type) as token_class,
    coalesce(api_key_id, api_key) as api_key_id,
    try_cast(list_price_usd as decimal(38, 12)) as list_cost,
    amount as billed_cost,
    'USD' as billing_currency
from twins
order by record
