-- question: What do near-copies and the calls they copy say, where the sample has all of it?
-- reads:    near_pairs, sample, sample_texts
-- grain:    one row per request_id, other answers first, the least alike first
-- params:   most
-- columns:  endpoint, model, request_id, earlier_id, similarity, says_same, earlier_prompt, prompt,
-- earlier_answer, answer
with
    said as (
        select s.request_id, asked.text as prompt, answered.text as answer
        from sample as s
        join sample_texts as asked on s.message_hashes[-1] = asked.text_hash
        join sample_texts as answered on s.output_hash = answered.text_hash
        where array_length(s.message_hashes) > 0
    ),
    -- each call beside the earlier one that it is most alike
    first_pairs as (
        select
            *,
            row_number() over (
                partition by later order by similarity desc, earlier_answered_us desc, earlier desc
            ) as place
        from near_pairs
    )
select
    p.endpoint,
    p.model,
    p.request_id,
    p.earlier_id,
    p.similarity,
    p.says_same,
    e.prompt as earlier_prompt,
    l.prompt,
    e.answer as earlier_answer,
    l.answer
from first_pairs as p
join said as l on p.request_id = l.request_id
join said as e on p.earlier_id = e.request_id
where p.place = 1
order by p.says_same, p.similarity, p.request_id
limit $most
