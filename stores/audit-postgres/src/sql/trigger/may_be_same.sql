pg_typeof(n.{column}) NOT IN ('text'::regtype, 'varchar'::regtype, 'int4'::regtype,
    'int8'::regtype, 'bool'::regtype, 'timestamptz'::regtype, 'float8'::regtype)
