-- question: What did providers count themselves, by every way of dividing it, each export by itself?
-- reads:    aggregates, billed_days
-- grain:    one row per (source, dimension, key)
-- params:
-- columns:  source, dimension, key, buckets, requests, input_tokens, cache_read_tokens, cache_write_tokens,
-- output_tokens, reasoning_tokens, images, web_searches
with
    buckets as (
        select a.*, d.day
        from aggregates as a
        left join billed_days as d on a.period_start >= d.starts_at and a.period_start < d.ends_at
    ),
    told as (
        select
            source,
            'export' as dimension,
            cast(null as varchar) as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'provider' as dimension,
            provider as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'model' as dimension,
            model as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'operation' as dimension,
            operation as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'account_id' as dimension,
            account_id as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'project' as dimension,
            project as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'api_key_id' as dimension,
            api_key_id as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'user_id' as dimension,
            user_id as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'service_tier' as dimension,
            service_tier as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
        union all
        select
            source,
            'day' as dimension,
            day as key,
            requests,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            images,
            web_searches
        from buckets
    )
select
    source,
    dimension,
    key,
    count(*) as buckets,
    sum(requests) as requests,
    sum(input_tokens) as input_tokens,
    sum(cache_read_tokens) as cache_read_tokens,
    sum(cache_write_tokens) as cache_write_tokens,
    sum(output_tokens) as output_tokens,
    sum(reasoning_tokens) as reasoning_tokens,
    sum(images) as images,
    sum(web_searches) as web_searches
from told
group by 1, 2, 3
order by source, dimension, input_tokens desc nulls last, key
