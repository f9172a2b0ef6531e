-- question: Which calls does a lever look at together?
-- reads:    usage
-- grain:    one row per request_id
-- params:   account_id, endpoint, operation, session_id, trace_id, user_id, prompt_hash
-- columns:  request_id, scope_key
select
    request_id,
    concat(
        case when $account_id then coalesce(account_id, '') else '' end,
        '|',
        case when $endpoint then coalesce(endpoint, '') else '' end,
        '|',
        case when $operation then coalesce(operation, '') else '' end,
        '|',
        case when $session_id then coalesce(session_id, '') else '' end,
        '|',
        case when $trace_id then coalesce(trace_id, '') else '' end,
        '|',
        case when $user_id then coalesce(user_id, '') else '' end,
        '|',
        case when $prompt_hash then coalesce(cast(prompt_hash as varchar), '') else '' end
    ) as scope_key
from usage
