-- question: Which calls would have read or written other tokens of the cache, under the policy chosen for
-- them?
-- reads:    touches, cache_choices
-- grain:    one row per request_id
-- params:
-- columns:  request_id, new_read_tokens, new_write_tokens, new_write_long_tokens
with
    chosen as (
        select
            t.*,
            c.life,
            c.writes,
            cast(
                round(
                    c.hit_share * case when c.life = 'long' then t.long_tokens else t.short_tokens end
                ) as bigint
            ) as reach_tokens,
            cast(
                round(
                    c.hit_share
                    * case when c.life = 'long' then t.long_common_tokens else t.short_common_tokens end
                ) as bigint
            ) as common_reach_tokens
        from touches as t
        join
            cache_choices as c
            on t.provider = c.provider
            and t.model = c.model
            and t.endpoint is not distinct from c.endpoint
    ),
    changed as (
        select
            request_id,
            life,
            read_tokens,
            write_tokens,
            write_long_tokens,
            case
                writes
                when 'nothing'
                then 0
                when 'common'
                then common_reach_tokens
                when 'free'
                then greatest(read_tokens, reach_tokens)
                when 'free_gain'
                then
                    case
                        when reach_tokens > base_tokens
                        then greatest(read_tokens, reach_tokens)
                        else read_tokens
                    end
                else reach_tokens
            end as new_read_tokens,
            case
                writes
                when 'everything'
                then input_tokens - reach_tokens
                when 'shared'
                then greatest(shared_tokens - reach_tokens, 0)
                when 'common'
                then greatest(common_tokens - common_reach_tokens, 0)
                else 0
            end as new_write_tokens
        from chosen
    )
select
    request_id,
    new_read_tokens,
    new_write_tokens,
    case when life = 'long' then new_write_tokens else 0 end as new_write_long_tokens
from changed
where
    new_read_tokens <> read_tokens
    or new_write_tokens <> write_tokens
    or case when life = 'long' then new_write_tokens else 0 end <> write_long_tokens
order by request_id
