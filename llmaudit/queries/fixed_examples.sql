-- question: How many input tokens of each call are the examples that most prompts of its endpoint begin with?
-- reads:    usage, requests, fixed_example_blocks
-- grain:    one row per request_id
-- params:
-- columns:  request_id, example_tokens
with
    sized as (
        select
            u.request_id,
            cast(
                floor(cast(u.input_tokens as double) * e.example_bytes / r.prefix_bytes[-1]) as bigint
            ) as example_tokens
        from usage as u
        join requests as r on u.request_id = r.request_id
        join
            fixed_example_blocks as e
            on u.endpoint is not distinct from e.endpoint
            and u.model is not distinct from e.model
        where
            u.billable
            and u.input_tokens > 0
            and array_length(r.prefix_hashes) >= e.pieces
            and r.prefix_hashes[e.pieces] = e.prefix_hash
    )
select request_id, example_tokens
from sized
where example_tokens > 0
order by request_id
