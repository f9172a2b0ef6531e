-- question: What does each bill charge, by day, kind of line, model, tier and token class?
-- reads:    charges, model_keys
-- grain:    one row per (source, provider, account_id, currency, line_kind, start_at, end_at, project, model,
-- service_tier, token_class, description)
-- params:
-- columns:  source, provider, account_id, currency, line_kind, start_at, end_at, project, model, words,
-- service_tier, token_class, description, lines, counted_lines, quantity, list_lines, list_cost,
-- contracted_lines, contracted_cost, billed_cost
with
    sorted_out as (
        select
            c.*,
            k.model_key,
            lower(coalesce(c.charge_description, '')) as said,
            -- Lines of an hour are lines of its day.
            date_trunc('day', c.charge_period_start) as day_at,
            epoch_us(c.charge_period_end) - epoch_us(c.charge_period_start) > 86400000000 as is_long
        from charges as c
        left join model_keys as k on c.provider = k.provider and c.model = k.model
    ),
    kinds as (
        select
            *,
            case
                when
                    charge_category = 'Tax'
                    or (quantity is null and regexp_matches(said, '\b(tax|taxes|vat|gst|hst)\b'))
                then 'tax'
                when
                    charge_category = 'Credit'
                    or (
                        billed_cost < 0
                        and regexp_matches(said, 'credit|promo|grant|free tier|voucher|coupon|refund')
                    )
                then 'credit'
                when charge_category = 'Adjustment' and regexp_matches(said, 'round')
                then 'rounding'
                when billed_cost < 0 and regexp_matches(said, 'discount|rebate')
                then 'discount'
                when charge_category = 'Adjustment' or (billed_cost < 0 and model is null)
                then 'adjustment'
                when
                    charge_category = 'Purchase'
                    or (
                        quantity is null
                        and regexp_matches(said, '\b(commitments?|committed|true[ -]?up|shortfall|minimum)\b')
                    )
                then 'purchase'
                else 'usage'
            end as line_kind
        from sorted_out
    )
select
    source,
    provider,
    account_id,
    billing_currency as currency,
    line_kind,
    case when is_long then charge_period_start else day_at end as start_at,
    case when is_long then charge_period_end end as end_at,
    sub_account_id as project,
    model_key as model,
    model as words,
    service_tier,
    token_class,
    case when line_kind <> 'usage' or model is null then charge_description end as description,
    count(*) as lines,
    count(quantity) as counted_lines,
    sum(quantity) as quantity,
    count(list_cost) as list_lines,
    sum(list_cost) as list_cost,
    count(contracted_cost) as contracted_lines,
    sum(contracted_cost) as contracted_cost,
    sum(billed_cost) as billed_cost
from kinds
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
order by
    source,
    provider,
    account_id,
    currency,
    start_at,
    end_at,
    line_kind,
    project,
    model,
    words,
    service_tier,
    token_class,
    description
