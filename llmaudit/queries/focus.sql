-- question: Which charges does the FOCUS file have, for calls and for the terms of a contract?
-- reads:    focus_usage, focus_terms
-- grain:    one row per charge
-- params:
-- columns:  focus_usage
select u.*
from focus_usage as u
union all
select t.*
from focus_terms as t
