-- question: Which calls look like one call seen twice, in two files or in a file that grew, although no id
-- says so?
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
    )
select count(*) as requests, sum(cost_usd) as cost_usd
from alike
where place > 1 and (source_file <> first_file or times_read > 1)
