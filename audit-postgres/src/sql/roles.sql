-- Three roles for a trail: one owns it, one may only add to it, one may only read it. To be
-- run after the tables were made, by a superuser or by their present owner who is a member of
-- the new one. It may be run again. None of the roles can log in: grant them to those who can.

DO $audit$
DECLARE
    role text;
    thing record;
BEGIN
    FOREACH role IN ARRAY ARRAY[{owner_text}, {writer_text}, {reader_text}] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
    GRANT USAGE ON SCHEMA {schema} TO {writer}, {reader};
    FOR thing IN
        SELECT c.oid::regclass::text AS name, c.relkind = 'v' AS is_view
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = {schema_text}::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND (c.relname IN ('audit_schema', 'audit_entry', 'audit_retention', 'audit_log', 'audit_touched',
                'audit_hash_key')
                OR EXISTS (
                    SELECT 1 FROM pg_catalog.pg_inherits AS i
                    WHERE i.inhrelid = c.oid AND i.inhparent = '{schema}.audit_entry'::regclass
                ))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, {writer}, {reader}', thing.name);
        EXECUTE format(
            'ALTER %s %s OWNER TO {owner}',
            CASE WHEN thing.is_view THEN 'VIEW' ELSE 'TABLE' END, thing.name
        );
    END LOOP;
    FOR thing IN
        SELECT p.oid::regprocedure::text AS name
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = {schema_text}::regnamespace AND p.proname IN (
            'audit_keep', 'audit_compare', 'audit_append', 'audit_first_id',
            'audit_add_partition', 'audit_maintain', 'audit_drop_partition', 'audit_micros',
            'audit_json'
        )
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {owner}', thing.name);
    END LOOP;
END
$audit$;

GRANT SELECT ON {schema}.audit_schema TO {writer}, {reader};
GRANT INSERT ON {schema}.audit_entry TO {writer};
GRANT EXECUTE ON FUNCTION {schema}.audit_append, {schema}.audit_compare TO {writer};
GRANT SELECT ON {schema}.audit_entry, {schema}.audit_log TO {reader};

DO $audit$
BEGIN
    -- There if triggers were installed.
    IF to_regclass('{schema}.audit_touched') IS NOT NULL THEN
        GRANT SELECT ON {schema}.audit_touched TO {reader};
    END IF;
END
$audit$;
