-- question: Which calls were made, each once, with the best of every witness?
-- reads:    request_rows, batches, source_modes, same_spans
-- grain:    one row per call_key
-- params:   since, until
-- columns:  REQUESTS, model, billable, stratum
with
    -- An id that one file gives to calls of different content names no single call. An estimate is none:
    -- what was delivered before its usage was known is the same call.
    reused as (
        select distinct call_key
        from
            (
                select r.call_key, r.source_file
                from request_rows as r
                semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
                group by r.call_key, r.source_file
                having
                    min(r.prompt_hash) <> max(r.prompt_hash)
                    or min(r.input_tokens) filter (where r.usage_source = 'reported')
                    <> max(r.input_tokens) filter (where r.usage_source = 'reported')
            ) as mixed
    ),
    committed as (
        select
            r.* exclude (call_key),
            case
                when u.call_key is null
                then coalesce(o.main_key, r.call_key)
                else
                    md5(
                        r.call_key
                        || '|'
                        || coalesce(cast(r.prompt_hash as varchar), '')
                        || '|'
                        || coalesce(cast(r.input_tokens as varchar), '')
                        || '|'
                        || cast(
                            date_diff('microsecond', timestamp '1970-01-01 00:00:00', r.started_at) as varchar
                        )
                    )
            end as call_key,
            coalesce(
                r.input_tokens,
                r.output_tokens,
                r.images,
                r.input_document_pages,
                r.audio_seconds,
                r.video_seconds,
                r.input_characters,
                r.output_characters,
                r.input_text_messages
            )
            is not null as has_usage,
            coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0) as total_tokens
        from request_rows as r
        semi join batches as b on r.batch_id = b.batch_id and r.source_file = b.path
        left join reused as u on r.call_key = u.call_key
        left join same_spans as o on r.call_key = o.call_key
        where r.started_at >= $since and r.started_at < $until
    ),
    seen_again as (select call_key from committed group by call_key having count(*) > 1),
    ranked as (
        select
            p.*,
            -- What somebody counted goes before what was estimated from a text.
            case when p.usage_source = 'reported' then p.place else p.place + 1000000000 end as usage_place
        from
            (
                select
                    c.*,
                    row_number() over (
                        partition by c.call_key
                        order by c.witness, c.total_tokens desc, c.source_file, c.source_row
                    ) as place
                from committed as c
                semi join seen_again as s on c.call_key = s.call_key
            ) as p
    ),
    merged as (
        select
            request_id,
            call_key,
            source,
            source_file,
            source_row,
            span_id,
            parent_id,
            attempt,
            started_at,
            duration_ms,
            first_token_ms,
            provider,
            account_id,
            deployment,
            billing_mode,
            operation,
            request_model,
            response_model,
            region,
            service_tier,
            requested_service_tier,
            stream,
            temperature,
            max_output_tokens,
            tools_offered,
            tools_called,
            response_format,
            endpoint,
            team,
            project,
            environment,
            cost_centre,
            user_id,
            api_key_id,
            session_id,
            trace_id,
            tags,
            input_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_long_tokens,
            output_tokens,
            reasoning_tokens,
            input_audio_tokens,
            output_audio_tokens,
            cache_audio_read_tokens,
            input_image_tokens,
            output_image_tokens,
            cache_image_read_tokens,
            input_video_tokens,
            cache_video_read_tokens,
            images,
            web_searches,
            storage_searches,
            input_document_pages,
            input_annotated_document_pages,
            audio_seconds,
            video_seconds,
            input_characters,
            output_characters,
            input_text_messages,
            sample_rate,
            usage_source,
            status,
            http_status,
            error_type,
            finish_reason,
            gateway_cache_hit,
            reported_cost_usd,
            prompt_hash,
            system_hash,
            tools_hash,
            params_hash,
            output_hash,
            template_hash,
            head_hash,
            tail_hash,
            long_head_hash,
            long_tail_hash,
            system_head_hash,
            system_tail_hash,
            long_system_head_hash,
            long_system_tail_hash,
            message_hashes,
            prefix_hashes,
            prefix_bytes,
            prompt_sketch,
            prompt_bytes,
            tool_result_bytes,
            output_bytes,
            stratum
        from committed as c
        anti join seen_again as s on c.call_key = s.call_key
        union all
        select
            arg_min(request_id, place) filter (where request_id is not null) as request_id,
            call_key,
            arg_min(source, place) filter (where source is not null) as source,
            arg_min(source_file, place) filter (where source_file is not null) as source_file,
            arg_min(source_row, place) filter (where source_row is not null) as source_row,
            arg_min(span_id, place) filter (where span_id is not null) as span_id,
            arg_min(parent_id, place) filter (where parent_id is not null) as parent_id,
            arg_min(attempt, place) filter (where attempt is not null) as attempt,
            arg_min(started_at, place) filter (where started_at is not null) as started_at,
            arg_min(duration_ms, place) filter (where duration_ms is not null) as duration_ms,
            arg_min(first_token_ms, place) filter (where first_token_ms is not null) as first_token_ms,
            arg_min(provider, place) filter (where provider is not null) as provider,
            arg_min(account_id, place) filter (where account_id is not null) as account_id,
            arg_min(deployment, place) filter (where deployment is not null) as deployment,
            arg_min(billing_mode, place) filter (where billing_mode is not null) as billing_mode,
            arg_min(operation, place) filter (where operation is not null) as operation,
            arg_min(request_model, place) filter (where request_model is not null) as request_model,
            arg_min(response_model, place) filter (where response_model is not null) as response_model,
            arg_min(region, place) filter (where region is not null) as region,
            arg_min(service_tier, place) filter (where service_tier is not null) as service_tier,
            arg_min(requested_service_tier, place) filter (
                where requested_service_tier is not null
            ) as requested_service_tier,
            arg_min(stream, place) filter (where stream is not null) as stream,
            arg_min(temperature, place) filter (where temperature is not null) as temperature,
            arg_min(max_output_tokens, place) filter (
                where max_output_tokens is not null
            ) as max_output_tokens,
            arg_min(tools_offered, place) filter (where tools_offered is not null) as tools_offered,
            arg_min(tools_called, place) filter (where tools_called is not null) as tools_called,
            arg_min(response_format, place) filter (where response_format is not null) as response_format,
            arg_min(endpoint, place) filter (where endpoint is not null) as endpoint,
            arg_min(team, place) filter (where team is not null) as team,
            arg_min(project, place) filter (where project is not null) as project,
            arg_min(environment, place) filter (where environment is not null) as environment,
            arg_min(cost_centre, place) filter (where cost_centre is not null) as cost_centre,
            arg_min(user_id, place) filter (where user_id is not null) as user_id,
            arg_min(api_key_id, place) filter (where api_key_id is not null) as api_key_id,
            arg_min(session_id, place) filter (where session_id is not null) as session_id,
            arg_min(trace_id, place) filter (where trace_id is not null) as trace_id,
            arg_min(tags, place) filter (where tags is not null) as tags,
            arg_min(input_tokens, usage_place) filter (where has_usage) as input_tokens,
            arg_min(cache_read_tokens, usage_place) filter (where has_usage) as cache_read_tokens,
            arg_min(cache_write_tokens, usage_place) filter (where has_usage) as cache_write_tokens,
            arg_min(cache_write_long_tokens, usage_place) filter (where has_usage) as cache_write_long_tokens,
            arg_min(output_tokens, usage_place) filter (where has_usage) as output_tokens,
            arg_min(reasoning_tokens, usage_place) filter (where has_usage) as reasoning_tokens,
            arg_min(input_audio_tokens, usage_place) filter (where has_usage) as input_audio_tokens,
            arg_min(output_audio_tokens, usage_place) filter (where has_usage) as output_audio_tokens,
            arg_min(cache_audio_read_tokens, usage_place) filter (where has_usage) as cache_audio_read_tokens,
            arg_min(input_image_tokens, usage_place) filter (where has_usage) as input_image_tokens,
            arg_min(output_image_tokens, usage_place) filter (where has_usage) as output_image_tokens,
            arg_min(cache_image_read_tokens, usage_place) filter (where has_usage) as cache_image_read_tokens,
            arg_min(input_video_tokens, usage_place) filter (where has_usage) as input_video_tokens,
            arg_min(cache_video_read_tokens, usage_place) filter (where has_usage) as cache_video_read_tokens,
            arg_min(images, usage_place) filter (where has_usage) as images,
            arg_min(web_searches, usage_place) filter (where has_usage) as web_searches,
            arg_min(storage_searches, usage_place) filter (where has_usage) as storage_searches,
            arg_min(input_document_pages, usage_place) filter (where has_usage) as input_document_pages,
            arg_min(input_annotated_document_pages, usage_place) filter (
                where has_usage
            ) as input_annotated_document_pages,
            arg_min(audio_seconds, usage_place) filter (where has_usage) as audio_seconds,
            arg_min(video_seconds, usage_place) filter (where has_usage) as video_seconds,
            arg_min(input_characters, usage_place) filter (where has_usage) as input_characters,
            arg_min(output_characters, usage_place) filter (where has_usage) as output_characters,
            arg_min(input_text_messages, usage_place) filter (where has_usage) as input_text_messages,
            -- A call that one witness kept whole is no sample.
            case when count(sample_rate) = count(*) then max(sample_rate) end as sample_rate,
            arg_min(usage_source, usage_place) filter (where has_usage) as usage_source,
            arg_min(status, place) filter (where status is not null) as status,
            arg_min(http_status, place) filter (where http_status is not null) as http_status,
            arg_min(error_type, place) filter (where error_type is not null) as error_type,
            arg_min(finish_reason, place) filter (where finish_reason is not null) as finish_reason,
            arg_min(gateway_cache_hit, place) filter (
                where gateway_cache_hit is not null
            ) as gateway_cache_hit,
            arg_min(reported_cost_usd, place) filter (
                where reported_cost_usd is not null
            ) as reported_cost_usd,
            arg_min(prompt_hash, place) filter (where prompt_hash is not null) as prompt_hash,
            arg_min(system_hash, place) filter (where prompt_hash is not null) as system_hash,
            arg_min(tools_hash, place) filter (where prompt_hash is not null) as tools_hash,
            arg_min(params_hash, place) filter (where prompt_hash is not null) as params_hash,
            arg_min(output_hash, place) filter (where output_hash is not null) as output_hash,
            arg_min(template_hash, place) filter (where prompt_hash is not null) as template_hash,
            arg_min(head_hash, place) filter (where prompt_hash is not null) as head_hash,
            arg_min(tail_hash, place) filter (where prompt_hash is not null) as tail_hash,
            arg_min(long_head_hash, place) filter (where prompt_hash is not null) as long_head_hash,
            arg_min(long_tail_hash, place) filter (where prompt_hash is not null) as long_tail_hash,
            arg_min(system_head_hash, place) filter (where prompt_hash is not null) as system_head_hash,
            arg_min(system_tail_hash, place) filter (where prompt_hash is not null) as system_tail_hash,
            arg_min(long_system_head_hash, place) filter (
                where prompt_hash is not null
            ) as long_system_head_hash,
            arg_min(long_system_tail_hash, place) filter (
                where prompt_hash is not null
            ) as long_system_tail_hash,
            arg_min(message_hashes, place) filter (where prompt_hash is not null) as message_hashes,
            arg_min(prefix_hashes, place) filter (where prompt_hash is not null) as prefix_hashes,
            arg_min(prefix_bytes, place) filter (where prompt_hash is not null) as prefix_bytes,
            arg_min(prompt_sketch, place) filter (where prompt_hash is not null) as prompt_sketch,
            arg_min(prompt_bytes, place) filter (where prompt_hash is not null) as prompt_bytes,
            arg_min(tool_result_bytes, place) filter (where prompt_hash is not null) as tool_result_bytes,
            arg_min(output_bytes, place) filter (where output_hash is not null) as output_bytes,
            min(stratum) as stratum
        from ranked
        group by call_key
    ),
    shared_ids as (
        select request_id
        from
            (
                select c.request_id
                from committed as c
                anti join seen_again as s on c.call_key = s.call_key
                union all
                select arg_min(request_id, place) filter (where request_id is not null) as request_id
                from ranked
                group by call_key
            ) as named
        group by request_id
        having count(*) > 1
    )
