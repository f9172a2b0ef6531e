with
    told as (
        select
            *,
            coalesce(
                coalesce(
                    "unrounded subtotal ($)",
                    "unrounded subtotal (€)",
                    "unrounded subtotal (£)",
                    "unrounded subtotal (¥)",
                    "unrounded subtotal (₹)"
                ),
                coalesce("subtotal ($)", "subtotal (€)", "subtotal (£)", "subtotal (¥)", "subtotal (₹)")
            ) as subtotal,
            coalesce(
                "list cost ($)", "list cost (€)", "list cost (£)", "list cost (¥)", "list cost (₹)"
            ) as list_text,
            coalesce(
                coalesce(
                    "other savings ($)",
                    "other savings (€)",
                    "other savings (£)",
                    "other savings (¥)",
                    "other savings (₹)"
                ),
                coalesce("list cost ($)", "list cost (€)", "list cost (£)", "list cost (¥)", "list cost (₹)"),
                "usage unit",
                "sku description",
                "service description",
                date
            ) as label,
            -- A yen sign is Japan's or China's: the table does not say which.
            case
                when coalesce("unrounded subtotal ($)", "subtotal ($)") is not null
                then 'USD'
                when coalesce("unrounded subtotal (€)", "subtotal (€)") is not null
                then 'EUR'
                when coalesce("unrounded subtotal (£)", "subtotal (£)") is not null
                then 'GBP'
                when coalesce("unrounded subtotal (₹)", "subtotal (₹)") is not null
                then 'INR'
            end as currency,
            trim("sku description") as description,
            lower(trim(regexp_replace("sku description", '[^A-Za-z0-9.]+', ' ', 'g'))) as words,
            google_provider("service id", "service description") as provider
        from raw
    ),
    placed as (
        select
            *,
            try_cast(date as date) as day,
            as_money(subtotal) as amount,
            provider is null
            and "sku id" is null
            and (date is null or lower(date) in ('subtotal', 'tax', 'total', 'filtered total')) as is_footer
        from told
    ),
    twins as (
        select
            *,
            google_sku_class(words) as token_class,
            row_number() over (
                partition by day, "project id", "service id", "sku id", description, "usage unit", region
                order by amount desc, record
            ) as twin
        from placed
    )
select
    record,
    unread,
    case
        when is_footer or provider is null
        then null
        when day is null
        then concat('no readable date: ', coalesce(date, 'missing'), '; group the table by day')
        when amount is null
        then concat('no readable subtotal: ', coalesce(subtotal, 'missing'))
    end as problem,
    case
        when is_footer
        then concat('footer: ', case when as_money(label) is null then label end)
        when provider is null
        then 'another Google Cloud service'
    end as not_call,
    md5(
        concat_ws(
            '|',
            'google console',
            day,
            coalesce("project id", '-'),
            coalesce("service id", '-'),
            coalesce("sku id", '-'),
            coalesce(description, '-'),
            coalesce("usage unit", '-'),
            coalesce(region, '-'),
            twin
        )
    ) as charge_id,
    provider,
    "project id" as sub_account_id,
    (day::timestamp at time zone 'America/Los_Angeles') at time zone 'UTC' as charge_period_start,
    (
        (day + interval 1 day)::timestamp at time zone 'America/Los_Angeles'
    ) at time zone 'UTC' as charge_period_end,
    'Usage' as charge_category,
    description as charge_description,
    "sku id" as sku_id,
    region,
    google_sku_tier(words) as service_tier,
    google_sku_name(words) as model,
    token_class,
    as_money("usage amount") as quantity,
    case
        when "usage unit" = 'count' and token_class is not null and token_class <> 'web_searches'
        then 'tokens'
        else "usage unit"
    end as quantity_unit,
    as_money(list_text) as list_cost,
    amount as effective_cost,
    amount as billed_cost,
    currency as billing_currency
from twins
order by record
