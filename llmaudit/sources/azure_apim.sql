with
    numbered as (
        select
            *,
            azure_time(coalesce(timegenerated, "timegenerated [utc]")) as started_at,
            coalesce(
                as_count(sequencenumber),
                case when deploymentname is null and modelname is null then 1 else 0 end
            ) as sequence,
            as_count(prompttokens) as prompt,
            as_count(completiontokens) as completion,
            concat_ws('|', record >> 32, correlationid, requestid) as call
        from raw
    ),
    -- Messages too long for one row are cut into pieces.
    gathered as (
        select
            *,
            array_to_string(
                list(coalesce(requestmessages, '')) over (
                    partition by call
                    order by sequence, record
                    rows between unbounded preceding and unbounded following
                ),
                ''
            ) as asked,
            array_to_string(
                list(coalesce(responsemessages, '')) over (
                    partition by call
                    order by sequence, record
                    rows between unbounded preceding and unbounded following
                ),
                ''
            ) as answered
        from numbered
    ),
    calls as (
        select
            *,
            list_transform(
                from_json(
                    case when json_type(try_cast(asked as json)) = 'ARRAY' then try_cast(asked as json) end,
                    '[{"role": "VARCHAR", "content": "VARCHAR"}]'
                ),
                lambda m:concat(m.role, chr(31), m.content)
            ) as messages,
            array_to_string(
                list_transform(
                    from_json(
                        case
                            when json_type(try_cast(answered as json)) = 'ARRAY'
                            then try_cast(answered as json)
                        end,
                        '[{"content": "VARCHAR"}]'
                    ),
                    lambda m:coalesce(plain_text(m.content), '')
                ),
                chr(30)
            ) as output_text
        from gathered
    )
select
    record,
    unread,
    case
        when sequence = 0 and started_at is null
        then
            concat(
                'no readable time in TimeGenerated: ',
                coalesce(timegenerated, "timegenerated [utc]", 'missing')
            )
    end as problem,
    case when sequence > 0 then 'message piece' end as not_call,
    case when regexp_matches(requestid, '^(chatcmpl-|resp_|cmpl-).{8}') then requestid end as provider_id,
    coalesce(requestid, correlationid) as own_id,
    started_at,
    'azure.ai.openai' as provider,
    lower(_subscriptionid) as account_id,
    deploymentname as deployment,
    'metered' as billing_mode,
    case
        when contains(lower(operationname), 'embedding')
        then 'embeddings'
        when contains(lower(operationname), 'response')
        then 'responses'
        else 'chat'
    end as operation,
    coalesce(modelname, deploymentname) as request_model,
    modelname as response_model,
    region,
    try_cast(isstreamcompletion as boolean) as stream,
    correlationid as trace_id,
    case when prompt + coalesce(completion, 0) > 0 then prompt end as input_tokens,
    case when prompt + coalesce(completion, 0) > 0 then coalesce(completion, 0) end as output_tokens,
    case when prompt + coalesce(completion, 0) > 0 then 'reported' end as usage_source,
    'ok' as status,
    messages,
    list_filter(messages, lambda m:starts_with(m, 'system' || chr(31)))[1][8:519] as system_head,
    first_user_of(messages) as first_user,
    nullif(output_text, '') as output_text
from calls
order by record
