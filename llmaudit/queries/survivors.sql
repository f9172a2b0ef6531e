-- question: How many rows are left once every call, billed line and bucket counts once?
-- reads:    request_rows, charge_rows, usage_rows, batches, same_spans
-- grain:    one row
-- params:
-- columns:  rows, reused_ids
with
    kept as (
        select r.*
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
    ),
    -- An id that one file gives to calls of different content names no single call. An estimate is none:
    -- what was delivered before its usage was known is the same call.
    reused as (
        select distinct call_key
        from
            (
                select call_key, source_file
                from kept
                group by call_key, source_file
                having
                    min(prompt_hash) <> max(prompt_hash)
                    or min(input_tokens) filter (where usage_source = 'reported')
                    <> max(input_tokens) filter (where usage_source = 'reported')
            ) as mixed
    ),
    calls as (
        select count(distinct coalesce(o.main_key, r.call_key)) as rows
        from kept as r
        anti join reused as u on r.call_key = u.call_key
        left join same_spans as o on r.call_key = o.call_key
    ),
    -- Calls that share a reused id are told apart as `calls` does.
    apart as (
        select count(*) as rows
        from
            (
                select distinct r.call_key, r.prompt_hash, r.input_tokens, r.started_at
                from kept as r
                semi join reused as u on r.call_key = u.call_key
            ) as told
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
select c.rows + a.rows + l.rows + u.rows as rows, a.rows as reused_ids
from calls as c
cross join apart as a
cross join lines as l
cross join buckets as u
