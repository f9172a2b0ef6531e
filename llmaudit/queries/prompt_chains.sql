-- question: By which blocks does each prompt begin?
-- reads:    request_rows, batches, calls
-- grain:    one row per row of request_rows with a chain, of the prompts in this part
-- params:   part, parts
-- columns:  prompt_hash, block_hashes, block_bytes
select r.prompt_hash, r.block_hashes, r.block_bytes
from request_rows as r
semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
semi join calls as c on r.prompt_hash = c.prompt_hash
where array_length(r.block_hashes) > 0 and abs(r.block_hashes[1] % $parts) = $part
