-- question: Which endpoints went on on a model that costs less than half a call, from when on?
-- reads:    requests
-- grain:    one row per endpoint that moved
-- params:   fewest
-- columns:  endpoint, old_provider, old_model, new_provider, new_model, since
with
    answered as (
        select endpoint, provider, model, started_at, cost_usd
        from requests
        where endpoint is not null and model is not null and started_at is not null and status = 'ok'
    ),
    models as (
        select
            endpoint,
            provider,
            model,
            min(started_at) as first_at,
            count(*) as requests,
            count(cost_usd) as priced,
            sum(cost_usd) as cost_usd
        from answered
        group by endpoint, provider, model
        having count(*) >= $fewest
    ),
    pairs as (
        select
            n.endpoint,
            o.provider as old_provider,
            o.model as old_model,
            n.provider as new_provider,
            n.model as new_model,
            n.first_at as since,
            n.requests as moved_requests,
            o.cost_usd as old_usd
        from models as n
        join models as o on n.endpoint = o.endpoint and o.first_at < n.first_at and o.model <> n.model
        where
            o.priced > 0
            and (
                n.priced = 0
                or cast(2 * n.cost_usd * cast(o.priced as decimal(12, 0)) as decimal(38, 12))
                < cast(o.cost_usd * cast(n.priced as decimal(12, 0)) as decimal(38, 12))
            )
    ),
    settled as (
        select
            p.endpoint, p.old_provider, p.old_model, p.new_provider, p.new_model, count(*) as before_requests
        from pairs as p
        join
            answered as a
            on p.endpoint = a.endpoint
            and p.old_model = a.model
            and coalesce(p.old_provider, '') = coalesce(a.provider, '')
            and a.started_at < p.since
        group by p.endpoint, p.old_provider, p.old_model, p.new_provider, p.new_model
    ),
    ranked as (
        select
            p.endpoint,
            p.old_provider,
            p.old_model,
            p.new_provider,
            p.new_model,
            p.since,
            row_number() over (
                partition by p.endpoint
                order by
                    p.moved_requests desc,
                    p.new_model,
                    coalesce(p.new_provider, ''),
                    p.old_usd desc,
                    p.old_model,
                    coalesce(p.old_provider, '')
            ) as place
        from pairs as p
        join
            settled as s
            on p.endpoint = s.endpoint
            and p.old_model = s.old_model
            and coalesce(p.old_provider, '') = coalesce(s.old_provider, '')
            and p.new_model = s.new_model
            and coalesce(p.new_provider, '') = coalesce(s.new_provider, '')
        where s.before_requests >= $fewest
    )
select endpoint, old_provider, old_model, new_provider, new_model, since
from ranked
where place = 1
order by endpoint
