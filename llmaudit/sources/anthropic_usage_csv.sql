with
    counted as (
        select
            *,
            as_utc(concat(left(usage_date_utc, 10), 'T00:00:00Z')) as period_start,
            coalesce(
                as_count(usage_input_tokens_cache_write_5m)
                + coalesce(as_count(usage_input_tokens_cache_write_1h), 0),
                as_count(usage_input_tokens_cache_write_1h),
                as_count(usage_input_tokens_cache_write)
            ) as written,
            concat_ws(
                '|',
                'anthropic console',
                coalesce(workspace, '-'),
                coalesce(api_key, '-'),
                coalesce(model_version, '-'),
                coalesce(usage_type, '-'),
                coalesce(context_window, '-'),
                coalesce(inference_geo, '-'),
                coalesce(speed, '-'),
                left(usage_date_utc, 10)
            ) as bucket
        from raw
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by bucket order by as_count(usage_output_tokens) desc, record
            ) as twin
        from counted
    )
select
    record,
    unread,
    case
        when period_start is null
        then concat('no readable usage_date_utc: ', coalesce(usage_date_utc, 'missing'))
        when
            coalesce(
                as_count(usage_input_tokens_no_cache),
                as_count(usage_output_tokens),
                as_count(web_search_count)
            )
            is null
        then 'no readable counts'
    end as problem,
    md5(concat_ws('|', bucket, twin)) as usage_id,
    'anthropic' as provider,
    workspace as project,
    api_key as api_key_id,
    period_start,
    period_start + interval 1 day as period_end,
    'chat' as operation,
    model_version as model,
    anthropic_tier(usage_type, speed) as service_tier,
    as_count(usage_input_tokens_no_cache)
    + coalesce(as_count(usage_input_tokens_cache_read), 0)
    + coalesce(written, 0) as input_tokens,
    as_count(usage_input_tokens_cache_read) as cache_read_tokens,
    written as cache_write_tokens,
    as_count(usage_input_tokens_cache_write_1h) as cache_write_long_tokens,
    as_count(usage_output_tokens) as output_tokens,
    as_count(web_search_count) as web_searches
from twins
order by record
