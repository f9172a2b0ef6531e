-- question: Which calls does a lever touch, in full?
-- reads:    usage, hits
-- grain:    one row per request_id
-- params:
-- columns:  usage, hits
select u.*, h.* exclude (request_id) from usage as u join hits as h on u.request_id = h.request_id
