-- question: Which calls are not of a sandbox, where nobody wants to save?
-- reads:    usage, sandbox
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.* from usage as u anti join sandbox as s on u.endpoint = s.endpoint order by u.request_id
