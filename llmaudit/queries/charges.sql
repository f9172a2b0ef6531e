-- question: What was billed, each line once, as the latest delivery has it?
-- reads:    charge_rows, deliveries
-- grain:    one row per charge_id
-- params:   since, until
-- columns:  CHARGES
with
    committed as (
        select
            r.*,
            d.run,
            d.place as name_place,
            d.series,
            -- How far into the month a delivery reaches: one that reaches further was made later.
            max(case when r.charge_category = 'Usage' then r.charge_period_end end) over (
                partition by r.source, d.run, d.delivery, date_trunc('month', r.charge_period_start)
            ) as reaches
        from charge_rows as r
        join deliveries as d on r.batch_id = d.batch_id and r.source_file = d.path
        where r.charge_period_start >= $since and r.charge_period_start < $until
    ),
    told as (
        select
            *,
            min(series) over (partition by charge_id)
            = max(series) over (partition by charge_id) as differ_in_numbers
        from committed
    ),
    -- Of names that differ in more than numbers none is later: bills grow, so the larger amount counts.
    placed as (
        select
            *,
            row_number() over (
                partition by charge_id
                order by
                    reaches desc nulls last,
                    run desc,
                    case when differ_in_numbers then name_place end desc nulls last,
                    abs(billed_cost) desc nulls last,
                    source_file,
                    source_row
            ) as place
        from told
    )
select * exclude (batch_id, run, name_place, series, reaches, differ_in_numbers, place)
from placed
where place = 1
order by charge_period_start, charge_id
