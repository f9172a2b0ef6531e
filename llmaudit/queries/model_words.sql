-- question: By which words do bills, calls and providers' counts name models?
-- reads:    charges, requests, aggregates
-- grain:    one row per (provider, model)
-- params:
-- columns:  provider, model
select provider, model
from charges
where model is not null
union
select provider, model
from requests
where model is not null
union
select provider, model
from aggregates
where model is not null
order by provider, model
