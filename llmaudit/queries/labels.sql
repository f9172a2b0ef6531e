-- question: Which endpoints does the log itself name?
-- reads:    calls
-- grain:    one row per endpoint
-- params:
-- columns:  endpoint
select endpoint from calls where endpoint is not null group by 1 order by 1
