-- question: Which calls were paid for although they brought no answer?
-- reads:    usage
-- grain:    one row per request_id
-- params:
-- columns:  request_id
select request_id from usage where billable and status <> 'ok' order by request_id
