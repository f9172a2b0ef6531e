with
    opened as (
        select
            *,
            from_json(
                unwrapped(metadata),
                '{"user_api_key_hash": "VARCHAR", "user_api_key_alias": "VARCHAR", "user_api_key_team_id": "VARCHAR",
                  "user_api_key_team_alias": "VARCHAR", "user_api_key_project_id": "VARCHAR", "user_api_key_project_alias": "VARCHAR",
                  "user_api_key_user_id": "VARCHAR", "user_api_key_end_user_id": "VARCHAR",
                  "spend_logs_metadata": "JSON", "requester_metadata": "JSON", "usage_object": "JSON"}'
            ) as meta,
            unwrapped(hidden_params) -> '$.usage_object' as hidden_usage,
            unwrapped(error_information) as failure,
            unwrapped(response) as body,
            unwrapped(model_parameters) as parameters,
            coalesce(lower(cache_hit) = 'true', false) as is_hit,
            coalesce(lower(status) = 'failure', error_str <> '', false) as is_failure,
            regexp_matches(
                cast(messages as varchar), '(?i)redacted[-_]by[-_]litell?m|litellm_truncated'
            ) as is_hidden,
            regexp_matches(
                cast(response as varchar), '(?i)redacted[-_]by[-_]litell?m|litellm_truncated'
            ) as is_answer_hidden
        from raw
    ),
    asked as (
        select
            *,
            json_merge_patch(
                json_object('model', model),
                case when json_type(parameters) = 'OBJECT' then parameters else '{}' end,
                case
                    when is_hidden or messages is null or json_type(messages) = 'NULL'
                    then '{}'
                    when json_type(messages) = 'OBJECT'
                    then messages
                    when json_type(messages) = 'ARRAY' and json_type(messages, '$[0]') = 'OBJECT'
                    then json_object('messages', messages)
                    else json_object('input', messages)
                end
            ) as request,
            case
                when json_type(body) = 'OBJECT' and body <> '{}'
                then body
                when json_type(body) = 'ARRAY'
                then body
                when json_type(response) = 'VARCHAR' and not is_answer_hidden
                then response
            end as answer,
            case
                when json_type(meta.usage_object) = 'OBJECT' and meta.usage_object <> '{}'
                then meta.usage_object
                when json_type(hidden_usage) = 'OBJECT' and hidden_usage <> '{}'
                then hidden_usage
                when json_type(body, '$.usage') = 'OBJECT'
                then body -> '$.usage'
                else json_object('prompt_tokens', prompt_tokens, 'completion_tokens', completion_tokens)
            end as counts
        from opened
    ),
    parsed as (
        select
            *,
            open_request(request) as asked,
            open_response(answer) as answered,
            from_json(counts, usage_shape()) as used,
            unwrapped(request_tags) as tagged
        from asked
    ),
    bodies as (
        select
            *,
            read_request(asked, request) as q,
            read_response(answered) as a,
            read_usage(used, false) as counted
        from parsed
    ),
    judged as (
        select
            *,
            as_utc(starttime) as started_at,
            coalesce(counted.input_tokens, 0) + coalesce(counted.output_tokens, 0) as total_tokens,
            list_transform(
                case when json_type(tagged) = 'ARRAY' then json_extract_string(tagged, '$[*]') end,
                lambda t:cast(t as varchar)
            ) as labels,
            json_merge_patch(
                case
                    when json_type(meta.requester_metadata) = 'OBJECT' then meta.requester_metadata else '{}'
                end,
                case
                    when json_type(meta.spend_logs_metadata) = 'OBJECT'
                    then meta.spend_logs_metadata
                    else '{}'
                end
            ) as client
        from bodies
    )
