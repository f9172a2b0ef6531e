-- question: Which stretch of time do bills and providers' own counts cover?
-- reads:    charges, aggregates
-- grain:    one row per (kind, source)
-- params:
-- columns:  kind, source, first_at, last_at
select
    'charges' as kind,
    source,
    min(charge_period_start) as first_at,
    max(coalesce(charge_period_end, charge_period_start)) as last_at
from charges
group by 2
union all
select
    'usage' as kind, source, min(period_start) as first_at, max(coalesce(period_end, period_start)) as last_at
from aggregates
group by 2
order by kind, source
