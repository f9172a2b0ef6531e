-- question: How many calls have come to belong to others?
-- reads:    before, after
-- grain:    one row
-- params:
-- columns:  rows
select count(*) as rows
from before as b
join after as a on b.request_id = a.request_id
where b.component <> a.component
