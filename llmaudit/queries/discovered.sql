-- question: Which discovered endpoint does each unlabelled call belong to?
-- reads:    calls, endpoint_rules
-- grain:    one row per request_id of an unlabelled call that a rule covers
-- params:
-- columns:  request_id, endpoint
with
    unlabelled as (
        select request_id, template_hash, head_hash, tail_hash, tools_hash
        from calls
        where endpoint is null
    ),
    matched as (
        select u.request_id, r.endpoint, 1 as place
        from unlabelled as u
        join endpoint_rules as r on r.key_kind = 'template' and u.template_hash = r.key_hash
        where r.tools_hash is null or r.tools_hash = u.tools_hash
        union all
        select u.request_id, r.endpoint, 2 as place
        from unlabelled as u
        join endpoint_rules as r on r.key_kind = 'head' and u.head_hash = r.key_hash
        where u.template_hash is null and (r.tools_hash is null or r.tools_hash = u.tools_hash)
        union all
        select u.request_id, r.endpoint, 3 as place
        from unlabelled as u
        join endpoint_rules as r on r.key_kind = 'tail' and u.tail_hash = r.key_hash
        where u.template_hash is null and (r.tools_hash is null or r.tools_hash = u.tools_hash)
    ),
    placed as (
        select
            request_id,
            endpoint,
            row_number() over (partition by request_id order by place, endpoint) as rank
        from matched
    )
select request_id, endpoint
from placed
where rank = 1
order by request_id
