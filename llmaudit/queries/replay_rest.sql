-- question: Which rows of a pull are of calls that nothing has changed before it?
-- reads:    pulled, dirty
-- grain:    one row per request_id
-- params:
-- columns:  pulled
select p.* from pulled as p anti join dirty as d on p.request_id = d.request_id
