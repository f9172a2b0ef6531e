-- question: What was billed, by every way of dividing a bill, each bill by itself and in its own currency?
-- reads:    charges, billed_days
-- grain:    one row per (source, currency, dimension, key)
-- params:
-- columns:  source, currency, dimension, key, lines, tokens, list_cost, effective_cost, billed_cost
with
    lines as (
        select c.*, d.day, case when c.quantity_unit = 'tokens' then c.quantity end as tokens
        from charges as c
        left join
            billed_days as d on c.charge_period_start >= d.starts_at and c.charge_period_start < d.ends_at
    ),
    told as (
        select
            source,
            billing_currency,
            'bill' as dimension,
            cast(null as varchar) as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'provider' as dimension,
            provider as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'model' as dimension,
            model as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'token_class' as dimension,
            token_class as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'account_id' as dimension,
            account_id as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'sub_account_id' as dimension,
            sub_account_id as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'api_key_id' as dimension,
            api_key_id as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'user_id' as dimension,
            user_id as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'service_tier' as dimension,
            service_tier as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'region' as dimension,
            region as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'charge_category' as dimension,
            charge_category as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
        union all
        select
            source,
            billing_currency,
            'day' as dimension,
            day as key,
            tokens,
            list_cost,
            effective_cost,
            billed_cost
        from lines
    )
select
    source,
    billing_currency as currency,
    dimension,
    key,
    count(*) as lines,
    sum(tokens) as tokens,
    case when count(list_cost) = count(*) then sum(list_cost) end as list_cost,
    case when count(effective_cost) = count(*) then sum(effective_cost) end as effective_cost,
    sum(billed_cost) as billed_cost
from told
group by 1, 2, 3, 4
order by source, currency, dimension, billed_cost desc nulls last, key
