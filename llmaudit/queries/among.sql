-- question: Which calls are among the chosen ones?
-- reads:    usage, chosen
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.* from usage as u join chosen as c on u.request_id = c.request_id order by u.request_id
