-- question: Which texts does the lake keep, each once?
-- reads:    text_rows, batches
-- grain:    one row per text_hash
-- params:
-- columns:  TEXTS
with
    placed as (
        select
            t.text_hash,
            t.kind,
            t.role,
            t.text,
            t.batch_id,
            row_number() over (partition by t.text_hash order by t.kind, t.role, t.batch_id) as place
        from text_rows as t
        semi join batches as b on t.batch_id = b.batch_id
    )
select text_hash, kind, role, text, batch_id
from placed
where place = 1
order by text_hash
