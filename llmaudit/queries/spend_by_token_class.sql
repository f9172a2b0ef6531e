-- question: Which kinds of token was the money spent on?
-- reads:    requests
-- grain:    one row per token class
-- params:
-- columns:  key, tokens, cost_usd
with
    sums as (
        select
            sum(
                coalesce(input_tokens, 0) - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)
            ) filter (where billable) as input_tokens,
            sum(cache_read_tokens) filter (where billable) as cache_read_tokens,
            sum(coalesce(cache_write_tokens, 0) - coalesce(cache_write_long_tokens, 0)) filter (
                where billable
            ) as cache_write_tokens,
            sum(cache_write_long_tokens) filter (where billable) as cache_write_long_tokens,
            sum(output_tokens) filter (where billable) as output_tokens,
            sum(input_usd) as input_usd,
            sum(cache_read_usd) as cache_read_usd,
            sum(cache_write_usd) as cache_write_usd,
            sum(cache_write_long_usd) as cache_write_long_usd,
            sum(output_usd) as output_usd,
            sum(other_usd) as other_usd
        from requests
    )
select 'input' as key, input_tokens as tokens, input_usd as cost_usd
from sums
union all
select 'cache_read' as key, cache_read_tokens as tokens, cache_read_usd as cost_usd
from sums
union all
select 'cache_write' as key, cache_write_tokens as tokens, cache_write_usd as cost_usd
from sums
union all
select 'cache_write_long' as key, cache_write_long_tokens as tokens, cache_write_long_usd as cost_usd
from sums
union all
select 'output' as key, output_tokens as tokens, output_usd as cost_usd
from sums
union all
select 'other' as key, cast(null as bigint) as tokens, other_usd as cost_usd
from sums
order by key
