-- question: Which calls are examples made of, the first so many in the order of their public hash?
-- reads:    handoff_calls
-- grain:    one row per request_id
-- params:   most
-- columns:  request_id, call_key, started_at, provider, model, session_id, tools_offered, input_tokens,
-- output_tokens, cost_usd, message_hashes, output_hash
with
    placed as (
        select
            request_id,
            call_key,
            started_at,
            provider,
            model,
            session_id,
            tools_offered,
            input_tokens,
            output_tokens,
            cost_usd,
            message_hashes,
            output_hash,
            row_number() over (order by call_key, request_id) as place
        from handoff_calls
        where fate = 'usable'
    )
select
    request_id,
    call_key,
    started_at,
    provider,
    model,
    session_id,
    tools_offered,
    input_tokens,
    output_tokens,
    cost_usd,
    message_hashes,
    output_hash
from placed
where place <= $most
order by call_key, request_id
