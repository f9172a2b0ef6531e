-- question: Which calls are those of a list?
-- reads:    usage, listed
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.* from usage as u semi join listed as l on u.request_id = l.request_id order by u.request_id
