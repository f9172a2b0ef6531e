with
    pages as (
        select
            record as document,
            unread,
            coalesce(
                nullif(
                    from_json(
                        case when json_type(data) = 'ARRAY' then data end,
                        '[{"date": "VARCHAR", "model": "VARCHAR", "model_permaslug": "VARCHAR", "endpoint_id": "VARCHAR", "provider_name": "VARCHAR",
                           "requests": "VARCHAR", "prompt_tokens": "VARCHAR", "completion_tokens": "VARCHAR", "reasoning_tokens": "VARCHAR",
                           "cached_tokens": "VARCHAR", "workspace_id": "VARCHAR"}]'
                    ),
                    []
                ),
                [null]
            ) as rs,
            coalesce(json_type(data) = 'ARRAY', false) as is_page
        from raw
    ),
    opened as (
        select document, unread, is_page, generate_subscripts(rs, 1) as nth, unnest(rs) as r from pages
    ),
    numbered as (
        select
            *,
            (document >> 32 << 32)
            + row_number() over (partition by document >> 32 order by document, nth) as record,
            as_utc_anyway(left(r.date, 10)) as period_start,
            as_count(r.prompt_tokens) as given,
            as_count(r.cached_tokens) as cached
        from opened
    )
select
    record,
    document,
    unread,
    case
        when r is null and is_page
        then null
        when r is null
        then 'nothing of it is a page of activity'
        when period_start is null
        then concat('no readable date: ', coalesce(r.date, 'missing'))
    end as problem,
    case when r is null and is_page then 'empty page' end as not_call,
    md5(
        concat_ws(
            '|',
            'openrouter',
            coalesce(r.workspace_id, '-'),
            left(r.date, 10),
            coalesce(r.model_permaslug, r.model, '-'),
            coalesce(r.endpoint_id, '-'),
            coalesce(r.provider_name, '-')
        )
    ) as usage_id,
    'openrouter' as provider,
    r.workspace_id as project,
    period_start,
    period_start + interval 1 day as period_end,
    'chat' as operation,
    coalesce(r.model_permaslug, r.model) as model,
    as_count(r.requests) as requests,
    greatest(given, cached) as input_tokens,
    cached as cache_read_tokens,
    as_count(r.completion_tokens) as output_tokens,
    as_count(r.reasoning_tokens) as reasoning_tokens
from numbered
order by record
