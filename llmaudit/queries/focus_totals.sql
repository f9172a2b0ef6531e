-- question: What do the charges of the FOCUS file come to?
-- reads:    focus_lines
-- grain:    one row
-- params:
-- columns:  rows, contracted_usd, list_usd
select count(*) as rows, sum(contracted_usd) as contracted_usd, sum(list_usd) as list_usd from focus_lines
