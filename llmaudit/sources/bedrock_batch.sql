with
    jobs as (
        select
            list(
                {'record':record, 'arn':"jobArn", 'model':"modelId", 'at':as_utc("submitTime")}
                order by record
            ) filter (where "jobArn" is not null and "recordId" is null) as jobs
        from raw
    ),
    lines as (
        select raw.*, list_filter(jobs, lambda j:j.record >> 32 = raw.record >> 32) as of_file from raw, jobs
    ),
    opened as (
        select
            *,
            coalesce(list_filter(of_file, lambda j:j.record < record)[-1], of_file[1]) as job,
            without_cache_points("modelInput") as request,
            open_request("modelInput") as asked,
            open_bedrock_request("modelInput") as asked_bedrock,
            open_response("modelOutput") as answered,
            open_bedrock_answers(["modelOutput"]) as events
        from lines
    ),
    bodies as (
        select
            *,
            read_request(asked, request) as q,
            read_bedrock_request(asked_bedrock) as bq,
            read_response(answered) as a,
            read_bedrock_answer(events) as b
        from opened
    ),
    judged as (
        select
            *,
            coalesce(as_utc("timestamp"), job.at) as started_at,
            coalesce(json_type(error) in ('OBJECT', 'VARCHAR'), false) as is_failure,
            coalesce(a.usage.input_tokens, b.input + coalesce(b.read, 0) + coalesce(b.write, 0)) as all_input,
            coalesce(q.messages, bq.messages) as said,
            "jobArn" is not null and "recordId" is null as is_job
        from bodies
    )
select
    record,
    unread,
    case
        when is_job
        then null
        when json_type("modelOutput") is distinct from 'OBJECT' and not is_failure
        then 'neither modelOutput nor error'
        when started_at is null and not is_failure
        then
            'no time: results of a batch have none. Put the job (aws bedrock get-model-invocation-job) as first line into the file'
        when coalesce(job.model, a.model) is null and not is_failure
        then 'no model: put the job (aws bedrock get-model-invocation-job) as first line into the file'
    end as problem,
    case
        when is_job
        then 'batch job'
        when is_failure and (started_at is null or coalesce(job.model, a.model) is null)
        then 'refused batch record without a time'
    end as not_call,
    a.id as provider_id,
    "recordId" as own_id,
    started_at,
    'aws.bedrock' as provider,
    'metered' as billing_mode,
    case when regexp_matches(job.model, 'embed') then 'embeddings' else 'chat' end as operation,
    case
        when is_opaque_model(job.model) then job.model else regexp_extract(job.model, '([^/]+)$', 1)
    end as request_model,
    case when job.model is null or is_opaque_model(job.model) then a.model end as response_model,
    nullif(regexp_extract(job.arn, '^arn:[^:]*:bedrock:([^:]*):', 1), '') as region,
    nullif(regexp_extract(job.arn, '^arn:[^:]*:bedrock:[^:]*:([^:]*):', 1), '') as account_id,
    'batch' as service_tier,
    false as stream,
    nullif(regexp_extract(job.arn, '([^/]+)$', 1), '') as session_id,
    coalesce(bq.temperature, q.temperature) as temperature,
    coalesce(bq.max_output_tokens, q.max_output_tokens) as max_output_tokens,
    all_input as input_tokens,
    coalesce(a.usage.cache_read_tokens, b.read) as cache_read_tokens,
    coalesce(a.usage.cache_write_tokens, b.write) as cache_write_tokens,
    coalesce(a.usage.cache_write_long_tokens, b.write_long) as cache_write_long_tokens,
    coalesce(a.usage.output_tokens, b.output) as output_tokens,
    case when all_input is not null then 'reported' end as usage_source,
    case when is_failure then 'error' else 'ok' end as status,
    as_count(error ->> '$.errorCode') as http_status,
    coalesce(error ->> '$.errorMessage', error ->> '$.errorCode') as error_type,
    coalesce(b.finish_reason, a.finish_reason) as finish_reason,
    coalesce(q.system_text, bq.system_text) as system_text,
    coalesce(q.system_head, left(bq.system_text, 512)) as system_head,
    said as messages,
    first_user_of(said) as first_user,
    q.tools_text as tools_text,
    case
        when said is not null
        then
            cast(
                json_merge_patch(
                    try_cast(q.params_text as json),
                    json_object('model', coalesce(job.model, a.model)),
                    '{"message": null, "chat_history": null, "preamble": null, "inputText": null, "texts": null, "toolConfig": null}'
                ) as varchar
            )
    end as params_text,
    coalesce(nullif(a.output_text, ''), b.output_text) as output_text
from judged
