-- question: Which accounts did the priced calls of each provider run on?
-- reads:    focus_lines
-- grain:    one row per provider and account_id
-- params:
-- columns:  provider, account_id
select distinct provider, account_id from focus_lines order by provider, account_id
