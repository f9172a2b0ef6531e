-- question: Whose are the calls, where the log does not say and an owners file or the user does?
-- reads:    merged_calls, owners, source_rates
-- grain:    one row per call_key
-- params:
-- columns:  REQUESTS, model, billable, stratum
with
    places as (select distinct api_key_id, project, user_id, endpoint from merged_calls),
    -- Every line of the owners file that may speak of a place. One that names more of it is closer.
    candidates as (
        select
            p.api_key_id,
            p.project,
            p.user_id,
            p.endpoint,
            o.team,
            o.cost_centre,
            o.environment,
            o.valid_from,
            o.names,
            o.line
        from places as p
        join
            owners as o
            on (o.api_key_id is null or o.api_key_id = p.api_key_id)
            and (o.project is null or o.project = p.project)
            and (o.user_id is null or o.user_id = p.user_id)
            and (o.endpoint is null or o.endpoint = p.endpoint)
    ),
    changes as (select distinct api_key_id, project, user_id, endpoint, valid_from from candidates),
    ranked as (
        select
            h.api_key_id,
            h.project,
            h.user_id,
            h.endpoint,
            h.valid_from,
            c.team,
            c.cost_centre,
            c.environment,
            row_number() over (
                partition by h.api_key_id, h.project, h.user_id, h.endpoint, h.valid_from
                order by c.names desc, c.valid_from desc, c.line
            ) as place
        from changes as h
        join
            candidates as c
            on h.api_key_id is not distinct from c.api_key_id
            and h.project is not distinct from c.project
            and h.user_id is not distinct from c.user_id
            and h.endpoint is not distinct from c.endpoint
            and c.valid_from <= h.valid_from
    ),
    told as (
        select
            api_key_id,
            project,
            user_id,
            endpoint,
            valid_from,
            arg_min(team, place) filter (where team is not null) as team,
            arg_min(cost_centre, place) filter (where cost_centre is not null) as cost_centre,
            arg_min(environment, place) filter (where environment is not null) as environment
        from ranked
        group by 1, 2, 3, 4, 5
    ),
    spans as (
        select
            *,
            lead(valid_from) over (
                partition by api_key_id, project, user_id, endpoint order by valid_from, team
            ) as valid_to
        from told
    )
select
    c.request_id,
    c.call_key,
    c.source,
    c.source_file,
    c.source_row,
    c.span_id,
    c.parent_id,
    c.attempt,
    c.started_at,
    c.duration_ms,
    c.first_token_ms,
    c.provider,
    c.account_id,
    c.deployment,
    c.billing_mode,
    c.operation,
    c.request_model,
    c.response_model,
    c.region,
    c.service_tier,
    c.requested_service_tier,
    c.stream,
    c.temperature,
    c.max_output_tokens,
    c.tools_offered,
    c.tools_called,
    c.response_format,
    c.endpoint,
    coalesce(c.team, s.team) as team,
    c.project,
    coalesce(c.environment, s.environment) as environment,
    coalesce(c.cost_centre, s.cost_centre) as cost_centre,
    c.user_id,
    c.api_key_id,
    c.session_id,
    c.trace_id,
    c.tags,
    c.input_tokens,
    c.cache_read_tokens,
    c.cache_write_tokens,
    c.cache_write_long_tokens,
    c.output_tokens,
    c.reasoning_tokens,
    c.input_audio_tokens,
    c.output_audio_tokens,
    c.cache_audio_read_tokens,
    c.input_image_tokens,
    c.output_image_tokens,
    c.cache_image_read_tokens,
    c.input_video_tokens,
    c.cache_video_read_tokens,
    c.images,
    c.web_searches,
    c.storage_searches,
    c.input_document_pages,
    c.input_annotated_document_pages,
    c.audio_seconds,
    c.video_seconds,
    c.input_characters,
    c.output_characters,
    c.input_text_messages,
    coalesce(r.sample_rate, c.sample_rate) as sample_rate,
    c.usage_source,
    c.status,
    c.http_status,
    c.error_type,
    c.finish_reason,
    c.gateway_cache_hit,
    c.reported_cost_usd,
    c.prompt_hash,
    c.system_hash,
    c.tools_hash,
    c.params_hash,
    c.output_hash,
    c.template_hash,
    c.head_hash,
    c.tail_hash,
    c.long_head_hash,
    c.long_tail_hash,
    c.system_head_hash,
    c.system_tail_hash,
    c.long_system_head_hash,
    c.long_system_tail_hash,
    c.message_hashes,
    c.prefix_hashes,
    c.prefix_bytes,
    c.prompt_sketch,
    c.prompt_bytes,
    c.tool_result_bytes,
    c.output_bytes,
    c.model,
    c.billable,
    c.stratum
from merged_calls as c
left join
    spans as s
    on c.api_key_id is not distinct from s.api_key_id
    and c.project is not distinct from s.project
    and c.user_id is not distinct from s.user_id
    and c.endpoint is not distinct from s.endpoint
    and c.started_at >= s.valid_from
    and (s.valid_to is null or c.started_at < s.valid_to)
left join source_rates as r on c.source = r.source
