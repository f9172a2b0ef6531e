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
