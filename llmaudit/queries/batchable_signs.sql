-- question: What shows that nobody waits for the calls that could be batched?
-- reads:    requests, unwaited, hits, tier_rules
-- grain:    one row per (endpoint, model)
-- params:
-- columns:  endpoint, model, signs, jobs, job_calls, spread_seconds, job_minutes, tiers, cached_calls,
-- keeps_cache,
-- results_due_hours, rule_source, rule_as_of
with
    moved as (
        select
            r.endpoint,
            r.model,
            h.sign,
            h.to_tier,
            h.keeps_cache,
            coalesce(r.cache_read_tokens, 0) > 0 as is_cached,
            w.jobs,
            w.job_calls,
            w.spread_seconds,
            w.job_minutes,
            t.max_hours,
            t.source,
            t.as_of
        from hits as h
        join requests as r on h.request_id = r.request_id
        left join unwaited as w on h.request_id = w.request_id
        left join
            tier_rules as t
            on coalesce(r.provider, '') = t.provider
            and coalesce(r.model, '') = t.model
            and h.to_tier = t.tier
    ),
    signs as (
        select endpoint, model, string_agg(sign, ', ' order by sign) as signs
        from (select distinct endpoint, model, sign from moved) as s
        group by 1, 2
    ),
    tiers as (
        select endpoint, model, string_agg(to_tier, ', ' order by to_tier) as tiers
        from (select distinct endpoint, model, to_tier from moved) as s
        group by 1, 2
    ),
    facts as (
        select
            endpoint,
            model,
            max(jobs) as jobs,
            max(job_calls) as job_calls,
            max(spread_seconds) as spread_seconds,
            max(job_minutes) as job_minutes,
            count(*) filter (where is_cached) as cached_calls,
            bool_and(keeps_cache) as keeps_cache,
            max(max_hours) as results_due_hours,
            min(source) as rule_source,
            min(as_of) as rule_as_of
        from moved
        group by 1, 2
    )
select
    f.endpoint,
    f.model,
    s.signs,
    f.jobs,
    f.job_calls,
    f.spread_seconds,
    f.job_minutes,
    t.tiers,
    f.cached_calls,
    f.keeps_cache,
    f.results_due_hours,
    f.rule_source,
    f.rule_as_of
from facts as f
join signs as s on f.endpoint is not distinct from s.endpoint and f.model is not distinct from s.model
join tiers as t on f.endpoint is not distinct from t.endpoint and f.model is not distinct from t.model
order by f.endpoint, f.model
