CASE WHEN {value} IS NOT DISTINCT FROM NULL THEN 'null'
    WHEN pg_typeof({value}) IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype,
        'date'::regtype) THEN to_json(format('%s', {value}))::text
    WHEN pg_typeof({value}) IN ('int2'::regtype, 'int4'::regtype)
        OR pg_typeof({value}) = 'int8'::regtype AND length(format('%s', {value})) <= 15
    THEN format('%s', {value})
    WHEN pg_typeof({value}) = 'bool'::regtype
    THEN CASE format('%s', {value}) WHEN 't' THEN 'true' ELSE 'false' END
    ELSE {schema}.audit_value({value}) END
