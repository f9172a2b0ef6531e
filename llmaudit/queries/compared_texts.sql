-- question: Which kept texts belong to the prompts that are compared?
-- reads:    compared_calls, texts, batches
-- grain:    one row per text_hash
-- params:
-- columns:  text_hash, kind, text
with
    wanted as (
        select distinct text_hash from (select unnest(message_hashes) as text_hash from compared_calls)
    )
select t.text_hash, min(t.kind) as kind, min(t.text) as text
from texts as t
semi join batches as b on t.batch_id = b.batch_id
semi join wanted as w on t.text_hash = w.text_hash
group by t.text_hash
order by t.text_hash
