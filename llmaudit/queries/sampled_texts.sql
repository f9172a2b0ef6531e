-- question: Which kept texts belong to the sampled calls?
-- reads:    sample, texts, batches
-- grain:    one row per text_hash
-- params:
-- columns:  text_hash, kind, role, text
with
    committed as (select t.* from texts as t semi join batches as b on t.batch_id = b.batch_id),
    wanted as (
        select unnest(message_hashes) as text_hash
        from sample
        union
        select output_hash as text_hash
        from sample
        where output_hash is not null
    ),
    found as (
        select
            c.text_hash,
            c.kind,
            c.role,
            c.text,
            row_number() over (partition by c.text_hash order by c.kind, c.role, c.batch_id) as place
        from committed as c
        semi join wanted as w on c.text_hash = w.text_hash
    )
select text_hash, kind, role, text
from found
where place = 1
order by text_hash
