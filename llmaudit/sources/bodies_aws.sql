-- Words of AWS's bills: usage types, units and principals. A query over `raw` that two sources share takes
-- its name as an argument.
create or replace macro aws_principal(arn) as nullif(regexp_extract(arn, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:(.*)$', 1), '');

create or replace macro aws_key_of(principal) as
    nullif(
        case
            when starts_with(principal, 'assumed-role/')
            then regexp_extract(principal, '^assumed-role/([^/]+)', 1)
            else regexp_extract(principal, '([^/]+)$', 1)
        end,
        ''
    );

-- Names that software made up say nothing of who it was.
create or replace macro aws_user_of(principal) as
    case
        when regexp_matches(principal, '^assumed-role/[^/]+/(botocore-session-|aws-sdk-|aws-go-sdk-|i-[0-9a-f]+$|\d+$|[0-9a-f]{32}$)')
        then null
        when starts_with(principal, 'assumed-role/')
        then nullif(regexp_extract(principal, '^assumed-role/[^/]+/(.+)$', 1), '')
        when starts_with(principal, 'user/') and not contains(principal, 'BedrockAPIKey')
        then regexp_extract(principal, '([^/]+)$', 1)
    end;

-- The name of the input class is a part of the names of the cache's classes: those come first.
create or replace macro aws_token_class(usage_type) as
    case
        when regexp_matches(lower(usage_type), 'provisioned|reserved|modelunits|guardrail|storage|customiz|training|per-minute|search')
        then null
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), 'cachewrite((input)?tokens?(count)?)?1h')
        then 'cache_write_long'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), 'cachewrite')
        then 'cache_write'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), 'cacheread')
        then 'cache_read'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), '(speech|audio)inputtoken')
        then 'input_audio'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), '(speech|audio)outputtoken')
        then 'output_audio'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), '(image|video)(in|out)puttoken')
        then null
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), 'inputtoken')
        then 'input'
        when regexp_matches(regexp_replace(lower(usage_type), '[^a-z0-9]', '', 'g'), 'outputtoken')
        then 'output'
    end;

create or replace macro aws_tier(usage_type) as
    case
        when regexp_matches(lower(usage_type), '[-_]batch\b|[-_]batch[-_]')
        then 'batch'
        when regexp_matches(lower(usage_type), '[-_]flex\b|[-_]flex[-_]')
        then 'flex'
        when regexp_matches(lower(usage_type), '[-_]priority\b|[-_]priority[-_]')
        then 'priority'
        when regexp_matches(lower(usage_type), 'latency-?_?optimized')
        then 'latency_optimized'
        when regexp_matches(lower(usage_type), '[-_]standard\b|[-_]standard[-_]')
        then 'standard'
    end;

-- A model as the line words it: its id (mantle), its name in CamelCase, or the product of the Marketplace.
create or replace macro aws_model(usage_type, service) as
    case
        when contains(usage_type, 'MP:')
        then nullif(trim(regexp_extract(service, '(?i)^(?:.*\|)?(.*?)\s*\(Amazon Bedrock Edition\)', 1)), '')
        else
            nullif(
                regexp_extract(
                    usage_type,
                    '^(?:[A-Z]{2,4}\d?-)?(.+?)-(?:mantle|reserved|input|output|cache|text-input|speech|audio|image|video|batch)\b',
                    1
                ),
                ''
            )
    end;

create or replace macro aws_region(usage_type) as
    case regexp_extract(usage_type, '^([A-Z]{2,4}\d?)-', 1)
        when 'USE1' then 'us-east-1'
        when 'USE2' then 'us-east-2'
        when 'USW1' then 'us-west-1'
        when 'USW2' then 'us-west-2'
        when 'CAN1' then 'ca-central-1'
        when 'EU' then 'eu-west-1'
        when 'EUW1' then 'eu-west-1'
        when 'EUW2' then 'eu-west-2'
        when 'EUW3' then 'eu-west-3'
        when 'EUC1' then 'eu-central-1'
        when 'EUN1' then 'eu-north-1'
        when 'APN1' then 'ap-northeast-1'
        when 'APN2' then 'ap-northeast-2'
        when 'APS1' then 'ap-southeast-1'
        when 'APS2' then 'ap-southeast-2'
        when 'APS3' then 'ap-south-1'
        when 'SAE1' then 'sa-east-1'
    end;

