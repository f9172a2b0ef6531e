-- question: What becomes of each call of an endpoint when examples are made of them?
-- reads:    requests, text_rows, batches
-- grain:    one row per request_id of the endpoint
-- params:   endpoint, model
-- columns:  request_id, call_key, started_at, provider, model, session_id, tools_offered, input_tokens,
-- output_tokens, cost_usd, message_hashes, output_hash, fate
with
    kept as (
        select distinct t.text_hash from text_rows as t semi join batches as b on t.batch_id = b.batch_id
    ),
    asked as (
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
            message_hashes[-1] as last_hash,
            case
                when status <> 'ok'
                then 'failed'
                when
                    regexp_extract(lower(finish_reason), '[a-z_]+$') in (
                        'length',
                        'max_tokens',
                        'max_output_tokens',
                        'max_completion_tokens',
                        'max_length',
                        'model_length',
                        'token_limit',
                        'token_limit_reached',
                        'model_context_window_exceeded'
                    )
                then 'cut'
                when $model is not null and coalesce(model, '') <> $model
                then 'other_model'
                when prompt_bytes = 0
                then 'no_prompt'
                when output_bytes = 0
                then 'no_answer'
            end as fault
        from requests
        where endpoint = $endpoint
    )
select
    a.request_id,
    a.call_key,
    a.started_at,
    a.provider,
    a.model,
    a.session_id,
    a.tools_offered,
    a.input_tokens,
    a.output_tokens,
    a.cost_usd,
    a.message_hashes,
    a.output_hash,
    case
        when a.fault is not null
        then a.fault
        when p.text_hash is null or o.text_hash is null
        then 'text_not_kept'
        else 'usable'
    end as fate
from asked as a
left join kept as p on a.last_hash = p.text_hash
left join kept as o on a.output_hash = o.text_hash
order by a.request_id
