-- question: How many chains have each remainder of the first block that is not in the opening they all share?
-- reads:    request_rows, batches, calls, chain_openings
-- grain:    one row per remainder
-- params:   buckets
-- columns:  remainder, requests
with
    chained as (
        select
            case
                when array_length(r.block_hashes) > coalesce(o.blocks, 0)
                then abs(r.block_hashes[coalesce(o.blocks, 0) + 1] % $buckets)
                else 0
            end as remainder
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        semi join calls as c on r.prompt_hash = c.prompt_hash
        left join chain_openings as o on r.block_hashes[1] = o.first_hash
        where array_length(r.block_hashes) > 0
    )
select remainder, count(*) as requests
from chained
group by remainder
order by remainder
