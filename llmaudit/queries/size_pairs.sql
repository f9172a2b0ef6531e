-- question: Where one endpoint asked two models the same thing, did the cheaper one say the same?
-- reads:    requests, siblings
-- grain:    one row per (provider, endpoint, model, to_provider, to_model, prompt_hash)
-- params:
-- columns:  provider, endpoint, model, to_provider, to_model, prompt_hash, says_same, repeats_itself,
-- output_tokens, to_output_tokens
with
    answered as (
        select
            coalesce(provider, '') as provider,
            endpoint,
            model,
            prompt_hash,
            output_hash,
            output_tokens,
            row_number() over (
                partition by provider, endpoint, model, prompt_hash order by started_at, request_id
            ) as turn
        from requests
        where
            billable
            and status = 'ok'
            and model is not null
            and coalesce(billing_mode, 'metered') = 'metered'
            and prompt_hash is not null
            and output_hash is not null
            and prompt_bytes > 0
    ),
    firsts as (select * from answered where turn = 1),
    seconds as (select * from answered where turn = 2),
    cheaper as (select distinct provider, model, to_provider, to_model from siblings)
select
    a.provider,
    a.endpoint,
    a.model,
    b.provider as to_provider,
    b.model as to_model,
    a.prompt_hash,
    a.output_hash = b.output_hash as says_same,
    a.output_hash = again.output_hash as repeats_itself,
    a.output_tokens,
    b.output_tokens as to_output_tokens
from firsts as a
join cheaper as c on a.provider = c.provider and a.model = c.model
join
    firsts as b
    on b.provider = c.to_provider
    and b.model = c.to_model
    and a.prompt_hash = b.prompt_hash
    and a.endpoint is not distinct from b.endpoint
left join
    seconds as again
    on a.provider = again.provider
    and a.model = again.model
    and a.prompt_hash = again.prompt_hash
    and a.endpoint is not distinct from again.endpoint
order by a.provider, a.endpoint, a.model, b.provider, b.model, a.prompt_hash
