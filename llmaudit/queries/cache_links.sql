-- question: Which endpoints send prompts that begin alike, so that one may read what the other wrote?
-- reads:    usage, prefix_nodes, prompt_breaks
-- grain:    one row per (name, first)
-- params:
-- columns:  name, first
with
    prompts as (select distinct prompt_hash, coalesce(endpoint, '') as endpoint from usage),
    sites as (
        select n.node_hash, p.endpoint
        from prompts as p
        join prefix_nodes as n on p.prompt_hash = n.prompt_hash
        union all
        select node_hash, coalesce(endpoint, '') as endpoint
        from prompt_breaks
    ),
    spread as (select node_hash, endpoint, min(endpoint) over (partition by node_hash) as first from sites)
select distinct endpoint as name, first
from spread
where endpoint <> first
order by name, first
