-- question: How many tokens would each way of caching read and write, per endpoint and model?
-- reads:    touches
-- grain:    one row per (provider, endpoint, model)
-- params:
-- columns:  provider, endpoint, model, requests, input_tokens, read_tokens, write_tokens, write_long_tokens,
-- base_tokens, short_tokens, long_tokens, short_common_tokens, long_common_tokens, shared_tokens,
-- common_tokens, short_best_tokens, long_best_tokens, short_gained_tokens, long_gained_tokens,
-- short_missed_tokens, long_missed_tokens, short_common_missed_tokens, long_common_missed_tokens
select
    provider,
    endpoint,
    model,
    count(*) as requests,
    sum(input_tokens) as input_tokens,
    sum(read_tokens) as read_tokens,
    sum(write_tokens) as write_tokens,
    sum(write_long_tokens) as write_long_tokens,
    sum(base_tokens) as base_tokens,
    sum(short_tokens) as short_tokens,
    sum(long_tokens) as long_tokens,
    sum(short_common_tokens) as short_common_tokens,
    sum(long_common_tokens) as long_common_tokens,
    sum(shared_tokens) as shared_tokens,
    sum(common_tokens) as common_tokens,
    -- what the log reads or what the rule allows, whichever is more
    sum(greatest(read_tokens, short_tokens)) as short_best_tokens,
    sum(greatest(read_tokens, long_tokens)) as long_best_tokens,
    -- the same, only where a change is what allows more
    sum(
        case when short_tokens > base_tokens then greatest(read_tokens, short_tokens) else read_tokens end
    ) as short_gained_tokens,
    sum(
        case when long_tokens > base_tokens then greatest(read_tokens, long_tokens) else read_tokens end
    ) as long_gained_tokens,
    -- what would be written: as far as it is worth it, less what is read
    sum(greatest(shared_tokens - short_tokens, 0)) as short_missed_tokens,
    sum(greatest(shared_tokens - long_tokens, 0)) as long_missed_tokens,
    sum(greatest(common_tokens - short_common_tokens, 0)) as short_common_missed_tokens,
    sum(greatest(common_tokens - long_common_tokens, 0)) as long_common_missed_tokens
from touches
group by provider, endpoint, model
order by provider, endpoint, model
