-- question: When was the first call, and when the last?
-- reads:    requests
-- grain:    one row
-- params:
-- columns:  first_at, last_at
select min(started_at) as first_at, max(started_at) as last_at from requests
