-- OTLP whose writer kept the names of its protocol, with underscores, in the names of its JSON.
create or replace macro otlp_spelt(x) as
    try_cast(
        list_reduce(
            [
                'scopeSpans', 'scopeLogs', 'logRecords', 'instrumentationLibrarySpans', 'traceId', 'traceState', 'spanId', 'parentSpanId', 'eventName',
                'startTimeUnixNano', 'endTimeUnixNano', 'timeUnixNano', 'observedTimeUnixNano',
                'stringValue', 'intValue', 'doubleValue', 'boolValue', 'arrayValue', 'kvlistValue'
            ],
            lambda text, name : regexp_replace(text, concat('"', lower(regexp_replace(name, '([A-Z])', '_\1', 'g')), '"(\s*:)'), concat('"', name, '"\1'), 'g'),
            cast(x as varchar)
        ) as json
    );

-- Attributes of OTLP as a map of texts. Lists and maps among them stay JSON; of two equal keys the first counts.
create or replace macro otel_attributes(attributes) as
    list_transform(
        [
            list_filter(
                from_json(
                    case when json_type(attributes) = 'ARRAY' then attributes end,
                    '[{"key": "VARCHAR", "value": {"stringValue": "VARCHAR", "intValue": "VARCHAR", "doubleValue": "VARCHAR", "boolValue": "VARCHAR", "arrayValue": "VARCHAR", "kvlistValue": "VARCHAR"}}]'
                ),
                lambda a : a.key is not null
            )
        ],
        lambda found : list_transform(
            [list_distinct(list_transform(found, lambda a : a.key))],
            lambda names : map(
                names,
                list_transform(
                    names,
                    lambda n : list_transform(
                        list_filter(found, lambda a : a.key = n),
                        lambda a : coalesce(a.value.stringValue, a.value.intValue, a.value.doubleValue, a.value.boolValue, a.value.arrayValue, a.value.kvlistValue)
                    )[1]
                )
            )
        )[1]
    )[1];

-- Messages of the conventions: a role, and parts. Text as it is, other parts as JSON.
create or replace macro otel_messages(x) as
    list_transform(
        from_json(
            case when json_type(try_cast(x as json)) = 'ARRAY' then try_cast(x as json) end,
            '[{"role": "VARCHAR", "content": "VARCHAR", "parts": ["JSON"]}]'
        ),
        lambda m : concat(
            coalesce(m.role, ''),
            chr(31),
            coalesce(
                m.content,
                array_to_string(
                    list_transform(
                        m.parts,
                        lambda p : case
                            when p ->> '$.type' = 'text' and p ->> '$.content' is not null then p ->> '$.content'
                            else cast(p as varchar)
                        end
                    ),
                    chr(10)
                ),
                ''
            )
        )
    );

-- Messages of which each field is an attribute of its own: <prefix>0<infix>role, <prefix>0<infix>content, ...
create or replace macro otel_flat_messages(m, prefix, infix) as
    case
        when m[concat(prefix, '0', infix, 'role')] is not null or m[concat(prefix, '0', infix, 'content')] is not null
        then
            list_transform(
                range(
                    0,
                    len(list_filter(map_keys(m), lambda k : starts_with(k, prefix) and ends_with(k, concat(infix, 'role'))))
                ),
                lambda i : concat(
                    coalesce(m[concat(prefix, cast(i as varchar), infix, 'role')], ''),
                    chr(31),
                    coalesce(m[concat(prefix, cast(i as varchar), infix, 'content')], '')
                )
            )
    end;

-- The share of traces that a sampler kept: one less the rejection threshold, whose hexadecimal digits count
-- from the left (`ot=th:c` keeps a quarter); or what a sampler of Jaeger's kind wrote down.
create or replace macro otel_sample_rate(state, sampler, param) as
    case
        when regexp_matches(state, '(^|[,;=])th:[0-9a-f]{1,14}([;,]|$)')
        then 1 - try_cast(concat('0x', rpad(regexp_extract(state, '(?:^|[,;=])th:([0-9a-f]{1,14})', 1), 14, '0')) as bigint) / pow(2, 56)
        when sampler = 'probabilistic' and try_cast(param as double) > 0 and try_cast(param as double) <= 1
        then try_cast(param as double)
    end;
