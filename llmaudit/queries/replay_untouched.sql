-- question: What is every call before any lever has touched it: alone, and unmarked?
-- reads:    usage
-- grain:    one row per request_id
-- params:
-- columns:  request_id, component, mask
select request_id, request_id as component, cast(0 as bigint) as mask from usage
