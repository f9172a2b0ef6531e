-- question: What does usage look like once a lever has been pulled?
-- reads:    usage, after
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.*
from usage as u
anti join after as a on u.request_id = a.request_id
union all
select a.*
from after as a
order by request_id
