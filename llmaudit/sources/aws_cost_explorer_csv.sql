with
    named as (
        select
            *,
            as_utc(concat(period, case when contains(period, ':') then '+00' else ' 00:00+00' end)) as start_at,
            as_money(regexp_replace(amount, '[$\s]', '', 'g')) as dollars,
            lower(grouping) = 'service' as is_service,
            lower(grouping) = 'usage type' as is_usage_type,
            aws_token_class(grouped) as class_said,
            regexp_matches(lower(concat(grouped, '|', period)), '\btotal( costs?)?(\||$)') as is_total
        from raw
    ),
    judged as (
        select
            *,
            (is_service and regexp_matches(lower(grouped), 'bedrock'))
            or (
                is_usage_type
                and (
                    class_said is not null
                    or regexp_matches(
                        lower(grouped),
                        'bedrock|mantle|guardrail|modelunits|provisionedthroughput|search_units|created_image'
                    )
                )
            ) as is_model
        from named
    )
select
    record,
    unread,
    case
        when is_total or coalesce(unit, '$') <> '$' or dollars = 0
        then null
        when not is_service and not is_usage_type
        then concat('grouped by ', grouping, ': nothing says which service it is. Group by service or usage type')
        when not is_model
        then null
        when start_at is null
        then concat('no readable period: ', coalesce(period, 'missing'))
        when dollars is null
        then concat('no readable amount: ', amount)
    end as problem,
    case
        when is_total
        then 'total of Cost Explorer'
        when coalesce(unit, '$') <> '$'
        then 'quantity without a cost'
        when dollars = 0
        then 'no cost in the period'
        when not is_model and (is_service or is_usage_type)
        then 'another AWS service'
    end as not_call,
    md5(concat_ws('|', 'aws cost explorer', lower(grouping), grouped, start_at, grain)) as charge_id,
    'aws.bedrock' as provider,
    start_at as charge_period_start,
    case
        grain
        when 'hour'
        then start_at + interval 1 hour
        when 'month'
        then start_at + interval 1 month
        else start_at + interval 1 day
    end as charge_period_end,
    'Usage' as charge_category,
    grouped as charge_description,
    case when is_usage_type then grouped end as sku_id,
    case when is_usage_type then aws_region(grouped) end as region,
    case when is_usage_type then aws_tier(grouped) end as service_tier,
    case
        when is_usage_type
        then aws_model(grouped, null)
        when contains(grouped, '(Amazon Bedrock Edition)')
        then aws_model('MP:', grouped)
    end as model,
    case when is_usage_type then class_said end as token_class,
    dollars as billed_cost,
    'USD' as billing_currency
from judged
order by record
