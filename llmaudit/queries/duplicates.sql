-- question: Which calls repeat an earlier request, and what became of the answer?
-- reads:    requests
-- grain:    one row per request_id that repeats a request or has an empty prompt
-- params:
-- columns:  request_id, group_key, class, endpoint, model, started_at, cost_usd
with
    asked as (
        select
            request_id,
            md5(
                coalesce(account_id, '')
                || '|'
                || coalesce(provider, '')
                || '|'
                || coalesce(request_model, '')
                || '|'
                || cast(prompt_hash as varchar)
                || '|'
                || coalesce(cast(params_hash as varchar), '')
            ) as group_key,
            endpoint,
            model,
            started_at,
            status,
            coalesce(temperature, 1) as temperature,
            output_hash,
            prompt_bytes,
            cost_usd
        from requests
        where prompt_hash is not null and coalesce(billing_mode, 'metered') = 'metered'
    ),
    placed as (
        select
            *,
            row_number() over (partition by group_key order by started_at, request_id) as place,
            count(*) filter (where status = 'ok') over (
                partition by group_key
                order by started_at, request_id
                rows between unbounded preceding and 1 preceding
            ) as answered_before,
            count(*) filter (where status = 'ok' and output_hash is not null) over (
                partition by group_key, output_hash
                order by started_at, request_id
                rows between unbounded preceding and 1 preceding
            ) as same_answer_before
        from asked
    ),
    judged as (
        select
            *,
            case
                when prompt_bytes = 0
                then 'empty_prompt'
                when place = 1
                then null
                when status <> 'ok' or answered_before = 0
                then 'retry'
                when output_hash is null
                then 'answer_unknown'
                when same_answer_before = 0
                then 'different_answer'
                when temperature = 0
                then 'cacheable'
                else 'same_answer'
            end as class
        from placed
    )
select request_id, group_key, class, endpoint, model, started_at, cost_usd
from judged
where class is not null
order by started_at, request_id
