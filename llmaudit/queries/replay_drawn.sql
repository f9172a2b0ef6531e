-- question: What are the calls of these cells, in full?
-- reads:    usage, money, meeting, drawn
-- grain:    one row per request_id
-- params:
-- columns:  usage, paid_usd, cell_number
select u.*, m.cost_usd as paid_usd, d.cell_number
from usage as u
join meeting as g on u.request_id = g.request_id
join drawn as d on g.cell = d.cell
left join money as m on u.request_id = m.request_id
order by u.request_id
