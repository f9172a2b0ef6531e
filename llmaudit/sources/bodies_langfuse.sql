-- Sum of the buckets whose names match; null if none does.
create or replace macro bucket_sum(buckets, pattern) as
    list_sum(
        list_transform(
            list_filter(buckets, lambda b : regexp_matches(b.key, pattern)),
            lambda b : as_count(b.value)
        )
    );

-- Langfuse keeps disjoint buckets: `input` is what the cache left, `output` what the reasoning left. A write
-- may be told as a whole and by lifetime. Where the total says that reasoning lies inside the output, it does.
create or replace macro langfuse_usage(u) as
    list_transform(
        list_transform(
            [
                list_filter(
                    map_entries(try_cast(case when json_type(u) = 'OBJECT' then u end as map(varchar, varchar))),
                    lambda b : not regexp_matches(b.key, '^total') and as_count(b.value) is not null
                )
            ],
            lambda bs : {
                'fresh': bucket_sum(list_filter(bs, lambda b : not regexp_matches(b.key, 'cache|output|completion')), '^input|_input|^prompt'),
                'read': bucket_sum(list_filter(bs, lambda b : not regexp_matches(b.key, 'creat|write|output')), 'cached?_|cache_?read|cached'),
                'write': greatest(
                    bucket_sum(list_filter(bs, lambda b : not regexp_matches(b.key, '5m|1h')), 'cache.*(creat|write)'),
                    bucket_sum(bs, 'cache.*(creat|write).*(5m|1h)')
                ),
                'write_long': bucket_sum(bs, 'cache.*(creat|write).*1h'),
                'made': bucket_sum(list_filter(bs, lambda b : not regexp_matches(b.key, 'reasoning|thought')), '^output|^completion'),
                'reasoning': bucket_sum(bs, 'reasoning|thought'),
                'audio_in': bucket_sum(bs, '^input_audio|^prompt_audio'),
                'audio_out': bucket_sum(bs, '^output_audio|^completion_audio'),
                'image_in': bucket_sum(bs, '^input_image'),
                'total': as_count(u ->> '$.total')
            }
        ),
        lambda n : {
            'input_tokens': case
                when coalesce(n.fresh, n.read, n.write) is not null
                then coalesce(n.fresh, 0) + coalesce(n.read, 0) + coalesce(n.write, 0)
            end,
            'cache_read_tokens': n.read,
            'cache_write_tokens': n.write,
            'cache_write_long_tokens': n.write_long,
            'output_tokens': case
                when coalesce(n.made, n.reasoning) is null
                then null
                when n.reasoning <= n.made and n.total = coalesce(n.fresh, 0) + coalesce(n.read, 0) + coalesce(n.write, 0) + n.made
                then n.made
                else coalesce(n.made, 0) + coalesce(n.reasoning, 0)
            end,
            'reasoning_tokens': n.reasoning,
            'input_audio_tokens': n.audio_in,
            'output_audio_tokens': n.audio_out,
            'input_image_tokens': n.image_in
        }
    )[1];

-- A text, messages or a body of a provider, kept as JSON or as text, as a request that `read_request` reads.
create or replace macro request_of(given, parameters, model) as
    case
        when json_type(unwrapped(given)) = 'OBJECT' and coalesce(json_type(unwrapped(given), '$.messages'), json_type(unwrapped(given), '$.input'), json_type(unwrapped(given), '$.prompt')) is not null
        then json_merge_patch(json_merge_patch(object_or_empty(parameters), unwrapped(given)), json_object('model', model))
        when json_type(unwrapped(given)) = 'ARRAY' and json_type(unwrapped(given), '$[0]') = 'OBJECT'
        then json_merge_patch(object_or_empty(parameters), json_object('model', model, 'messages', unwrapped(given)))
        when json_type(given) = 'VARCHAR' and given ->> '$' <> ''
        then json_merge_patch(object_or_empty(parameters), json_object('model', model, 'prompt', coalesce(unwrapped(given) ->> '$', try_cast(given ->> '$' as json) ->> '$', given ->> '$')))
        else json_merge_patch(object_or_empty(parameters), json_object('model', model))
    end;

create or replace macro answer_of(made) as
    case
        when json_type(unwrapped(made)) = 'OBJECT' and json_type(unwrapped(made), '$.role') is not null and json_type(unwrapped(made), '$.type') is null
        then json_object('choices', json_array(json_object('message', unwrapped(made))))
        when json_type(unwrapped(made)) = 'OBJECT'
        then unwrapped(made)
        when json_type(unwrapped(made)) = 'VARCHAR'
        then unwrapped(made)
        when json_type(made) = 'VARCHAR'
        then made
    end;

