with
    people as (
        select
            record as document,
            unread,
            unnest(
                case
                    when json_type(data) = 'ARRAY' and json_array_length(data) > 0
                    then json_extract(data, '$[*]')
                    when json_type(data) = 'ARRAY'
                    then [null]
                    else
                        [
                            json_object(
                                'date',
                                "date",
                                'actor',
                                actor,
                                'organization_id',
                                organization_id,
                                'customer_type',
                                customer_type,
                                'terminal_type',
                                terminal_type,
                                'model_breakdown',
                                model_breakdown
                            )
                        ]
                end
            ) as body
        from raw
    ),
    opened as (
        select
            document,
            unread,
            body is null as is_empty_page,
            from_json(
                body,
                '{"date": "VARCHAR", "organization_id": "VARCHAR", "customer_type": "VARCHAR", "terminal_type": "VARCHAR", "model_breakdown": "JSON",
                  "actor": {"type": "VARCHAR", "email_address": "VARCHAR", "api_key_name": "VARCHAR"}}'
            ) as p
        from people
    ),
    models as (
        select
            *,
            unnest(
                case
                    when json_array_length(p.model_breakdown) > 0
                    then json_extract(p.model_breakdown, '$[*]')
                    else [null]
                end
            ) as used
        from opened
    ),
    counted as (
        select
            *,
            row_number() over () as record,
            -- A time of day in the date would make another bucket of the same day.
            as_utc(concat(left(p.date, 10), 'T00:00:00Z')) as period_start,
            as_count(used ->> '$.tokens.input') as uncached,
            as_count(used ->> '$.tokens.cache_read') as cached,
            as_count(used ->> '$.tokens.cache_creation') as written,
            as_count(used ->> '$.tokens.output') as output,
            concat_ws(
                '|',
                'claude code',
                coalesce(p.organization_id, '-'),
                coalesce(p.actor.email_address, p.actor.api_key_name, '-'),
                coalesce(p.customer_type, '-'),
                coalesce(p.terminal_type, '-'),
                coalesce(used ->> '$.model', '-'),
                left(p.date, 10)
            ) as bucket
        from models
    ),
    twins as (
        select *, row_number() over (partition by document, bucket order by output desc, record) as twin
        from counted
    )
select
    record,
    document,
    unread,
    case
        when not is_empty_page and period_start is null
        then concat('no readable date: ', coalesce(p.date, 'missing'))
        when used is not null and coalesce(uncached, output) is null
        then 'no readable counts'
        when not is_empty_page and json_type(p.model_breakdown) is distinct from 'ARRAY'
        then 'no model_breakdown'
    end as problem,
    case
        when is_empty_page
        then 'empty page'
        when
            period_start is not null
            and json_type(p.model_breakdown) = 'ARRAY'
            and json_array_length(p.model_breakdown) = 0
        then 'day without model calls'
    end as not_call,
    md5(concat_ws('|', bucket, twin)) as usage_id,
    'anthropic' as provider,
    p.organization_id as account_id,
    p.actor.email_address as user_id,
    p.actor.api_key_name as api_key_id,
    period_start,
    period_start + interval 1 day as period_end,
    'chat' as operation,
    used ->> '$.model' as model,
    uncached + coalesce(cached, 0) + coalesce(written, 0) as input_tokens,
    cached as cache_read_tokens,
    written as cache_write_tokens,
    output as output_tokens
from twins
order by record
