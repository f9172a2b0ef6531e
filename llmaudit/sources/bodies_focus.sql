-- Words of FOCUS bills. A query over `raw` that two sources share takes its name as an argument.
create or replace macro focus_cell(x) as case when lower(trim(x)) in ('', 'null') then null else trim(x) end;

-- ISO times, with or without seconds and zone; or days with slashes, whose order the row's billing period
-- tells: it starts and ends on the first of a month.
create or replace macro focus_time(x, period_start, period_end) as
    case
        when not contains(x, '/')
        then
            as_utc(
                concat(
                    replace(regexp_replace(regexp_replace(x, '(Z| ?UTC|\+00:?00)$', ''), '([T ]\d\d:\d\d)$', '\1:00'), 'T', ' '),
                    case when contains(x, ':') then '+00' else '' end
                )
            )
        when regexp_matches(period_start, '^\d+/0?1/') and regexp_matches(period_end, '^\d+/0?1/')
        then coalesce(try_strptime(regexp_replace(x, '/(\d\d)(\s|$)', '/20\1\2'), '%m/%d/%Y'), try_strptime(x, '%m/%d/%Y %H:%M:%S'))
        when regexp_matches(period_start, '^0?1/') and regexp_matches(period_end, '^0?1/')
        then coalesce(try_strptime(regexp_replace(x, '/(\d\d)(\s|$)', '/20\1\2'), '%d/%m/%Y'), try_strptime(x, '%d/%m/%Y %H:%M:%S'))
    end;

create or replace macro focus_provider(x) as
    case
        when regexp_matches(lower(x), '\b(aws|amazon)\b')
        then 'aws.bedrock'
        when regexp_matches(lower(x), '\b(microsoft|azure)\b')
        then 'azure.ai.openai'
        when regexp_matches(lower(x), '\bgoogle\b')
        then 'gcp.vertex_ai'
        when regexp_matches(lower(x), '\bopenai\b')
        then 'openai'
        when regexp_matches(lower(x), '\banthropic\b')
        then 'anthropic'
        else lower(x)
    end;

create or replace macro focus_words(x) as trim(regexp_replace(lower(x), '[^a-z0-9.]+', ' ', 'g'));

-- The classes of the cache come first: their names hold that of the input.
create or replace macro focus_token_class(words) as
    case
        when regexp_matches(words, '\b(cache|cached|caching)\b.*\bstorage\b')
        then 'cache_storage'
        when regexp_matches(words, '\b(training|hosting|storage|provisioned|reserved|grading|session)\b')
        then null
        when regexp_matches(words, '\b(cache|cached|cchd|cd) (input )?(tokens? )?(write|writes|creation|wr)\b.*\b(1h|1 hour|12h|12 hours?)\b')
        then 'cache_write_long'
        when regexp_matches(words, '\b(cache|cached|cchd|cd) (input )?(tokens? )?(write|writes|creation|wr)\b')
        then 'cache_write'
        when regexp_matches(words, '\b(cache|cached|cchd|caching)\b')
        then
            case
                when regexp_matches(words, '\b(audio|aud)\b')
                then 'cache_audio_read'
                when regexp_matches(words, '\b(image|img)\b')
                then 'cache_image_read'
                else 'cache_read'
            end
        when regexp_matches(words, '\b(input|inp|inpt|prompt)\b') and not regexp_matches(words, '\b(output|outp|outpt|opt|completion)\b')
        then
            case
                when regexp_matches(words, '\b(audio|aud)\b')
                then 'input_audio'
                when regexp_matches(words, '\b(image|img)\b')
                then 'input_image'
                else 'input'
            end
        when regexp_matches(words, '\b(output|outp|outpt|opt|completion)\b') and not regexp_matches(words, '\b(input|inp|inpt)\b')
        then
            case
                when regexp_matches(words, '\b(audio|aud)\b')
                then 'output_audio'
                when regexp_matches(words, '\b(image|img)\b')
                then 'output_image'
                else 'output'
            end
    end;

