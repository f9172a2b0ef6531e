-- question: Which calls go by a second key, because one file knows the provider's id of a span and another
-- does not?
-- reads:    request_rows, batches
-- grain:    one row per call_key
-- params:
-- columns:  call_key, main_key
with
    seen as (
        select
            r.trace_id,
            r.span_id,
            r.source_file,
            min(r.call_key) as call_key,
            max(r.call_key) as last_key,
            count(r.prompt_hash) as texts
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        where r.trace_id is not null and r.span_id is not null
        group by r.trace_id, r.span_id, r.source_file
    ),
    -- The key of the witness that has the texts: by it they were chosen. A file that has two calls in a span
    -- names no single call by it.
    shared as (
        select trace_id, span_id, coalesce(min(call_key) filter (where texts > 0), min(call_key)) as main_key
        from seen
        group by trace_id, span_id
        having min(call_key) <> max(call_key) and count(*) filter (where call_key <> last_key) = 0
    )
select s.call_key, min(h.main_key) as main_key
from seen as s
join shared as h on s.trace_id = h.trace_id and s.span_id = h.span_id and s.call_key <> h.main_key
group by s.call_key
