-- question: Which calls were priced by a row on which the sources of the book differ?
-- reads:    usage, money, disputed_ids
-- grain:    one row per request_id
-- params:
-- columns:  usage
select u.*
from usage as u
join money as m on u.request_id = m.request_id
join disputed_ids as d on m.price_id = d.price_id
order by u.request_id
