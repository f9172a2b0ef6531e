-- question: What was billed, and what do the logged calls of the same time and account come to?
-- reads:    charges, requests
-- grain:    one row per (source, provider, account_id, currency)
-- params:
-- columns:  source, provider, account_id, currency, start_at, end_at, billed, priced_usd, difference_usd
with
    bills as (
        select
            source,
            provider,
            account_id,
            billing_currency as currency,
            min(charge_period_start) as start_at,
            max(charge_period_end) as end_at,
            sum(billed_cost) as billed
        from charges
        group by 1, 2, 3, 4
    ),
    -- Calls that name no account are the bill's where the provider bills one account only.
    accounts as (
        select source, provider, count(distinct coalesce(account_id, '')) as accounts
        from charges
        group by 1, 2
    ),
    priced as (
        select b.source, b.provider, b.account_id, b.currency, sum(r.cost_usd) as priced_usd
        from bills as b
        join accounts as a on a.source = b.source and a.provider = b.provider
        join
            requests as r
            on r.provider = b.provider
            and r.started_at >= b.start_at
            and r.started_at < b.end_at
            and (
                r.account_id = b.account_id
                or (a.accounts = 1 and (r.account_id is null or b.account_id is null))
            )
        where b.currency = 'USD'
        group by 1, 2, 3, 4
    )
select
    b.source,
    b.provider,
    b.account_id,
    b.currency,
    b.start_at,
    b.end_at,
    b.billed,
    p.priced_usd,
    b.billed - p.priced_usd as difference_usd
from bills as b
left join
    priced as p
    on b.source is not distinct from p.source
    and b.provider is not distinct from p.provider
    and b.account_id is not distinct from p.account_id
    and b.currency is not distinct from p.currency
order by b.source, b.provider, b.account_id, b.currency
