-- question: Which calls go on from an earlier one, and to which conversation does each call belong?
-- reads:    requests
-- grain:    one row per request_id that belongs to a session or trace
-- params:
-- columns:  request_id, conversation, calls, result_share
with
    said as (
        select
            request_id,
            coalesce(session_id, trace_id) as session,
            account_id,
            provider,
            endpoint,
            model,
            started_at,
            prefix_hashes,
            prefix_hashes[1] as first_hash,
            prefix_hashes[-1] as whole_hash,
            array_length(prefix_hashes) as pieces,
            cast(tool_result_bytes as double) / nullif(prefix_bytes[-1], 0) as result_share
        from requests
        where
            coalesce(session_id, trace_id) is not null
            and coalesce(billing_mode, 'metered') = 'metered'
            and input_tokens > 0
            and array_length(prefix_hashes) > 0
    ),
    stepped as (
        select
            *,
            lag(whole_hash) over (
                partition by session, account_id, provider, endpoint, model, first_hash
                order by started_at, request_id
            ) as whole_before,
            lag(pieces) over (
                partition by session, account_id, provider, endpoint, model, first_hash
                order by started_at, request_id
            ) as pieces_before
        from said
    ),
    begun as (
        select
            *,
            case
                when pieces_before is null or pieces_before > pieces
                then 1
                when prefix_hashes[pieces_before] = whole_before
                then 0
                else 1
            end as begins
        from stepped
    ),
    numbered as (
        select
            request_id,
            result_share,
            sum(begins) over (
                order by session, account_id, provider, endpoint, model, first_hash, started_at, request_id
                rows between unbounded preceding and current row
            ) as conversation
        from begun
    )
select request_id, conversation, count(*) over (partition by conversation) as calls, result_share
from numbered
order by request_id
