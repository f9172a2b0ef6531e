-- question: Which first blocks do more prompts share than are held in memory together, and which of their
-- chains is the least and which the greatest, block by block?
-- reads:    request_rows, batches, calls
-- grain:    one row per first_hash
-- params:   most
-- columns:  first_hash, prompts, low, high
with
    chained as (
        select r.prompt_hash, r.block_hashes, r.block_hashes[1] as first_hash
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        semi join calls as c on r.prompt_hash = c.prompt_hash
        where array_length(r.block_hashes) > 0
    ),
    large as (select first_hash from chained group by first_hash having count(*) > $most)
select
    c.first_hash,
    count(distinct c.prompt_hash) as prompts,
    min(c.block_hashes) as low,
    max(c.block_hashes) as high
from chained as c
semi join large as l on c.first_hash = l.first_hash
group by c.first_hash
order by c.first_hash