create or replace macro aws_charges(rows) as table
with
    named as (
        select
            record,
            unread,
            coalesce(bill_payer_account_id, "bill/payeraccountid") as payer,
            coalesce(line_item_usage_account_id, "lineitem/usageaccountid") as account,
            coalesce(line_item_usage_start_date, "lineitem/usagestartdate") as start_text,
            coalesce(line_item_usage_end_date, "lineitem/usageenddate") as end_text,
            coalesce(line_item_line_item_type, "lineitem/lineitemtype", 'Usage') as line_type,
            coalesce(line_item_product_code, "lineitem/productcode") as product_code,
            coalesce(line_item_usage_type, "lineitem/usagetype") as usage_type,
            coalesce(line_item_operation, "lineitem/operation") as operation,
            coalesce(line_item_resource_id, "lineitem/resourceid") as resource,
            coalesce(line_item_usage_amount, "lineitem/usageamount") as amount_used,
            coalesce(line_item_unblended_cost, "lineitem/unblendedcost") as cost_text,
            coalesce(line_item_currency_code, "lineitem/currencycode") as currency,
            coalesce(line_item_line_item_description, "lineitem/lineitemdescription") as description,
            coalesce(line_item_tax_type, "lineitem/taxtype") as tax_type,
            coalesce(pricing_unit, "pricing/unit") as unit,
            coalesce(pricing_public_on_demand_cost, "pricing/publicondemandcost") as list_text,
            coalesce(
                product_servicename, "product/servicename", product_product_name, "product/productname",
                try_cast(product as json) ->> '$.servicename', try_cast(product as json) ->> '$.product_name', try_cast(product as json) ->> '$.product_product_name'
            ) as service,
            coalesce(product_servicecode, "product/servicecode", try_cast(product as json) ->> '$.servicecode') as service_code,
            coalesce(
                product_region_code, product_region, "product/region", try_cast(product as json) ->> '$.region_code', try_cast(product as json) ->> '$.region'
            ) as region,
            try_cast(product as json) ->> '$.model' as product_model,
            line_item_iam_principal as arn,
            aws_principal(line_item_iam_principal) as principal,
            coalesce(resource_tags, tags) as labels
        from query_table(rows)
    ),
    billed as (
        select
            *,
            as_utc(case when contains(start_text, ':') then concat(regexp_replace(start_text, '(Z|\+00:?00)$', ''), 'Z') else start_text end) as start_at,
            as_utc(case when contains(end_text, ':') then concat(regexp_replace(end_text, '(Z|\+00:?00)$', ''), 'Z') else end_text end) as end_at,
            as_money(cost_text) as amount,
            aws_token_class(usage_type) as token_class,
            line_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') as is_usage,
            -- A product of the Marketplace has a code of its own: its name or its line says Bedrock, or its usage type that tokens were used.
            regexp_matches(lower(concat_ws('|', product_code, service_code, service, product_model, description)), 'bedrock')
            or (contains(usage_type, 'MP:') and aws_token_class(usage_type) is not null) as is_model
        from named
    ),
    measured as (
        select
            *,
            case
                when regexp_matches(unit, '^\s*\d')
                then azure_block(unit)
                when regexp_matches(lower(unit), '^tokens?$')
                then 1
                when token_class is null
                then 1
                when contains(usage_type, 'MP:') and (unit is null or lower(unit) = 'units')
                then 1000000
                when unit is null
                then 1000
            end as block
        from billed
    ),
    twins as (
        select
            *,
            row_number() over (
                partition by
                    is_model,
                    payer,
                    account,
                    start_text,
                    end_text,
                    line_type,
                    product_code,
                    usage_type,
                    operation,
                    resource,
                    description,
                    tax_type,
                    unit,
                    arn,
                    labels,
                    currency
                order by amount desc, record
            ) as twin
        from measured
    )
select
    record,
    unread,
    case
        when not is_model
        then null
        when start_at is null
        then concat('no readable usage start: ', coalesce(start_text, 'missing'))
        when amount is null
        then concat('no readable unblended cost: ', coalesce(cost_text, 'missing'))
    end as problem,
    case when not is_model then 'another AWS service' end as not_call,
    md5(
        concat_ws(
            '|',
            'aws',
            coalesce(payer, '-'),
            coalesce(account, '-'),
            start_at,
            coalesce(end_at, start_at),
            line_type,
            coalesce(product_code, '-'),
            coalesce(usage_type, '-'),
            coalesce(operation, '-'),
            coalesce(resource, '-'),
            coalesce(description, '-'),
            coalesce(tax_type, '-'),
            coalesce(unit, '-'),
            coalesce(arn, '-'),
            coalesce(labels, '-'),
            coalesce(currency, '-'),
            twin
        )
    ) as charge_id,
    'aws.bedrock' as provider,
    coalesce(account, payer) as account_id,
    nullif(regexp_extract(resource, '([^/]+)$', 1), '') as sub_account_id,
    start_at as charge_period_start,
    end_at as charge_period_end,
    case
        when is_usage
        then 'Usage'
        when line_type in ('Credit', 'Refund')
        then 'Credit'
        when line_type = 'Tax'
        then 'Tax'
        when regexp_matches(line_type, 'Fee$')
        then 'Purchase'
        else 'Adjustment'
    end as charge_category,
    coalesce(description, usage_type) as charge_description,
    usage_type as sku_id,
    coalesce(nullif(region, ''), aws_region(usage_type)) as region,
    aws_tier(usage_type) as service_tier,
    case when is_usage then coalesce(nullif(product_model, ''), aws_model(usage_type, service), aws_model(usage_type, description)) end as model,
    case when is_usage then token_class end as token_class,
    case when is_usage then as_money(amount_used) * block end as quantity,
    case
        when not is_usage
        then null
        when token_class is not null
        then 'tokens'
        else nullif(lower(trim(regexp_replace(unit, '^\s*[\d,.]+\s*([KMB]\b)?[\s/]*', ''))), '')
    end as quantity_unit,
    aws_key_of(principal) as api_key_id,
    aws_user_of(principal) as user_id,
    as_money(list_text) as list_cost,
    case
        when not regexp_matches(line_type, '^(SavingsPlan|DiscountedUsage|RIFee|Fee$)') then amount
    end as effective_cost,
    amount as billed_cost,
    upper(currency) as billing_currency
from twins
order by record;
