-- Words of Azure's exports. Times are ISO, those that Log Analytics prints in its portal (month first), or
-- .NET ticks of 100 ns since the year 1. Dates of bills are MM/DD/YYYY or ISO.
create or replace macro azure_time(x) as
    case
        when contains(x, '/')
        then
            coalesce(
                try_strptime(replace(x, ',', ''), '%m/%d/%Y %I:%M:%S.%g %p'),
                try_strptime(replace(x, ',', ''), '%m/%d/%Y %I:%M:%S %p'),
                try_strptime(replace(x, ',', ''), '%m/%d/%Y %H:%M:%S'),
                try_strptime(x, '%m/%d/%Y')
            )
        else as_utc(x)
    end;

create or replace macro ticks_as_utc(x) as
    case
        when as_count(x) between 621355968000000000 and 790000000000000000
        then make_timestamp((try_cast(x as bigint) - 621355968000000000) // 10)
    end;

-- How many base units one unit of measure is: 1K, 1M, '1M Tokens', '100 Hours', '1 GB/Month'.
create or replace macro azure_block(unit) as
    try_cast(nullif(regexp_extract(replace(unit, ',', ''), '^\s*(\d+(\.\d+)?)\s*([KMB]\b)?', 1), '') as decimal(18, 3))
    * case upper(regexp_extract(replace(unit, ',', ''), '^\s*(\d+(\.\d+)?)\s*([KMBkmb]\b)?', 3))
        when 'K' then 1000
        when 'M' then 1000000
        when 'B' then 1000000000
        else 1
    end;
