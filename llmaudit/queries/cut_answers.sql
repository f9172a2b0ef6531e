-- question: How many answers were cut off, what did they cost, and which lengths look like a cap where the
-- log
-- does not say why an answer ended?
-- reads:    requests
-- grain:    one row per (endpoint, model) with cut answers or signs of a cap
-- params:
-- columns:  endpoint, model, cut_requests, cut_usd, caps, at_cap_requests, likely_cap_tokens,
-- likely_cut_requests
with
    answered as (
        select
            endpoint,
            model,
            cost_usd,
            output_tokens,
            max_output_tokens,
            finish_reason is null as is_unsaid,
            coalesce(
                regexp_extract(lower(finish_reason), '[a-z_]+$') in (
                    'length',
                    'max_tokens',
                    'max_output_tokens',
                    'max_completion_tokens',
                    'max_length',
                    'model_length',
                    'token_limit',
                    'token_limit_reached',
                    'model_context_window_exceeded'
                ),
                false
            ) as is_cut
        from requests
        where coalesce(billing_mode, 'metered') = 'metered' and status = 'ok'
    ),
    counts as (
        select
            endpoint,
            model,
            count(*) filter (where is_cut) as cut_requests,
            sum(case when is_cut then cost_usd end) as cut_usd,
            count(*) filter (
                where is_unsaid and output_tokens = max_output_tokens and output_tokens > 0
            ) as at_cap_requests
        from answered
        group by 1, 2
    ),
    caps as (
        select
            endpoint,
            model,
            string_agg(cast(max_output_tokens as varchar), ', ' order by max_output_tokens) as caps
        from (select distinct endpoint, model, max_output_tokens from answered where is_cut)
        group by 1, 2
    ),
    lengths as (
        select endpoint, model, output_tokens, count(*) as requests
        from answered
        where is_unsaid and output_tokens > 0
        group by 1, 2, 3
    ),
    longest as (
        select endpoint, model, max(output_tokens) as cap_tokens, count(*) as lengths
        from lengths
        group by 1, 2
    ),
    -- A cap shows as many answers of exactly the greatest length and next to none just below it.
    walls as (
        select
            w.endpoint,
            w.model,
            w.cap_tokens,
            sum(case when l.output_tokens = w.cap_tokens then l.requests else 0 end) as at_wall,
            sum(
                case
                    when l.output_tokens < w.cap_tokens and l.output_tokens * 10 >= w.cap_tokens * 9
                    then l.requests
                    else 0
                end
            ) as below_wall
        from longest as w
        join
            lengths as l
            on w.endpoint is not distinct from l.endpoint
            and w.model is not distinct from l.model
            and l.output_tokens * 10 >= w.cap_tokens * 9
        where w.cap_tokens >= 50 and w.lengths >= 20
        group by 1, 2, 3
    ),
    likely as (
        select endpoint, model, cap_tokens as likely_cap_tokens, at_wall as likely_cut_requests
        from walls
        where at_wall >= 5 and at_wall * cap_tokens >= below_wall * 100
    )
select
    c.endpoint,
    c.model,
    c.cut_requests,
    c.cut_usd,
    p.caps,
    c.at_cap_requests,
    l.likely_cap_tokens,
    l.likely_cut_requests
from counts as c
left join caps as p on c.endpoint is not distinct from p.endpoint and c.model is not distinct from p.model
left join likely as l on c.endpoint is not distinct from l.endpoint and c.model is not distinct from l.model
where c.cut_requests > 0 or c.at_cap_requests > 0 or l.likely_cut_requests is not null
order by c.cut_requests desc, c.endpoint, c.model
