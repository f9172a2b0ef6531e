-- Results of a page of Anthropic's usage and cost reports, each with its bucket. An empty bucket or page is
-- one null result.
create or replace macro anthropic_results(data, starting_at, ending_at, results) as
    flatten(
        list_transform(
            coalesce(
                nullif(
                    from_json(
                        case
                            when json_type(results) = 'ARRAY'
                            then json_array(json_object('starting_at', starting_at, 'ending_at', ending_at, 'results', results))
                            else data
                        end,
                        '[{"starting_at": "VARCHAR", "ending_at": "VARCHAR", "results": "JSON"}]'
                    ),
                    []
                ),
                [null]
            ),
            lambda b : list_transform(
                case when json_array_length(b.results) > 0 then json_extract(b.results, '$[*]') else [null] end,
                lambda r : {
                    'period_start': as_utc(b.starting_at),
                    'period_end': as_utc(b.ending_at),
                    'result': r,
                    'not_call': case
                        when json_type(data) = 'ARRAY' and json_array_length(data) = 0 then 'empty page'
                        when json_type(b.results) = 'ARRAY' and json_array_length(b.results) = 0 then 'empty bucket'
                    end,
                    'problem': case
                        when b is null then 'nothing of it is a page of results'
                        when json_type(b.results) is distinct from 'ARRAY' then 'a bucket without results'
                        when json_type(r) <> 'OBJECT' then 'a result that is no object'
                        when as_utc(b.starting_at) is null then concat('no readable starting_at: ', coalesce(b.starting_at, 'missing'))
                    end
                }
            )
        )
    );

-- The API says uncached_input_tokens, the console's tables input_no_cache.
create or replace macro anthropic_token_class(token_type, cost_type) as
    case
        when contains(token_type, 'cache_creation') or contains(token_type, 'cache_write')
        then case when contains(token_type, '1h') then 'cache_write_long' else 'cache_write' end
        when token_type in ('cache_read_input_tokens', 'input_cache_read')
        then 'cache_read'
        when token_type in ('uncached_input_tokens', 'input_no_cache')
        then 'input'
        when token_type in ('output_tokens', 'output')
        then 'output'
        when cost_type = 'web_search'
        then 'web_searches'
        else coalesce(token_type, cost_type)
    end;

-- Fast mode is a price of its own, and stands beside the tier.
create or replace macro anthropic_tier(tier, speed) as case when speed = 'fast' then 'fast' else tier end;
