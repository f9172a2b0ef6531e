-- question: Which calls are in the sample whose texts are kept?
-- reads:    calls
-- grain:    one row per request_id
-- params:   per_stratum
-- columns:  request_id, endpoint, model, started_at, status, temperature, response_format, tools_offered,
-- tools_called, template_hash,
-- head_hash, tail_hash, long_head_hash, long_tail_hash, system_head_hash, system_tail_hash,
-- long_system_head_hash, long_system_tail_hash, tools_hash,
-- system_hash, message_hashes, output_hash, input_tokens, output_tokens,
-- reasoning_tokens, call_key
with
    placed as (
        select call_key, row_number() over (partition by stratum order by call_key) as place
        from calls
        where prompt_hash is not null
    )
select
    c.request_id,
    c.endpoint,
    c.model,
    c.started_at,
    c.status,
    c.temperature,
    c.response_format,
    c.tools_offered,
    c.tools_called,
    c.template_hash,
    c.head_hash,
    c.tail_hash,
    c.long_head_hash,
    c.long_tail_hash,
    c.system_head_hash,
    c.system_tail_hash,
    c.long_system_head_hash,
    c.long_system_tail_hash,
    c.tools_hash,
    c.system_hash,
    c.message_hashes,
    c.output_hash,
    c.input_tokens,
    c.output_tokens,
    c.reasoning_tokens,
    c.call_key
from calls as c
semi join placed as p on c.call_key = p.call_key and p.place <= $per_stratum
order by c.call_key
