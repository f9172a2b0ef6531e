with
    opened as (
        select
            *,
            gemini_chunks(
                json_object(
                    'candidates',
                    candidates,
                    'promptFeedback',
                    coalesce(promptfeedback, prompt_feedback),
                    'usageMetadata',
                    coalesce(usagemetadata, usage_metadata),
                    'modelVersion',
                    coalesce(modelversion, model_version),
                    'responseId',
                    coalesce(responseid, response_id),
                    'createTime',
                    coalesce(createtime, create_time),
                    'error',
                    error
                )
            ) as chunks
        from raw
    ),
    bodies as (
        select
            *,
            read_gemini_response(chunks) as a,
            coalesce(responseid, response_id) as answer_id,
            as_utc(coalesce(createtime, create_time, timestamp)) as made_at
        from opened
    ),
    -- The upper half of a record's number tells files apart that are read as one.
    chunked as (
        select
            *,
            case
                when answer_id is null
                then concat('record ', record)
                else concat_ws(' ', 'answer', record >> 32, answer_id)
            end as call
        from bodies
    ),
    calls as (
        select
            *,
            count(*) over (partition by call) as records,
            count(distinct a.output_text) over (partition by call) as texts,
            min(made_at) over (partition by call) as started_at,
            array_to_string(
                list(coalesce(a.output_text, '')) over (
                    partition by call order by record rows between unbounded preceding and unbounded following
                ),
                ''
            ) as whole_text,
            max(a.finish_reason) over (partition by call) as finish_reason,
            sum(a.tools_called) over (partition by call) as tools_called,
            max(a.model) over (partition by call) as response_model,
            row_number() over (
                partition by call
                order by
                    a.usage.output_tokens desc nulls last, a.usage.input_tokens desc nulls last, record desc
            ) as place
        from chunked
    )
select
    record,
    unread,
    records - 1 as merged,
    case
        when started_at is null
        then 'no time: neither createTime nor timestamp'
        when response_model is null and a.error_type is null
        then 'no model in modelVersion'
    end as problem,
    answer_id as provider_id,
    started_at,
    case
        when createtime is not null or create_time is not null then 'gcp.vertex_ai' else 'gcp.gemini'
    end as provider,
    a.billing_mode as billing_mode,
    'chat' as operation,
    response_model,
    a.service_tier as service_tier,
    case when records > 1 and texts > 1 then true end as stream,
    tools_called,
    unnest(a.usage),
    case when a.usage.input_tokens is not null then 'reported' end as usage_source,
    case when a.error_type is not null then 'error' else 'ok' end as status,
    a.error_code as http_status,
    a.error_type as error_type,
    finish_reason,
    case when texts > 1 then whole_text else a.output_text end as output_text
from calls
where place = 1
order by record
