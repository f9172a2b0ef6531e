-- question: How many rows does a table have?
-- reads:    counted
-- grain:    one row
-- params:
-- columns:  rows
select count(*) as rows from counted
