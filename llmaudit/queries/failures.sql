-- question: How many calls failed, of what, and how many were paid for?
-- reads:    requests
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, failed, billed, unbilled, error_types, delay_ms
with
    typed as (
        select
            endpoint,
            model,
            coalesce(error_type, cast(http_status as varchar), status) as error_type,
            billable,
            duration_ms
        from requests
        where status <> 'ok' and coalesce(billing_mode, 'metered') = 'metered'
    ),
    named as (select distinct endpoint, model, error_type from typed),
    lists as (
        select endpoint, model, string_agg(error_type, ', ' order by error_type) as error_types
        from named
        group by 1, 2
    ),
    counts as (
        select
            endpoint,
            model,
            count(*) as failed,
            count(*) filter (where billable) as billed,
            count(*) filter (where not billable) as unbilled,
            sum(duration_ms) as delay_ms
        from typed
        group by 1, 2
    )
select c.endpoint, c.model, c.failed, c.billed, c.unbilled, l.error_types, c.delay_ms
from counts as c
join lists as l on c.endpoint is not distinct from l.endpoint and c.model is not distinct from l.model
order by c.failed desc, c.endpoint, c.model
