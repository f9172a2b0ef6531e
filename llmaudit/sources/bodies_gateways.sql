-- What gateways and traces share: their times without a zone, their names of providers, and rows that come
-- as JSON as well as in tables. A query over `raw` that two sources share takes its name as an argument.
-- A time that names no zone is UTC here, whatever zone the user's own logs are in.
create or replace macro as_utc_anyway(x) as
    as_utc(
        case
            when regexp_full_match(trim(x, ' "'), '\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d+)?)?)?')
            then concat(replace(trim(x, ' "'), ',', '.'), case when contains(trim(x, ' "'), ':') then '' else ' 00:00' end, '+00')
            else trim(x, ' "')
        end
    );

create or replace macro gateway_provider(x) as
    case
        when starts_with(lower(x), 'bedrock') or lower(x) in ('aws', 'aws_bedrock', 'amazon', 'amazon_bedrock', 'amazon-bedrock')
        then 'aws.bedrock'
        when starts_with(lower(x), 'vertex') or lower(x) in ('google_vertexai', 'google-vertex', 'google vertex')
        then 'gcp.vertex_ai'
        else
            case lower(x)
                when '' then null
                when 'azure' then 'azure.ai.openai'
                when 'azure_text' then 'azure.ai.openai'
                when 'az.ai.openai' then 'azure.ai.openai'
                when 'az.ai.inference' then 'azure.ai.inference'
                when 'azure_ai' then 'azure.ai.inference'
                when 'gemini' then 'gcp.gemini'
                when 'google' then 'gcp.gemini'
                when 'gcp.gen_ai' then 'gcp.gemini'
                when 'google ai studio' then 'gcp.gemini'
                when 'xai' then 'x_ai'
                when 'mistral' then 'mistral_ai'
                when 'mistralai' then 'mistral_ai'
                when 'codestral' then 'mistral_ai'
                when 'watsonx' then 'ibm.watsonx.ai'
                when 'text-completion-openai' then 'openai'
                when 'custom_openai' then 'openai'
                else lower(x)
            end
    end;

-- JSON as it is, as text, or as text in which every quote was doubled once too often.
create or replace macro unescaped(x) as
    case
        when x is null or json_type(x) <> 'VARCHAR'
        then x
        when json_valid(x ->> '$')
        then unwrapped(x)
        when json_valid(replace(x ->> '$', '""', '"'))
        then try_cast(replace(x ->> '$', '""', '"') as json)
    end;

create or replace macro object_or_empty(x) as case when json_type(x) = 'OBJECT' then x else '{}' end;

create or replace macro litellm_spend_rows(rows) as table
with
    opened as (
        select
            *,
            coalesce(json_type(data) = 'ARRAY', false) as is_empty_page,
            unwrapped(r.metadata) as details,
            unwrapped(r.response) as body,
            unwrapped(r.proxy_server_request) as sent,
            unwrapped(r.request_tags) as tagged,
            coalesce(lower(r.cache_hit) = 'true', false) as is_hit,
            regexp_matches(cast(r.proxy_server_request as varchar), '(?i)redacted[-_]by[-_]litell?m|litellm_truncated') as is_hidden,
            regexp_matches(cast(r.response as varchar), '(?i)redacted[-_]by[-_]litell?m|litellm_truncated') as is_answer_hidden
        from query_table(rows) as r
    ),
    worded as (
        select
            *,
            from_json(
                details,
                '{"user_api_key_alias": "VARCHAR", "user_api_key_team_id": "VARCHAR", "user_api_key_team_alias": "VARCHAR",
                  "user_api_key_project_id": "VARCHAR", "user_api_key_project_alias": "VARCHAR", "user_api_key_user_id": "VARCHAR",
                  "status": "VARCHAR", "spend_logs_metadata": "JSON", "error_information": "JSON", "usage_object": "JSON",
                  "additional_usage_values": "JSON", "attempted_retries": "VARCHAR", "cost_breakdown": {"service_tier": "VARCHAR"}}'
            ) as meta,
            json_object('prompt_tokens', prompt_tokens, 'completion_tokens', completion_tokens) as columns_say
        from opened
    ),
    parsed as (
        select
            *,
            coalesce(lower(coalesce(status, meta.status)) = 'failure', false) as is_failure,
            case when json_type(sent) = 'OBJECT' and sent <> '{}' and not is_hidden then sent end as request,
            case when json_type(body) = 'OBJECT' and body <> '{}' then body end as answer,
            case
                when coalesce(as_count(meta.usage_object ->> '$.prompt_tokens'), 0) > 0 or as_count(meta.usage_object ->> '$.completion_tokens') > 0
                then meta.usage_object
                when json_type(body, '$.usage') = 'OBJECT'
                then body -> '$.usage'
                else json_merge_patch(object_or_empty(meta.additional_usage_values), columns_say)
            end as counts,
            object_or_empty(meta.spend_logs_metadata) as client
        from worded
    ),
    bodies as (
        select
            *,
            read_request(asked, request) as q,
            read_response(answered) as a,
            read_usage(used, false) as counted
        from
            (
                select
                    *,
                    open_request(request) as asked,
                    open_response(answer) as answered,
                    from_json(counts, usage_shape()) as used
                from parsed
            )
    ),
    judged as (
        select
            *,
            as_utc_anyway(startTime) as started_at,
            as_utc_anyway(endTime) as ended_at,
            as_utc_anyway(completionStartTime) as began_at,
            coalesce(counted.input_tokens, 0) + coalesce(counted.output_tokens, 0) as total_tokens,
            list_transform(
                case when json_type(tagged) = 'ARRAY' then json_extract_string(tagged, '$[*]') end,
                lambda t : cast(t as varchar)
            ) as labels,
            request_id is null and call_type is null and (users is not null or models is not null) as is_summary
        from bodies
    )
