-- question: By which blocks does each prompt begin, and how many of them, and of how many prompts, are an
-- opening that too many share to be looked at together?
-- reads:    request_rows, batches, calls, chain_openings
-- grain:    one row per row of request_rows with a chain, of the prompts in this part
-- params:   buckets, first, last
-- columns:  prompt_hash, block_hashes, block_bytes, shared_blocks, sharers
with
    chained as (
        select
            r.prompt_hash,
            r.block_hashes,
            r.block_bytes,
            coalesce(o.blocks, 0) as shared_blocks,
            coalesce(o.prompts, 0) as sharers
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        semi join calls as c on r.prompt_hash = c.prompt_hash
        left join chain_openings as o on r.block_hashes[1] = o.first_hash
        where array_length(r.block_hashes) > 0
    )
select *
from chained
where
    case
        when array_length(block_hashes) > shared_blocks
        then abs(block_hashes[shared_blocks + 1] % $buckets)
        else 0
    end
    between $first and $last
