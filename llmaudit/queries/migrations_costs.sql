-- question: What did the calls since each move cost, and what would they have cost on the model of before?
-- reads:    requests, migrations, migrations_parts, as_before
-- grain:    one row per endpoint that moved
-- params:
-- columns:  endpoint, old_provider, old_model, new_provider, new_model, since, until, asked_requests,
-- moved_requests, fell_back_requests, stayed_requests, unpriced_requests, cost_usd, before_usd
select
    m.endpoint,
    m.old_provider,
    m.old_model,
    m.new_provider,
    m.new_model,
    m.since,
    max(r.started_at) as until,
    count(*) filter (where p.part = 'moved') as asked_requests,
    count(*) filter (where p.part = 'moved' and p.status = 'ok') as moved_requests,
    count(*) filter (where p.part = 'fell_back') as fell_back_requests,
    count(*) filter (where p.part = 'stayed') as stayed_requests,
    count(*) filter (
        where
            p.part in ('moved', 'fell_back')
            and (
                (r.billable and r.cost_usd is null)
                or coalesce(r.billing_mode, 'metered') <> 'metered'
                or (p.part = 'moved' and p.status = 'ok' and b.cost_usd is null)
            )
    ) as unpriced_requests,
    sum(case when p.part in ('moved', 'fell_back') then r.cost_usd end) as cost_usd,
    sum(b.cost_usd) as before_usd
from migrations_parts as p
join requests as r on p.request_id = r.request_id
join migrations as m on p.endpoint = m.endpoint
left join as_before as b on p.request_id = b.request_id
group by m.endpoint, m.old_provider, m.old_model, m.new_provider, m.new_model, m.since
order by m.endpoint