create or replace macro langfuse_rows(rows) as table
with
    opened as (
        select
            record,
            document,
            unread,
            coalesce(json_type(data) = 'ARRAY', false) as is_empty_page,
            nullif(r.id, '') as id,
            upper(r.type) as kind,
            r.level as level,
            r.name as name,
            r.environment as environment,
            coalesce(r.traceId, r.trace_id) as trace_id,
            coalesce(r.projectId, r.project_id) as project_id,
            coalesce(r.parentObservationId, r.parent_observation_id) as parent_id,
            coalesce(r.startTime, r.start_time) as start_text,
            as_utc_anyway(coalesce(r.startTime, r.start_time)) as started_at,
            as_utc_anyway(coalesce(r.endTime, r.end_time)) as ended_at,
            as_utc_anyway(coalesce(r.completionStartTime, r.completion_start_time)) as began_at,
            try_cast(r.timeToFirstToken as double) as first_token_seconds,
            coalesce(nullif(r.statusMessage, ''), nullif(r.status_message, '')) as status_message,
            coalesce(nullif(r.model, ''), nullif(r.providedModelName, ''), nullif(r.provided_model_name, '')) as model,
            unwrapped(coalesce(r.modelParameters, r.model_parameters)) as parameters,
            unwrapped(coalesce(r.usageDetails, r.usage_details)) as details,
            json_object(
                'input', coalesce(r.inputUsage, r.promptTokens, unwrapped(r.usage) ->> '$.input'),
                'output', coalesce(r.outputUsage, r.completionTokens, unwrapped(r.usage) ->> '$.output')
            ) as sums,
            coalesce(
                r.totalCost, r.total_cost, unwrapped(coalesce(r.costDetails, r.cost_details)) ->> '$.total', r.calculatedTotalCost
            ) as cost,
            coalesce(nullif(r.userId, ''), nullif(r.user_id, '')) as user_id,
            coalesce(nullif(r.sessionId, ''), nullif(r.session_id, '')) as session_id,
            coalesce(nullif(r.traceName, ''), nullif(r.trace_name, '')) as trace_name,
            unwrapped(coalesce(r.traceTags, r.tags)) as tagged,
            unwrapped(r.metadata) as metadata,
            r.input as input,
            r.output as output
        from query_table(rows) as r
    ),
    parsed as (
        select
            *,
            request_of(input, parameters, model) as request,
            open_request(request) as asked,
            open_response(answer_of(output)) as answered,
            case when json_type(details) = 'OBJECT' and details <> '{}' then details else sums end as buckets,
            list_transform(
                case when json_type(tagged) = 'ARRAY' then json_extract_string(tagged, '$[*]') end, lambda t : cast(t as varchar)
            ) as labels,
            object_or_empty(metadata) as more,
            unwrapped(metadata -> '$.resourceAttributes') as resource
        from opened
    ),
    bodies as (
        select *, read_request(asked, request) as q, read_response(answered) as a, langfuse_usage(buckets) as counted
        from parsed
    )
select
    record,
    document,
    unread,
    case
        when is_empty_page
        then null
        when unread
        then 'nothing of it is an observation'
        when kind not in ('GENERATION', 'EMBEDDING')
        then null
        when started_at is null
        then concat('no readable start time: ', coalesce(start_text, 'missing'))
        when model is null and counted.input_tokens is null and counted.output_tokens is null and cost is null
        then 'neither model nor usage'
    end as problem,
    case
        when is_empty_page
        then 'empty page'
        when kind not in ('GENERATION', 'EMBEDDING')
        then concat('Langfuse ', lower(kind))
    end as not_call,
    case when id is not null then concat_ws('|', 'langfuse', project_id, id) end as provider_id,
    id as own_id,
    id as span_id,
    nullif(parent_id, '') as parent_id,
    started_at,
    date_diff('microsecond', started_at, ended_at) / 1000.0 as duration_ms,
    coalesce(date_diff('microsecond', started_at, began_at) / 1000.0, first_token_seconds * 1000) as first_token_ms,
    'metered' as billing_mode,
    case when kind = 'EMBEDDING' then 'embeddings' else 'chat' end as operation,
    model as request_model,
    q.service_tier as requested_service_tier,
    q.temperature as temperature,
    q.max_output_tokens as max_output_tokens,
    q.tools_offered as tools_offered,
    a.tools_called as tools_called,
    q.response_format as response_format,
    -- Names that a library gives to every call say nothing.
    coalesce(
        trim(more ->> '$.endpoint', '"'),
        trace_name,
        case
            when not regexp_matches(name, '(?i)^(openai-?generation|openai-?embedding|chat.*openai|chat.*anthropic|openai|anthropic|litellm.*|generation|.*completion)$')
            then nullif(name, '')
        end
    ) as endpoint,
    coalesce(trim(more ->> '$.team', '"'), list_filter(labels, lambda t : starts_with(t, 'team:'))[1][6:]) as team,
    coalesce(resource ->> '$."service.name"', project_id) as project,
    nullif(environment, '') as environment,
    user_id,
    session_id,
    nullif(trace_id, '') as trace_id,
    case when len(labels) > 0 then cast(json_object('tags', labels) as varchar) end as tags,
    unnest(counted),
    case when counted.input_tokens is not null or counted.output_tokens is not null then 'reported' end as usage_source,
    case when level = 'ERROR' then 'error' else 'ok' end as status,
    case when level = 'ERROR' then as_count(regexp_extract(status_message, '\b([45]\d\d)\b', 1)) end as http_status,
    case when level = 'ERROR' then coalesce(left(split_part(status_message, ':', 1), 80), 'ERROR') end as error_type,
    a.finish_reason as finish_reason,
    coalesce(try_cast(cost as decimal(38, 12)), try_cast(try_cast(cost as double) as decimal(38, 12))) as reported_cost_usd,
    q.system_text as system_text,
    q.messages as messages,
    q.tools_text as tools_text,
    case when q.messages is not null then q.params_text end as params_text,
    a.output_text as output_text
from bodies;
