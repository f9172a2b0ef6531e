-- question: Which calls, as earlier levers left them, stand in a scope where one of them has changed?
-- reads:    usage, changed, scopes
-- grain:    one row per request_id
-- params:
-- columns:  usage
with
    moved_scopes as (
        select distinct s.scope_key from scopes as s join changed as c on s.request_id = c.request_id
    ),
    together as (select s.request_id from scopes as s join moved_scopes as m on s.scope_key = m.scope_key)
select u.*
from usage as u
semi join together as t on u.request_id = t.request_id
anti join changed as c on u.request_id = c.request_id
union all
select c.*
from changed as c