create or replace macro focus_charges(rows) as table
with
    cells as (
        select
            record,
            unread,
            focus_cell(billedcost) as billed_text,
            focus_cell(billingaccountid) as account,
            focus_cell(subaccountid) as sub_account,
            focus_cell(billingcurrency) as currency,
            focus_cell(billingperiodstart) as period_start,
            focus_cell(billingperiodend) as period_end,
            coalesce(focus_cell(chargecategory), 'Usage') as category,
            focus_cell(chargeclass) as class,
            focus_cell(chargedescription) as description,
            focus_cell(chargeperiodstart) as start_text,
            focus_cell(chargeperiodend) as end_text,
            focus_cell(consumedquantity) as consumed,
            focus_cell(consumedunit) as consumed_unit,
            focus_cell(pricingquantity) as priced,
            focus_cell(pricingunit) as priced_unit,
            focus_cell(pricingcurrency) as pricing_currency,
            as_money(focus_cell(contractedcost)) as contracted,
            as_money(focus_cell(effectivecost)) as effective,
            as_money(focus_cell(listcost)) as list_cost,
            coalesce(focus_cell(serviceprovidername), focus_cell(providername), focus_cell(publishername), focus_cell(invoiceissuername)) as seller,
            focus_cell(servicecategory) as service_category,
            focus_cell(servicename) as service,
            focus_cell(servicesubcategory) as subcategory,
            focus_cell(skuid) as sku,
            focus_cell(skumeter) as meter,
            focus_cell(regionid) as region,
            focus_cell(x_model) as own_model,
            focus_cell(x_tokentype) as own_class,
            focus_cell(x_usagetype) as usage_type,
            focus_cell(x_provider) as own_provider,
            focus_cell(x_servicetier) as own_tier,
            concat_ws(
                '|',
                focus_cell(skupriceid),
                focus_cell(resourceid),
                focus_cell(allocatedresourceid),
                focus_cell(commitmentdiscountid),
                focus_cell(commitmentdiscountstatus),
                focus_cell(invoiceissuername),
                focus_cell(pricingcategory),
                focus_cell(x_operation),
                tags
            ) as further,
            coalesce(focus_cell(skumeter), focus_cell(x_skumetername), focus_cell(x_skudescription)) as meter_text,
            concat_ws(' ', focus_cell(x_skumetername), focus_cell(x_skumetersubcategory), focus_cell(x_skudescription)) as own_words
        from query_table(rows)
    ),
    worded as (
        select
            *,
            as_money(billed_text) as billed,
            focus_time(start_text, period_start, period_end) as start_at,
            focus_time(end_text, period_start, period_end) as end_at,
            lower(concat_ws(' ', service, subcategory, meter, description, own_words, usage_type, own_model)) as all_words,
            category in ('Usage', 'Purchase') as is_trade,
            -- Prices in credits of the vendor's own: there a token is a credit.
            pricing_currency is not null and not regexp_full_match(pricing_currency, '[A-Z]{3}') as is_virtual
        from cells
    ),
    measured as (
        select
            *,
            regexp_matches(all_words, 'bedrock|openai|foundry|gemini|generative|claude|anthropic|\bllm|\bgpt|mistral|cohere|deepseek|\bgrok')
            or service_category is null
            or (
                lower(service_category) = 'ai and machine learning'
                and not regexp_matches(lower(service), 'sagemaker|rekognition|textract|comprehend|polly|transcribe|\blex\b|translat|speech|vision|document|face|personalize|forecast|search|kendra|machine learning')
            ) as is_ai,
            case
                when category <> 'Usage'
                then null
                when is_virtual or regexp_matches(lower(concat_ws(' ', consumed_unit, priced_unit)), '\btoken.?hours?\b')
                then null
                when regexp_matches(lower(consumed_unit), '\btokens?\b')
                then as_money(consumed) * coalesce(azure_block(consumed_unit), 1)
                when regexp_matches(lower(priced_unit), '\btokens?\b')
                then as_money(priced) * coalesce(azure_block(priced_unit), 1)
            end as tokens,
            lower(trim(regexp_replace(consumed_unit, '^\s*[\d,.]+\s*([KMBkmb]\b)?[\s/]*', ''))) as other_unit
        from worded
    ),
    classed as (
        select
            *,
            -- Taxes and credits of a bill that has nothing else are a part of it.
            coalesce(bool_and(is_ai) filter (where is_trade) over (), false) as only_ai,
            coalesce(
                case
                    when regexp_matches(lower(own_class), '^(input|output|cache_read|cache_write|cache_write_long|cache_storage|input_audio|output_audio)$') then lower(own_class)
                end,
                aws_token_class(usage_type),
                focus_token_class(focus_words(meter_text)),
                focus_token_class(focus_words(description))
            ) as said_class
        from measured
    ),
    twins as (
        select
            *,
            is_ai and is_trade or is_ai and service_category is not null or (not is_trade and only_ai) as is_ours,
            row_number() over (
                partition by
                    account,
                    sub_account,
                    period_start,
                    start_text,
                    end_text,
                    category,
                    class,
                    description,
                    seller,
                    service,
                    sku,
                    meter,
                    region,
                    consumed_unit,
                    priced_unit,
                    own_model,
                    own_class,
                    usage_type,
                    further,
                    currency
                order by billed desc, effective desc, record
            ) as twin
        from classed
    )
