-- question: Which lines were billed, each once?
-- reads:    charge_rows, batches
-- grain:    one row per charge_id
-- params:   since, until
-- columns:  CHARGES
with
    committed as (
        select r.*
        from charge_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        where r.charge_period_start >= $since and r.charge_period_start < $until
    ),
    placed as (
        select
            *,
            row_number() over (
                partition by charge_id order by abs(billed_cost) desc nulls last, source_file, source_row
            ) as place
        from committed
    )
select * exclude (batch_id, place)
from placed
where place = 1
order by charge_period_start, charge_id
