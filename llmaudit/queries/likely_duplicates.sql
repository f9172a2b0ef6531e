-- question: Which calls look like one call seen twice, in two files, in a file that grew or by two systems,
-- although no id says so?
-- reads:    requests
-- grain:    one row
-- params:
-- columns:  requests, cost_usd
with
    alike as (
        select
            request_id,
            cost_usd,
            row_number() over (
                partition by
                    started_at, model, input_tokens, output_tokens, coalesce(cast(prompt_hash as varchar), '')
                order by source, source_file, request_id
            ) as place,
            min(source_file) over (
                partition by
                    started_at, model, input_tokens, output_tokens, coalesce(cast(prompt_hash as varchar), '')
            ) as first_file,
            row_number() over (
                partition by
                    started_at,
                    model,
                    input_tokens,
                    output_tokens,
                    coalesce(cast(prompt_hash as varchar), ''),
                    source_file,
                    source_row
                order by request_id
            ) as times_read,
            source_file
        from requests
        where input_tokens > 0
    ),
    -- Two systems see one call at times that differ by its latency: equal counts within seconds. Slots that
    -- begin half a slot apart, so that five seconds always lie in one of them.
    seen as (
        select
            request_id,
            cost_usd,
            source,
            min(source) over (
                partition by
                    input_tokens,
                    output_tokens,
                    left(model, 6),
                    cast(floor(epoch_us(started_at) / 10000000) as bigint)
            ) as first_source,
            min(source) over (
                partition by
                    input_tokens,
                    output_tokens,
                    left(model, 6),
                    cast(floor((epoch_us(started_at) + 5000000) / 10000000) as bigint)
            ) as first_source_later
        from requests
        where input_tokens > 0 and output_tokens > 0
    ),
    likely as (
        select request_id, cost_usd
        from alike
        where place > 1 and (source_file <> first_file or times_read > 1)
        union
        select request_id, cost_usd
        from seen
        where source <> first_source or source <> first_source_later
    )
select count(*) as requests, sum(cost_usd) as cost_usd
from likely
