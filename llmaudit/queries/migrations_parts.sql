-- question: Which calls of a moved endpoint went to the new model, fell back to the old one, or stayed there?
-- reads:    requests, migrations
-- grain:    one row per request_id from the move on
-- params:   fallback_seconds
-- columns:  request_id, endpoint, part, status
with
    later as (
        select
            r.request_id,
            r.endpoint,
            r.status,
            r.started_at,
            r.model = m.new_model and coalesce(r.provider, '') = coalesce(m.new_provider, '') as is_new,
            -- The same question: word for word or, where that is not known, the same session.
            coalesce(cast(r.prompt_hash as varchar), 's|' || r.session_id, 'r|' || r.request_id) as question
        from requests as r
        join migrations as m on r.endpoint = m.endpoint and r.started_at >= m.since
        where
            (r.model = m.new_model and coalesce(r.provider, '') = coalesce(m.new_provider, ''))
            or (r.model = m.old_model and coalesce(r.provider, '') = coalesce(m.old_provider, ''))
    ),
    placed as (
        select
            request_id,
            endpoint,
            status,
            started_at,
            is_new,
            max(case when is_new then started_at end) over (
                partition by endpoint, question
                order by started_at, request_id
                rows between unbounded preceding and 1 preceding
            ) as asked_at
        from later
    )
select
    request_id,
    endpoint,
    case
        when is_new
        then 'moved'
        when epoch_us(started_at) - epoch_us(asked_at) <= $fallback_seconds * 1000000
        then 'fell_back'
        else 'stayed'
    end as part,
    status
from placed
order by request_id
