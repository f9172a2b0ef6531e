-- question: Which discovered endpoint does each unlabelled call belong to?
-- reads:    calls, endpoint_rules
-- grain:    one row per request_id of an unlabelled call that a rule covers
-- params:
-- columns:  request_id, endpoint
with
    unlabelled as (
        select
            request_id,
            system_hash,
            template_hash,
            long_system_tail_hash,
            long_system_head_hash,
            system_tail_hash,
            system_head_hash,
            long_head_hash,
            long_tail_hash,
            head_hash,
            tail_hash,
            tools_hash,
            response_format
        from calls
        where endpoint is null
    ),
    keys as (
        select
            request_id, 1 as place, 'system' as key_kind, system_hash as key_hash, tools_hash, response_format
        from unlabelled
        union all
        select
            request_id,
            2 as place,
            'template' as key_kind,
            template_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            3 as place,
            'long_system_tail' as key_kind,
            long_system_tail_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            4 as place,
            'long_system_head' as key_kind,
            long_system_head_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            5 as place,
            'system_tail' as key_kind,
            system_tail_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            6 as place,
            'system_head' as key_kind,
            system_head_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            7 as place,
            'long_head' as key_kind,
            long_head_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select
            request_id,
            8 as place,
            'long_tail' as key_kind,
            long_tail_hash as key_hash,
            tools_hash,
            response_format
        from unlabelled
        union all
        select request_id, 9 as place, 'head' as key_kind, head_hash as key_hash, tools_hash, response_format
        from unlabelled
        union all
        select request_id, 10 as place, 'tail' as key_kind, tail_hash as key_hash, tools_hash, response_format
        from unlabelled
        union all
        select
            request_id, 11 as place, 'tools' as key_kind, tools_hash as key_hash, tools_hash, response_format
        from unlabelled
    ),
    matched as (
        select k.request_id, r.endpoint, 2 * k.place + case when r.alone then 1 else 0 end as place
        from keys as k
        join endpoint_rules as r on r.key_kind = k.key_kind and r.key_hash = k.key_hash
        where
            r.alone
            or (
                (r.key_kind = 'tools' or r.tools_hash is not distinct from k.tools_hash)
                and r.response_format is not distinct from k.response_format
            )
    ),
    placed as (
        select
            request_id, endpoint, row_number() over (partition by request_id order by place, endpoint) as rank
        from matched
    )
select request_id, endpoint
from placed
where rank = 1
order by request_id
