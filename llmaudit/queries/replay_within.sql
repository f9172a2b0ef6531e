-- question: Which calls belong to the endpoints that a lever is pulled on?
-- reads:    usage, lever_endpoints
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.* from usage as u semi join lever_endpoints as l on u.endpoint = l.endpoint order by u.request_id
