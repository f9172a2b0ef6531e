-- question: How often does a cheaper model give the answer that the dearer one gave to the same prompt?
-- reads:    size_pairs
-- grain:    one row per (provider, endpoint, model, to_provider, to_model)
-- params:
-- columns:  provider, endpoint, model, to_provider, to_model, pairs, same_pairs, repeated_pairs,
-- repeats_pairs, repeats_only_pairs, says_only_pairs, sized_pairs, output_tokens, to_output_tokens
select
    provider,
    endpoint,
    model,
    to_provider,
    to_model,
    count(*) as pairs,
    count(*) filter (where says_same) as same_pairs,
    count(repeats_itself) as repeated_pairs,
    count(*) filter (where repeats_itself) as repeats_pairs,
    count(*) filter (where repeats_itself and not says_same) as repeats_only_pairs,
    count(*) filter (where not repeats_itself and says_same) as says_only_pairs,
    count(*) filter (where output_tokens is not null and to_output_tokens is not null) as sized_pairs,
    sum(case when to_output_tokens is not null then output_tokens end) as output_tokens,
    sum(case when output_tokens is not null then to_output_tokens end) as to_output_tokens
from size_pairs
group by provider, endpoint, model, to_provider, to_model
order by provider, endpoint, model, to_provider, to_model
