-- question: Which stretch of time does each source cover?
-- reads:    requests
-- grain:    one row per source
-- params:
-- columns:  source, first_at, last_at
select source, min(started_at) as first_at, max(started_at) as last_at from requests group by 1 order by 1