select
    record,
    document,
    unread,
    case
        when is_summary or is_empty_page
        then null
        when unread
        then 'nothing of it is a row of spend logs'
        when started_at is null
        then concat('no readable time in startTime: ', coalesce(startTime, 'missing'))
        when nullif(model, '') is null and nullif(model_group, '') is null and a.model is null
        then 'no model in model, model_group or response'
    end as problem,
    case
        when is_empty_page
        then 'empty page'
        when is_summary
        then 'LiteLLM daily summary'
        when regexp_matches(call_type, 'mcp|batch|file|vector_store|fine_tun|list_|health') and total_tokens = 0
        then concat('LiteLLM ', call_type)
    end as not_call,
    -- The key of LiteLLM's table: of hits and failures its own, else the provider's.
    nullif(request_id, '') as provider_id,
    coalesce(nullif(request_id, ''), nullif(litellm_call_id, '')) as own_id,
    as_count(meta.attempted_retries) + 1 as attempt,
    started_at,
    date_diff('microsecond', started_at, ended_at) / 1000.0 as duration_ms,
    case
        when began_at > started_at and began_at < ended_at and not is_failure
        then date_diff('microsecond', started_at, began_at) / 1000.0
    end as first_token_ms,
    gateway_provider(custom_llm_provider) as provider,
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
        then coalesce(case when a.model <> coalesce(model_group, '') then a.model end, nullif(model, ''), a.model)
    end as response_model,
    a.region as region,
    case
        when contains(call_type, 'batch')
        then 'batch'
        when coalesce(a.service_tier, meta.cost_breakdown.service_tier) in ('default', 'auto')
        then 'standard'
        else coalesce(a.service_tier, meta.cost_breakdown.service_tier)
    end as service_tier,
    q.service_tier as requested_service_tier,
    q.stream as stream,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    coalesce(
        client ->> '$.endpoint', list_filter(labels, lambda t : starts_with(t, 'endpoint:'))[1][10:]
    ) as endpoint,
    coalesce(meta.user_api_key_team_alias, meta.user_api_key_team_id, nullif(team_id, '')) as team,
    coalesce(meta.user_api_key_project_alias, meta.user_api_key_project_id) as project,
    coalesce(
        client ->> '$.environment',
        list_filter(labels, lambda t : starts_with(t, 'environment:'))[1][13:],
        list_filter(labels, lambda t : starts_with(t, 'env:'))[1][5:]
    ) as environment,
    coalesce(nullif(end_user, ''), nullif("user", ''), meta.user_api_key_user_id, q.user) as user_id,
    coalesce(meta.user_api_key_alias, nullif(api_key, '')) as api_key_id,
    nullif(session_id, '') as session_id,
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
    as_count(meta.error_information ->> '$.error_code') as http_status,
    case
        when is_failure
        then
            coalesce(
                nullif(meta.error_information ->> '$.error_class', ''),
                nullif(meta.error_information ->> '$.error_code', ''),
                'failure'
            )
    end as error_type,
    a.finish_reason as finish_reason,
    is_hit as gateway_cache_hit,
    -- A success that used tokens and cost nothing is one that LiteLLM has no price for.
    case
        when try_cast(spend as double) > 0 or is_hit or is_failure or total_tokens = 0
        then coalesce(try_cast(spend as decimal(38, 12)), try_cast(try_cast(spend as double) as decimal(38, 12)))
    end as reported_cost_usd,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    case when q.messages is not null then q.params_text end as params_text,
    case when not coalesce(is_answer_hidden, false) then a.output_text end as output_text
from judged;
