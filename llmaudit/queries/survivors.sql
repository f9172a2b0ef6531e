-- question: How many rows are left once every call, billed line and bucket counts once?
-- reads:    request_rows, charge_rows, usage_rows, batches
-- grain:    one row
-- params:
-- columns:  rows
with
    calls as (
        select count(distinct r.call_key) as rows
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
    ),
    lines as (
        select count(distinct r.charge_id) as rows
        from charge_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
    ),
    buckets as (
        select count(distinct r.usage_id) as rows
        from usage_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
    )
select c.rows + l.rows + u.rows as rows
from calls as c
cross join lines as l
cross join buckets as u
