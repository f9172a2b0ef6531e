-- question: What did providers count themselves, each bucket once?
-- reads:    usage_rows, batches
-- grain:    one row per usage_id
-- params:   since, until
-- columns:  USAGE
with
    committed as (
        select r.*
        from usage_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        where r.period_start >= $since and r.period_start < $until
    ),
    placed as (
        select
            *,
            row_number() over (
                partition by usage_id order by input_tokens desc nulls last, source_file, source_row
            ) as place
        from committed
    )
select * exclude (batch_id, place)
from placed
where place = 1
order by period_start, usage_id
