DO $audit$
DECLARE
    table_name text := {table_text};
    trail_name text := {trail_text};
    function_name text := {function_text};
    model_name text := {model};
    model_comment text := {comment};
    names text[] := {names};
    fields text[] := {fields};
    keys text[] := {keys};
    truncates boolean := {truncates};
    checked regclass := to_regclass(table_name);
    keeper oid := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = trail_name::regclass);
    owner oid;
    namespace regnamespace;
    missing record;
    installed text;
BEGIN
    IF checked IS NULL THEN
        RAISE EXCEPTION 'there is no table %: name its schema, as in schema.table', table_name;
    END IF;
    SELECT c.relowner, c.relnamespace INTO owner, namespace FROM pg_class AS c WHERE c.oid = checked;
    IF NOT pg_has_role(owner, 'USAGE') THEN
        RAISE EXCEPTION 'the table % belongs to the role %: run this as a member of it and of %',
            checked, owner::regrole, keeper::regrole;
    END IF;
    SELECT g.column, g.field INTO missing FROM unnest(names, fields) AS g("column", field)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = checked AND a.attname = g.column AND a.attnum > 0 AND NOT a.attisdropped
    ) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the table % has no column % for the field % of the model %: name it '
            '(--column %=..), or leave the field out (--omit %)', checked,
            quote_ident(missing.column), quote_ident(missing.field), model_name, missing.field,
            missing.field;
    END IF;
    -- PostgreSQL 18: a virtual column has no value in the rows that a trigger gets.
    SELECT g.column, g.field INTO missing FROM unnest(names, fields) AS g("column", field)
    JOIN pg_attribute AS a ON a.attrelid = checked AND a.attname = g.column
    WHERE a.attgenerated = 'v' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the column % of the table % is virtual and has no value in a trigger: leave '
            'the field out (--omit %), or make the column STORED', quote_ident(missing.column),
            checked, missing.field;
    END IF;
    IF EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = checked AND a.attname = ANY (keys) AND NOT a.attnotnull
    ) OR NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = checked AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
            AND i.indexprs IS NULL AND NOT EXISTS (
                SELECT FROM generate_series(0, i.indnkeyatts - 1) AS position
                JOIN pg_attribute AS a ON a.attrelid = checked AND a.attnum = i.indkey[position]
                WHERE a.attname <> ALL (keys)
            )
    ) THEN
        RAISE EXCEPTION 'the columns % do not lead to one row of the table %: they need a primary '
            'key, or NOT NULL and a unique index', array_to_string(keys, ', '), checked;
    END IF;
    installed := split_part(
        obj_description(to_regprocedure(function_name), 'pg_proc'), E'\n', 1
    );
    IF installed <> model_comment THEN
        RAISE EXCEPTION 'the table % has the %: remove those first (--drop)', checked, installed;
    END IF;
    -- To delete each object that is truncated, its row is read.
    IF truncates AND NOT has_table_privilege(keeper, checked, 'SELECT') THEN
        EXECUTE format('GRANT SELECT ON %s TO %s', checked, keeper::regrole);
    END IF;
    IF truncates AND NOT has_schema_privilege(keeper, namespace, 'USAGE') THEN
        RAISE EXCEPTION 'the role %, which owns the trail, may not use the schema %: GRANT USAGE ON '
            'SCHEMA % TO %, or make one entry of a TRUNCATE (--truncate-in-bulk)',
            keeper::regrole, namespace, namespace, keeper::regrole;
    END IF;
END
$audit$;
