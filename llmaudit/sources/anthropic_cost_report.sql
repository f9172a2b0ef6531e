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
                '{"amount": "VARCHAR", "list_amount": "VARCHAR", "currency": "VARCHAR", "description": "VARCHAR", "cost_type": "VARCHAR",
                  "token_type": "VARCHAR", "model": "VARCHAR", "service_tier": "VARCHAR", "context_window": "VARCHAR",
                  "inference_geo": "VARCHAR", "speed": "VARCHAR", "workspace_id": "VARCHAR", "product": "VARCHAR",
                  "user_id": "VARCHAR", "api_key_id": "VARCHAR", "rbac_group_id": "VARCHAR"}'
            ) as r
        from results
    ),
    paid as (
        select
            *,
            -- Cents to dollars without leaving decimals.
            try_cast(r.amount as decimal(28, 10)) * cast(0.01 as decimal(3, 2)) as amount_usd,
            try_cast(r.list_amount as decimal(28, 10)) * cast(0.01 as decimal(3, 2)) as list_usd,
            concat_ws(
                '|',
                'anthropic',
                coalesce(r.workspace_id, '-'),
                coalesce(r.description, '-'),
                coalesce(r.cost_type, '-'),
                coalesce(r.token_type, '-'),
                coalesce(r.model, '-'),
                coalesce(r.service_tier, '-'),
                coalesce(r.context_window, '-'),
                coalesce(r.inference_geo, '-'),
                coalesce(r.speed, '-'),
                coalesce(r.product, '-'),
                coalesce(r.user_id, '-'),
                coalesce(r.api_key_id, '-'),
                period_start
            ) as line
        from opened
    ),
    twins as (
        select *, row_number() over (partition by document, line order by amount_usd desc, record) as twin
        from paid
    )
select
    record,
    document,
    unread,
    coalesce(
        problem,
        case when amount_usd is null then concat('no readable amount: ', coalesce(r.amount, 'missing')) end
    ) as problem,
    coalesce(
        not_call,
        -- Groups overlap: their rows are further views of what other rows bill.
        case when problem is null and r.rbac_group_id is not null then 'cost of a group' end
    ) as not_call,
    md5(concat_ws('|', line, twin)) as charge_id,
    'anthropic' as provider,
    r.workspace_id as sub_account_id,
    period_start as charge_period_start,
    period_end as charge_period_end,
    'Usage' as charge_category,
    coalesce(r.description, r.product) as charge_description,
    nullif(r.inference_geo, 'not_available') as region,
    anthropic_tier(r.service_tier, r.speed) as service_tier,
    r.model as model,
    anthropic_token_class(r.token_type, r.cost_type) as token_class,
    r.api_key_id as api_key_id,
    r.user_id as user_id,
    list_usd as list_cost,
    amount_usd as billed_cost,
    upper(coalesce(r.currency, 'USD')) as billing_currency
from twins
order by record