select
    case
        when s.request_id is null then m.request_id else m.request_id || '#' || left(m.call_key, 8)
    end as request_id,
    m.call_key,
    m.source,
    m.source_file,
    m.source_row,
    m.span_id,
    m.parent_id,
    m.attempt,
    m.started_at,
    m.duration_ms,
    m.first_token_ms,
    m.provider,
    m.account_id,
    m.deployment,
    coalesce(o.billing_mode, m.billing_mode, 'metered') as billing_mode,
    m.operation,
    m.request_model,
    m.response_model,
    m.region,
    m.service_tier,
    m.requested_service_tier,
    m.stream,
    m.temperature,
    m.max_output_tokens,
    m.tools_offered,
    m.tools_called,
    m.response_format,
    m.endpoint,
    m.team,
    m.project,
    m.environment,
    m.cost_centre,
    m.user_id,
    m.api_key_id,
    m.session_id,
    m.trace_id,
    m.tags,
    m.input_tokens,
    m.cache_read_tokens,
    m.cache_write_tokens,
    m.cache_write_long_tokens,
    m.output_tokens,
    m.reasoning_tokens,
    m.input_audio_tokens,
    m.output_audio_tokens,
    m.cache_audio_read_tokens,
    m.input_image_tokens,
    m.output_image_tokens,
    m.cache_image_read_tokens,
    m.input_video_tokens,
    m.cache_video_read_tokens,
    m.images,
    m.web_searches,
    m.storage_searches,
    m.input_document_pages,
    m.input_annotated_document_pages,
    m.audio_seconds,
    m.video_seconds,
    m.input_characters,
    m.output_characters,
    m.input_text_messages,
    m.sample_rate,
    m.usage_source,
    m.status,
    m.http_status,
    m.error_type,
    m.finish_reason,
    m.gateway_cache_hit,
    m.reported_cost_usd,
    m.prompt_hash,
    m.system_hash,
    m.tools_hash,
    m.params_hash,
    m.output_hash,
    m.template_hash,
    m.head_hash,
    m.tail_hash,
    m.long_head_hash,
    m.long_tail_hash,
    m.system_head_hash,
    m.system_tail_hash,
    m.long_system_head_hash,
    m.long_system_tail_hash,
    m.message_hashes,
    m.prefix_hashes,
    m.prefix_bytes,
    m.prompt_sketch,
    m.prompt_bytes,
    m.tool_result_bytes,
    m.output_bytes,
    coalesce(m.response_model, m.request_model) as model,
    coalesce(o.billing_mode, m.billing_mode, 'metered') = 'metered'
    and not coalesce(m.gateway_cache_hit, false)
    and not (m.status <> 'ok' and m.input_tokens is null and m.output_tokens is null)
    -- Turned away at the door: nobody bills that, although some gateways count the prompt.
    and not (m.status = 'error' and coalesce(m.http_status, 0) in (401, 403, 404, 429)) as billable,
    m.stratum
from merged as m
left join shared_ids as s on m.request_id = s.request_id
left join source_modes as o on m.source = o.source
