-- question: Which calls are in the sample whose texts are kept?
-- reads:    calls, request_rows
-- grain:    one row per request_id
-- params:   per_stratum
-- columns:  request_id, endpoint, model, started_at, status, temperature, response_format, tools_offered,
-- template_hash,
-- head_hash, tail_hash, tools_hash, system_hash, message_hashes, output_hash, output_tokens,
-- reasoning_tokens, call_key
with
    strata as (select call_key, min(stratum) as stratum from request_rows group by call_key),
    placed as (
        select c.call_key, row_number() over (partition by s.stratum order by c.call_key) as place
        from calls as c
        join strata as s on c.call_key = s.call_key
        where c.prompt_hash is not null
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
    c.template_hash,
    c.head_hash,
    c.tail_hash,
    c.tools_hash,
    c.system_hash,
    c.message_hashes,
    c.output_hash,
    c.output_tokens,
    c.reasoning_tokens,
    c.call_key
from calls as c
semi join placed as p on c.call_key = p.call_key and p.place <= $per_stratum
order by c.call_key