select
    record,
    unread,
    case
        when started_at is null
        then concat('no readable time in startTime: ', coalesce(starttime, 'missing'))
        when nullif(model, '') is null and nullif(model_group, '') is null and a.model is null
        then 'no model in model, model_group or response'
    end as problem,
    case
        when
            regexp_matches(call_type, 'mcp|batch|file|vector_store|fine_tun|list_|health')
            and total_tokens = 0
        then concat('LiteLLM ', call_type)
    end as not_call,
    case when not is_hit and not is_failure then coalesce(a.id, nullif(id, '')) end as provider_id,
    case
        when is_hit or is_failure or coalesce(a.id, nullif(id, '')) is null
        then coalesce(nullif(litellm_call_id, ''), nullif(id, ''))
    end as own_id,
    started_at,
    date_diff('microsecond', started_at, as_utc(endtime)) / 1000.0 as duration_ms,
    case
        when lower(stream) = 'true'
        then date_diff('microsecond', started_at, as_utc(completionstarttime)) / 1000.0
    end as first_token_ms,
    case
        when custom_llm_provider in ('azure', 'azure_text')
        then 'azure.ai.openai'
        when custom_llm_provider = 'azure_ai'
        then 'azure.ai.inference'
        when starts_with(custom_llm_provider, 'bedrock')
        then 'aws.bedrock'
        when starts_with(custom_llm_provider, 'vertex_ai')
        then 'gcp.vertex_ai'
        when custom_llm_provider = 'gemini'
        then 'gcp.gemini'
        when custom_llm_provider = 'xai'
        then 'x_ai'
        when custom_llm_provider in ('mistral', 'codestral')
        then 'mistral_ai'
        when custom_llm_provider = 'watsonx'
        then 'ibm.watsonx.ai'
        when custom_llm_provider in ('text-completion-openai', 'custom_openai')
        then 'openai'
        else nullif(custom_llm_provider, '')
    end as provider,
    nullif(model_id, '') as deployment,
    'metered' as billing_mode,
    case
        when contains(call_type, 'embedding')
        then 'embeddings'
        when contains(call_type, 'responses')
        then 'responses'
        when contains(call_type, 'image')
        then 'image'
        when contains(call_type, 'transcription') or contains(call_type, 'speech')
        then 'audio'
        when contains(call_type, 'rerank')
        then 'rerank'
        when contains(call_type, 'moderation')
        then 'moderation'
        else coalesce(a.operation, 'chat')
    end as operation,
    coalesce(nullif(model_group, ''), nullif(model, '')) as request_model,
    case
        when not is_failure
        then
            coalesce(
                case when a.model <> coalesce(model_group, '') then a.model end, nullif(model, ''), a.model
            )
    end as response_model,
    a.region as region,
    case
        when contains(call_type, 'batch')
        then 'batch'
        when a.service_tier in ('default', 'auto')
        then 'standard'
        else a.service_tier
    end as service_tier,
    q.service_tier as requested_service_tier,
    coalesce(try_cast(stream as boolean), q.stream, false) as stream,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    coalesce(
        client ->> '$.endpoint', list_filter(labels, lambda t:starts_with(t, 'endpoint:'))[1][10:]
    ) as endpoint,
    coalesce(meta.user_api_key_team_alias, meta.user_api_key_team_id) as team,
    coalesce(meta.user_api_key_project_alias, meta.user_api_key_project_id) as project,
    coalesce(
        client ->> '$.environment', list_filter(labels, lambda t:starts_with(t, 'environment:'))[1][13:]
    ) as environment,
    coalesce(
        nullif(end_user, ''), meta.user_api_key_end_user_id, meta.user_api_key_user_id, q.user
    ) as user_id,
    coalesce(meta.user_api_key_alias, meta.user_api_key_hash) as api_key_id,
    case when session_id <> '' and session_id <> coalesce(trace_id, '') then session_id end as session_id,
    nullif(trace_id, '') as trace_id,
    nullif(
        cast(
            json_merge_patch(
                client, case when len(labels) > 0 then json_object('request_tags', labels) else '{}' end
            ) as varchar
        ),
        '{}'
    ) as tags,
    unnest(case when total_tokens > 0 then counted end),
    case when total_tokens > 0 then 'reported' end as usage_source,
    case when is_failure then 'error' else 'ok' end as status,
    as_count(failure ->> '$.error_code') as http_status,
    case
        when is_failure
        then
            coalesce(
                nullif(failure ->> '$.error_class', ''), nullif(failure ->> '$.error_code', ''), 'failure'
            )
    end as error_type,
    a.finish_reason as finish_reason,
    is_hit as gateway_cache_hit,
    -- A success that used tokens and cost nothing is one that LiteLLM has no price for.
    case
        when try_cast(response_cost as double) > 0 or is_hit or is_failure or total_tokens = 0
        then try_cast(response_cost as decimal(38, 12))
    end as reported_cost_usd,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    case when q.messages is not null then q.params_text end as params_text,
    case when not coalesce(is_answer_hidden, false) then a.output_text end as output_text
from judged
