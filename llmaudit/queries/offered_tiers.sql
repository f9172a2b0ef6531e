-- question: Which tiers besides the standard one are there for the models of the log?
-- reads:    offers
-- grain:    one row per (provider, model, tier)
-- params:
-- columns:  provider, model, tier
select distinct provider, model, tier from offers where tier <> 'standard' order by provider, model, tier
