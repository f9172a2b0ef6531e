-- Google's SKUs in the words of its price list: class of token, tier and model. What the words do not settle
-- is null.
create or replace macro google_sku_modality(words) as
    nullif(
        coalesce(
            nullif(regexp_extract(words, '\b(?:input|output) (text|audio|image|video)\b', 1), ''),
            nullif(regexp_extract(words, '\b(text|audio|image|video) (?:input|output)\b', 1), ''),
            nullif(regexp_extract(words, '\b(text|audio|image|video)(?: batch| flex| priority| caching)*$', 1), '')
        ),
        'text'
    );

create or replace macro google_sku_class(words) as
    case
        when contains(words, 'storage')
        then 'cache_storage'
        when contains(words, 'grounding with google search') or contains(words, 'web grounding')
        then 'web_searches'
        when regexp_matches(words, '\bcharacter|\btraining\b|\btuning\b|\bprovisioned\b')
        or regexp_matches(words, '\binput\b') = regexp_matches(words, '\boutput\b')
        then null
        when regexp_matches(words, '\b(cached|caching|cache)\b') and regexp_matches(words, '\binput\b')
        then concat_ws('_', 'cache', google_sku_modality(words), 'read')
        else concat_ws('_', regexp_extract(words, '\b(input|output)\b', 1), google_sku_modality(words))
    end;

create or replace macro google_sku_tier(words) as
    nullif(regexp_extract(words, '\b(batch|flex|priority)\b', 1), '');

create or replace macro google_sku_name(words) as
    replace(
        coalesce(
            nullif(
                regexp_extract(
                    words,
                    '\b(gemini[ -]embedding[ -]\d+|gemini[ -]\d+(?:\.\d+)?(?:[ -](?:pro|flash[ -]lite|flash|nano|ultra))?(?:[ -](?:live|tts|native[ -]audio|computer[ -]use|preview))*)\b',
                    1
                ),
                ''
            ),
            nullif(
                regexp_extract(
                    words,
                    '\b(claude[ -](?:\d+(?:\.\d+)?[ -])?(?:opus|sonnet|haiku)(?:[ -]\d+(?:\.\d+)?)?)\b',
                    1
                ),
                ''
            )
        ),
        ' ',
        '-'
    );

create or replace macro google_provider(service_id, service) as
    case
        when service_id = 'AEFD-7695-64FA' or lower(service) in ('gemini api', 'generative language api')
        then 'gcp.gemini'
        when
            service_id = 'C7E2-9256-1C43'
            or regexp_matches(lower(service), 'vertex ai|claude|anthropic|mistral|llama|deepseek|grok|cohere')
        then 'gcp.vertex_ai'
    end;

-- A query over `raw` that two sources share takes its name as an argument.
create or replace macro google_charges(rows) as table
with
    opened as (
        select
            *,
            unwrapped(service) as of_service,
            unwrapped(sku) as of_sku,
            unwrapped(project) as of_project,
            unwrapped(location) as place,
            unwrapped(usage) as used,
            unwrapped(credits) as given,
            trim(unwrapped(sku) ->> '$.description') as description,
            lower(
                trim(regexp_replace(unwrapped(sku) ->> '$.description', '[^A-Za-z0-9.]+', ' ', 'g'))
            ) as words,
            as_utc(usage_start_time) as period_start,
            as_utc(usage_end_time) as period_end,
            as_money(cost) as cost_amount,
            -- What the export of one row says besides its credits, and which file it is of.
            concat_ws(
                '|',
                record >> 32,
                billing_account_id,
                cast(service as varchar),
                cast(sku as varchar),
                usage_start_time,
                usage_end_time,
                cast(project as varchar),
                cast(labels as varchar),
                cast(system_labels as varchar),
                cast(tags as varchar),
                cast(location as varchar),
                cast(resource as varchar),
                cost,
                currency,
                cast(usage as varchar),
                cast(invoice as varchar),
                cost_type,
                transaction_type,
                cast(adjustment_info as varchar),
                export_time
            ) as row_text
        from query_table(rows)
    ),
    judged as (
        select
            *,
            google_provider(of_service ->> '$.id', of_service ->> '$.description') as provider,
            -- A credit beside the row, or one object where the list should be: the list was unnested.
            json_type(given) = 'OBJECT'
            or coalesce(credit_amount, credits_amount) is not null
            or (amount is not null and full_name is not null) as is_unnested,
            as_money(
                coalesce(
                    case when json_type(given) = 'OBJECT' then given ->> '$.amount' end,
                    credit_amount,
                    credits_amount
                )
            ) as lone_credit,
            case
                when json_type(given) = 'ARRAY'
                then
                    coalesce(
                        list_sum(
                            list_transform(
                                from_json(given, '[{"amount": "VARCHAR"}]'), lambda c:as_money(c.amount)
                            )
                        ),
                        0
                    )
            end as listed_credits
        from opened
    ),
    billed as (
        select
            *,
            count(*) over (partition by row_text, is_unnested) as copies,
            sum(lone_credit) over (partition by row_text, is_unnested) as lone_credits,
            row_number() over (partition by row_text, is_unnested order by record) as place_in_row
        from judged
    ),
    classed as (
        select
            *,
            coalesce(listed_credits, lone_credits, 0) as credit,
            google_sku_class(words) as token_class,
            google_sku_name(words) as sku_model,
            list_filter(
                from_json(unwrapped(labels), '[{"key": "VARCHAR", "value": "VARCHAR"}]'),
                lambda l:l.key = 'goog-generativelanguage-model'
            )[1].value as slug
        from billed
        where not is_unnested or place_in_row = 1
    )
select
    record,
    unread,
    case when is_unnested then copies - 1 else 0 end as merged,
    case
        when provider is null
        then null
        when period_start is null
        then concat('no readable usage_start_time: ', coalesce(usage_start_time, 'missing'))
        when cost_amount is null
        then concat('no readable cost: ', coalesce(cost, 'missing'))
    end as problem,
    case when provider is null then 'another Google Cloud service' end as not_call,
    md5(
        concat_ws(
            '|',
            'google',
            regexp_replace(row_text, '^\d+\|', ''),
            case when is_unnested then 1 else place_in_row end
        )
    ) as charge_id,
    provider,
    billing_account_id as account_id,
    of_project ->> '$.id' as sub_account_id,
    period_start as charge_period_start,
    period_end as charge_period_end,
    case
        lower(coalesce(cost_type, 'regular'))
        when 'tax'
        then 'Tax'
        when 'regular'
        then 'Usage'
        else 'Adjustment'
    end as charge_category,
    description as charge_description,
    of_sku ->> '$.id' as sku_id,
    coalesce(place ->> '$.region', place ->> '$.location') as region,
    google_sku_tier(words) as service_tier,
    case
        when slug is null or replace(replace(sku_model, '-', ''), '.', '') = slug then sku_model else slug
    end as model,
    token_class,
    as_money(used ->> '$.amount') as quantity,
    case
        when used ->> '$.unit' = 'count' and token_class is not null and token_class <> 'web_searches'
        then 'tokens'
        else used ->> '$.unit'
    end as quantity_unit,
    as_money(cost_at_list) as list_cost,
    cost_amount as contracted_cost,
    cost_amount + credit as effective_cost,
    cost_amount + credit as billed_cost,
    upper(currency) as billing_currency
from classed
order by record;
