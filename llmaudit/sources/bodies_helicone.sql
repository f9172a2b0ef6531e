-- Rows of Helicone, from its API, its exporter or a table. Tokens of a body that is there are the provider's own;
-- else its columns, of which newer rows leave the cache and the reasoning out.
create or replace macro helicone_rows(rows) as table
with
    opened as (
        select
            *,
            coalesce(json_type(data) = 'ARRAY', false) as is_empty_page,
            unescaped(r.request_body) as sent,
            unescaped(r.response_body) as got,
            unescaped(coalesce(r.properties, r.request_properties)) as labels,
            as_count(r.response_status) as code,
            as_utc_anyway(r.request_created_at) as started_at,
            as_utc_anyway(r.response_created_at) as ended_at,
            coalesce(r.cache_reference_id not in ('', '00000000-0000-0000-0000-000000000000'), false) as is_hit
        from query_table(rows) as r
    ),
    bodies as (
        select
            *,
            json_type(sent, '$.helicone_message') is null and json_type(sent) = 'OBJECT' as has_request,
            case when json_type(got, '$.helicone_message') is null and json_type(got) = 'OBJECT' then got end as answer,
            open_request(case when has_request then sent end) as asked,
            open_response(answer) as answered
        from opened
    ),
    counted as (
        select
            *,
            read_request(asked, case when has_request then sent end) as q,
            read_response(answered) as a,
            as_count(prompt_tokens) as given,
            as_count(completion_tokens) as made,
            as_count(prompt_cache_read_tokens) as cached,
            as_count(prompt_cache_write_tokens) as written,
            as_count(reasoning_tokens) as reasoned,
            lower(provider) in ('anthropic', 'bedrock', 'aws') or contains(lower(coalesce(response_model, request_model, model)), 'claude') as is_apart
        from bodies
    ),
    judged as (
        select
            *,
            a.usage.input_tokens is not null or a.usage.output_tokens is not null as is_told_by_body,
            coalesce(nullif(response_model, ''), a.model) as answered_model,
            coalesce(q.model, nullif(request_model, ''), nullif(model_override, ''), nullif(model, '')) as asked_model,
            case
                when is_told_by_body
                then a.usage
                else
                    json_transform(
                        json_object(
                            'input_tokens', given + case when is_apart or coalesce(cached, 0) + coalesce(written, 0) > given then coalesce(cached, 0) + coalesce(written, 0) else 0 end,
                            'cache_read_tokens', cached,
                            'cache_write_tokens', written,
                            'output_tokens', made + case when reasoned > made then reasoned else 0 end,
                            'reasoning_tokens', reasoned,
                            'input_audio_tokens', as_count(prompt_audio_tokens),
                            'output_audio_tokens', as_count(completion_audio_tokens)
                        ),
                        '{"input_tokens": "BIGINT", "cache_read_tokens": "BIGINT", "cache_write_tokens": "BIGINT", "cache_write_long_tokens": "BIGINT",
                          "output_tokens": "BIGINT", "reasoning_tokens": "BIGINT", "input_audio_tokens": "BIGINT", "output_audio_tokens": "BIGINT",
                          "input_image_tokens": "BIGINT", "output_image_tokens": "BIGINT", "web_searches": "BIGINT"}'
                    )
            end as tokens
        from counted
    )
select
    record,
    document,
    unread,
    case
        when is_empty_page
        then null
        when unread
        then 'nothing of it is a row of Helicone'
        when started_at is null
        then concat('no readable time in request_created_at: ', coalesce(request_created_at, 'missing'))
        when answered_model is null and asked_model is null and given is null and a.usage.input_tokens is null
        then 'neither model nor usage'
    end as problem,
    case when is_empty_page then 'empty page' end as not_call,
    case when not is_hit and coalesce(code, 200) between 200 and 299 then a.id end as provider_id,
    coalesce(nullif(request_id, ''), nullif(response_id, '')) as own_id,
    started_at,
    coalesce(try_cast(delay_ms as double), date_diff('microsecond', started_at, ended_at) / 1000.0) as duration_ms,
    try_cast(time_to_first_token as double) as first_token_ms,
    coalesce(gateway_provider(nullif(lower(provider), 'custom')), case when a.is_anthropic then 'anthropic' end) as provider,
    'metered' as billing_mode,
    coalesce(a.operation, case when contains(request_path, 'embedding') then 'embeddings' end, 'chat') as operation,
    asked_model as request_model,
    answered_model as response_model,
    case when a.service_tier in ('default', 'auto') then 'standard' else a.service_tier end as service_tier,
    q.service_tier as requested_service_tier,
    coalesce(q.stream, case when try_cast(time_to_first_token as double) > 0 then true end) as stream,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    coalesce(
        labels ->> '$.endpoint', labels ->> '$.Endpoint', labels ->> '$.feature', labels ->> '$.Feature', labels ->> '$."Helicone-Session-Path"'
    ) as endpoint,
    coalesce(labels ->> '$.team', labels ->> '$.Team') as team,
    coalesce(labels ->> '$.project', labels ->> '$.Project', labels ->> '$.app', labels ->> '$.App') as project,
    coalesce(labels ->> '$.environment', labels ->> '$.Environment') as environment,
    coalesce(nullif(request_user_id, ''), q.user) as user_id,
    labels ->> '$."Helicone-Session-Id"' as session_id,
    case when json_type(labels) = 'OBJECT' and labels <> '{}' then cast(labels as varchar) end as tags,
    unnest(tokens),
    case when tokens.input_tokens is not null or tokens.output_tokens is not null then 'reported' end as usage_source,
    case
        when code in (-3, 499) then 'cancelled'
        when code < 0 or code >= 400 or a.failed then 'error'
        else 'ok'
    end as status,
    case when code > 0 then code end as http_status,
    case
        when code >= 400 or code < 0
        then coalesce(a.error ->> '$.type', a.error ->> '$.code', concat('Helicone status ', code))
    end as error_type,
    a.finish_reason as finish_reason,
    is_hit as gateway_cache_hit,
    -- Nothing is what a hit and a failure cost; of a success it means that Helicone has no price.
    case
        when try_cast(coalesce(cost, costUSD) as double) > 0 or is_hit or code >= 400
        then
            coalesce(
                try_cast(coalesce(cost, costUSD) as decimal(38, 12)),
                try_cast(try_cast(coalesce(cost, costUSD) as double) as decimal(38, 12))
            )
            -- ClickHouse itself keeps whole billionths of a dollar.
            * case when regexp_full_match(coalesce(cost, costUSD), '\d{4,}') then 0.000000001 else 1 end
    end as reported_cost_usd,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    case when q.messages is not null then q.params_text end as params_text,
    a.output_text as output_text
from judged;
