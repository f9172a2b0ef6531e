-- question: Which kept texts belong to the calls that examples are made of?
-- reads:    handoff_usable, text_rows, batches
-- grain:    one row per text_hash
-- params:
-- columns:  text_hash, kind, role, text
with
    wanted as (
        select unnest(message_hashes) as text_hash
        from handoff_usable
        union
        select output_hash as text_hash
        from handoff_usable
    ),
    found as (
        select
            t.text_hash,
            t.kind,
            t.role,
            t.text,
            row_number() over (partition by t.text_hash order by t.kind, t.role, t.batch_id) as place
        from text_rows as t
        semi join batches as b on t.batch_id = b.batch_id
        semi join wanted as w on t.text_hash = w.text_hash
    )
select text_hash, kind, role, text
from found
where place = 1
order by text_hash
