-- question: Which calls are covered by something other than a meter, and what did they use?
-- reads:    calls
-- grain:    one row per request_id
-- params:
-- columns:  calls
select * exclude (billable, stratum), true as billable, stratum
from calls
where billing_mode <> 'metered' and not coalesce(gateway_cache_hit, false) and input_tokens is not null
