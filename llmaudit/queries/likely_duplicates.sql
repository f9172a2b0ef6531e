-- question: Which calls look like one call seen twice, in two files, in a file that grew or by two systems,
-- although no id says so?
-- reads:    requests
-- grain:    one row
-- params:
-- columns:  requests, cost_usd
with
    twins as (
        select started_at, model, input_tokens, output_tokens, prompt_hash
        from requests
        where input_tokens > 0
        group by started_at, model, input_tokens, output_tokens, prompt_hash
        having count(*) > 1
    ),
    alike as (
        select
            r.request_id,
            r.cost_usd,
            row_number() over (
                partition by
                    r.started_at,
                    r.model,
                    r.input_tokens,
                    r.output_tokens,
                    coalesce(cast(r.prompt_hash as varchar), '')
                order by r.source, r.source_file, r.request_id
            ) as place,
            min(r.source_file) over (
                partition by
                    r.started_at,
                    r.model,
                    r.input_tokens,
                    r.output_tokens,
                    coalesce(cast(r.prompt_hash as varchar), '')
            ) as first_file,
            row_number() over (
                partition by
                    r.started_at,
                    r.model,
                    r.input_tokens,
                    r.output_tokens,
                    coalesce(cast(r.prompt_hash as varchar), ''),
                    r.source_file,
                    r.source_row
                order by r.request_id
            ) as times_read,
            r.source_file
        from requests as r
        semi join
            twins as t
            on r.input_tokens = t.input_tokens
            and r.started_at is not distinct from t.started_at
            and r.model is not distinct from t.model
            and r.output_tokens is not distinct from t.output_tokens
            and r.prompt_hash is not distinct from t.prompt_hash
    ),
    -- Two systems see one call at times that differ by its latency: equal counts within seconds. Slots that
    -- begin half a slot apart, so that five seconds always lie in one of them.
    slotted as (
        select
            request_id,
            cost_usd,
            source,
            input_tokens,
            output_tokens,
            left(model, 6) as family,
            cast(floor(epoch_us(started_at) / 10000000) as bigint) as slot,
            cast(floor((epoch_us(started_at) + 5000000) / 10000000) as bigint) as later_slot
        from requests
        where input_tokens > 0 and output_tokens > 0
    ),
    mixed as (
        select input_tokens, output_tokens, family, slot, min(source) as first_source
        from slotted
        group by input_tokens, output_tokens, family, slot
        having min(source) <> max(source)
    ),
    mixed_later as (
        select input_tokens, output_tokens, family, later_slot, min(source) as first_source
        from slotted
        group by input_tokens, output_tokens, family, later_slot
        having min(source) <> max(source)
    ),
    likely as (
        select request_id, cost_usd
        from alike
        where place > 1 and (source_file <> first_file or times_read > 1)
        union
        select s.request_id, s.cost_usd
        from slotted as s
        join
            mixed as m
            on s.input_tokens = m.input_tokens
            and s.output_tokens = m.output_tokens
            and s.family is not distinct from m.family
            and s.slot is not distinct from m.slot
            and s.source <> m.first_source
        union
        select s.request_id, s.cost_usd
        from slotted as s
        join
            mixed_later as m
            on s.input_tokens = m.input_tokens
            and s.output_tokens = m.output_tokens
            and s.family is not distinct from m.family
            and s.later_slot is not distinct from m.later_slot
            and s.source <> m.first_source
    )
select count(*) as requests, sum(cost_usd) as cost_usd
from likely
