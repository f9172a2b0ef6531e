with
    billed as (
        select
            *,
            azure_time(coalesce(date, usagedatetime)) as day,
            as_money(coalesce(costinbillingcurrency, cost, pretaxcost)) as amount,
            coalesce(resourceid, instanceid) as resource,
            lower(coalesce(subscriptionid, subscriptionguid)) as subscription,
            azure_block(unitofmeasure) as block,
            regexp_matches(
                lower(concat_ws('|', metercategory, metersubcategory, product, productname, publishername)),
                'openai|foundry models|azure grok|deepseek|mistral|llama|anthropic|claude|cohere|azure ai model'
            ) as is_model,
            trim(
                regexp_replace(
                    regexp_replace(lower(metername), '[^a-z0-9.]+', ' ', 'g'),
                    '\b1[mk] tokens?$|\btokens?$',
                    ''
                )
            ) as words
        from raw
    ),
    worded as (
        select
            *,
            regexp_matches(words, '\b(inp|inpt|input|in)\b') as says_in,
            regexp_matches(words, '\b(outp|outpt|output|opt|out)\b') as says_out,
            regexp_matches(words, '\b(cached|cchd|cd|cache)\b') as says_cached,
            regexp_matches(words, '\b(cached|cchd|cd|cache) (wr|write|writes)\b') as says_written,
            case
                when regexp_matches(words, '\b(aud|audio)\b')
                then 'audio'
                when regexp_matches(words, '\b(img|image)\b')
                then 'image'
            end as modality,
            regexp_matches(
                words,
                '\b(training|trng|hosting|hosted|hstng|session|storage|grading|provisioned|unit|gb|search)\b'
            )
            or regexp_matches(lower(unitofmeasure), 'hour|gb|day|month|minute|second') as is_other
        from billed
    ),
    classed as (
        select
            *,
            case
                when is_other or block is null
                then null
                when says_written and not says_out
                then 'cache_write'
                when says_in = says_out and not (says_cached and not says_out)
                then null
                when says_cached and not says_out
                then
                    case
                        modality
                        when 'audio'
                        then 'cache_audio_read'
                        when 'image'
                        then 'cache_image_read'
                        else 'cache_read'
                    end
                when says_in
                then
                    case
                        modality when 'audio' then 'input_audio' when 'image' then 'input_image' else 'input'
                    end
                when not says_cached
                then
                    case
                        modality
                        when 'audio'
                        then 'output_audio'
                        when 'image'
                        then 'output_image'
                        else 'output'
                    end
            end as token_class,
            -- Amortized exports spread what a reservation cost over what it covered: accrued, not billed.
            coalesce(chargetype, 'Usage') = 'UnusedReservation'
            or (
                coalesce(chargetype, 'Usage') = 'Usage'
                and (reservationid is not null or lower(pricingmodel) in ('reservation', 'savingsplan'))
            ) as is_covered
        from worded
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    subscription,
                    day,
                    meterid,
                    metername,
                    resource,
                    chargetype,
                    reservationid,
                    pricingmodel,
                    unitprice,
                    tags,
                    additionalinfo,
                    coalesce(invoicesectionname, invoicesection),
                    costcenter
                order by amount desc, record
            ) as twin
        from classed
    )
select
    record,
    unread,
    case
        when not is_model
        then null
        when day is null
        then concat('no readable date, month first: ', coalesce(date, usagedatetime, 'missing'))
        when amount is null
        then concat('no readable cost: ', coalesce(costinbillingcurrency, cost, pretaxcost, 'missing'))
    end as problem,
    case when not is_model then 'another Azure service' end as not_call,
    md5(
        concat_ws(
            '|',
            'azure',
            coalesce(subscription, '-'),
            day,
            coalesce(meterid, '-'),
            coalesce(metername, '-'),
            lower(coalesce(resource, '-')),
            coalesce(chargetype, '-'),
            coalesce(reservationid, '-'),
            coalesce(pricingmodel, '-'),
            coalesce(as_money(unitprice), 0),
            coalesce(tags, '-'),
            coalesce(additionalinfo, '-'),
            coalesce(invoicesectionname, invoicesection, '-'),
            coalesce(costcenter, '-'),
            twin
        )
    ) as charge_id,
    'azure.ai.openai' as provider,
    subscription as account_id,
    nullif(regexp_extract(resource, '([^/]+)$', 1), '') as sub_account_id,
    day as charge_period_start,
    day + interval 1 day as charge_period_end,
    case
        lower(coalesce(chargetype, 'usage'))
        when 'purchase'
        then 'Purchase'
        when 'refund'
        then 'Credit'
        when 'tax'
        then 'Tax'
        when 'roundingadjustment'
        then 'Adjustment'
        else 'Usage'
    end as charge_category,
    coalesce(metername, product, productname) as charge_description,
    meterid as sku_id,
    nullif(coalesce(resourcelocation, meterregion), '') as region,
    case
        when regexp_matches(words, '\b(batch|btch)\b')
        then 'batch'
        when token_class is null
        then null
        when regexp_matches(words, '\b(pp|priority)\b')
        then 'priority'
        when regexp_matches(words, '\b(fl|flex)\b')
        then 'flex'
        when regexp_matches(words, '\bstd\b')
        then 'standard'
    end as service_tier,
    case
        when token_class is not null
        then
            nullif(
                replace(
                    trim(
                        regexp_extract(
                            words,
                            '^(.*?)\s*\b(inp|inpt|input|in|outp|outpt|output|opt|out|cached|cchd|cd|cache|batch|btch|aud|audio|img|image|txt|text|pp|priority|fl|flex|std|glbl|gl|global|regnl|rgnl|regional|dz|dzone|data zone|shortco|longco|shco|loco)\b',
                            1
                        )
                    ),
                    ' ',
                    '-'
                ),
                ''
            )
    end as model,
    token_class,
    as_money(coalesce(quantity, usagequantity)) * block as quantity,
    case
        when token_class is not null
        then 'tokens'
        when block is null
        then unitofmeasure
        else nullif(lower(trim(regexp_replace(unitofmeasure, '^\s*[\d,.]+\s*([KMBkmb]\b)?[\s/]*', ''))), '')
    end as quantity_unit,
    as_money(paygcostinbillingcurrency) as list_cost,
    case
        when lower(chargetype) = 'purchase' and reservationid is not null
        then 0
        when not is_covered or amount <> 0
        then amount
    end as effective_cost,
    case when is_covered then 0 else amount end as billed_cost,
    upper(coalesce(billingcurrency, billingcurrencycode, currency)) as billing_currency
from twins
order by record
