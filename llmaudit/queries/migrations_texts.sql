-- question: What do the answers say of which the old and the new model gave different ones?
-- reads:    migrations_pairs, text_rows, batches
-- grain:    one row per text_hash
-- params:   most
-- columns:  text_hash, text
with
    wanted as (
        select old_output_hash as text_hash
        from migrations_pairs
        where old_output_hash <> new_output_hash
        union
        select new_output_hash as text_hash
        from migrations_pairs
        where old_output_hash <> new_output_hash
    ),
    found as (
        select
            t.text_hash,
            t.text,
            row_number() over (partition by t.text_hash order by t.kind, t.role, t.batch_id) as copy
        from text_rows as t
        semi join batches as b on t.batch_id = b.batch_id
        semi join wanted as w on t.text_hash = w.text_hash
    ),
    placed as (
        select text_hash, text, row_number() over (order by text_hash, text) as place
        from found
        where copy = 1
    )
select text_hash, text
from placed
where place <= $most
order by text_hash