select
    record,
    unread,
    case
        when not is_ours
        then null
        when start_at is null
        then concat('no readable ChargePeriodStart, or its day and month cannot be told apart: ', coalesce(start_text, 'missing'))
        when billed is null
        then concat('no readable BilledCost: ', coalesce(billed_text, 'missing'))
    end as problem,
    case
        when is_ours
        then null
        when is_trade
        then 'another service'
        else concat('FOCUS ', lower(category), ' that names no model service')
    end as not_call,
    md5(
        concat_ws(
            '|',
            'focus',
            coalesce(account, '-'),
            coalesce(sub_account, '-'),
            coalesce(period_start, '-'),
            start_at,
            coalesce(end_at, start_at),
            category,
            coalesce(class, '-'),
            coalesce(description, '-'),
            coalesce(seller, '-'),
            coalesce(service, '-'),
            coalesce(sku, '-'),
            coalesce(meter, '-'),
            coalesce(region, '-'),
            coalesce(consumed_unit, '-'),
            coalesce(priced_unit, '-'),
            coalesce(own_model, '-'),
            coalesce(own_class, '-'),
            coalesce(usage_type, '-'),
            further,
            coalesce(currency, '-'),
            twin
        )
    ) as charge_id,
    coalesce(own_provider, focus_provider(seller)) as provider,
    account as account_id,
    sub_account as sub_account_id,
    start_at as charge_period_start,
    end_at as charge_period_end,
    category as charge_category,
    coalesce(description, meter) as charge_description,
    sku as sku_id,
    region,
    case
        when category <> 'Usage'
        then null
        when own_tier is not null
        then own_tier
        when regexp_matches(all_words, '\b(batch|btch)\b')
        then 'batch'
        when regexp_matches(all_words, '\bflex\b')
        then 'flex'
        when regexp_matches(all_words, '\bpriority\b')
        then 'priority'
    end as service_tier,
    case
        when category in ('Usage', 'Purchase')
        then
            coalesce(
                own_model,
                aws_model(usage_type, service),
                case
                    when tokens is not null or said_class = 'cache_storage'
                    then
                        coalesce(
                            nullif(regexp_extract(meter_text, '(?i)^(.*?)[\s,:_-]+(?:cached?|caching|cchd|input|inp|inpt|output|outp|outpt|prompt|completion|batch)\b', 1), ''),
                            nullif(regexp_extract(description, '(?i)^(.*?)[\s,:_-]+(?:cached?|caching|cchd|input|inp|inpt|output|outp|outpt|prompt|completion|batch)\b', 1), '')
                        )
                end
            )
    end as model,
    case when tokens is not null or (category = 'Usage' and said_class = 'cache_storage') then said_class end as token_class,
    coalesce(
        tokens,
        case
            when category = 'Usage' and other_unit not in ('', 'units', 'unit', 'token', 'tokens') then as_money(consumed) * coalesce(azure_block(consumed_unit), 1)
        end
    ) as quantity,
    case
        when tokens is not null
        then 'tokens'
        when category = 'Usage' and other_unit not in ('', 'units', 'unit', 'token', 'tokens')
        then other_unit
    end as quantity_unit,
    list_cost,
    contracted as contracted_cost,
    effective as effective_cost,
    billed as billed_cost,
    upper(currency) as billing_currency
from twins
order by record;
