-- question: Which columns does a table have?
-- reads:    rows
-- grain:    none: the result is empty
-- params:
-- columns:  rows
select * from rows where false
