-- question: Which answers did the old and the new model of a moved endpoint give to the same prompt?
-- reads:    requests, migrations
-- grain:    one row per endpoint, old answer and new answer
-- params:
-- columns:  endpoint, old_output_hash, new_output_hash, prompts
with
    answers as (
        select
            r.endpoint,
            r.prompt_hash,
            r.output_hash,
            r.model = m.new_model as is_new,
            row_number() over (
                partition by r.endpoint, r.prompt_hash, r.model = m.new_model
                order by
                    case
                        when r.model = m.new_model then epoch_us(r.started_at) else - epoch_us(r.started_at)
                    end,
                    r.request_id
            ) as place
        from requests as r
        join migrations as m on r.endpoint = m.endpoint and (r.model = m.new_model or r.model = m.old_model)
        where
            r.status = 'ok' and r.prompt_hash is not null and r.output_hash is not null and r.output_bytes > 0
    )
select o.endpoint, o.output_hash as old_output_hash, n.output_hash as new_output_hash, count(*) as prompts
from answers as o
join answers as n on o.endpoint = n.endpoint and o.prompt_hash = n.prompt_hash
where not o.is_new and n.is_new and o.place = 1 and n.place = 1
group by o.endpoint, o.output_hash, n.output_hash
order by o.endpoint, prompts desc, old_output_hash, new_output_hash
