-- Three roles for a trail: one owns it, one may only add to it, one may only read it. To be
-- run after the tables were made, by a superuser or by their present owner who is a member of
-- the new one and may make it the schema's owner. It may be run again. None of the roles can
-- log in: grant them to those who can.

DO $audit$
DECLARE
    owner_role text := {owner_text};
    writer_role text := {writer_text};
    reader_role text := {reader_text};
    trail_schema text := {schema_text};
    -- Of a schema that others use, too, only the right to make things in it is taken away.
    shared boolean;
    role text;
    thing record;
BEGIN
    FOREACH role IN ARRAY ARRAY[owner_role, writer_role, reader_role] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;

    shared := trail_schema = 'public' OR EXISTS (
        SELECT 1 FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = trail_schema)
            AND c.relname !~ '^audit_' AND c.relkind NOT IN ('i', 'I', 't')
    );
    IF shared THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I, %I', trail_schema, writer_role, reader_role);
    ELSE
        EXECUTE format('ALTER SCHEMA %I OWNER TO %I', trail_schema, owner_role);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, %I, %I', trail_schema, writer_role, reader_role);
    END IF;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', trail_schema, owner_role);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', trail_schema, writer_role, reader_role);

    -- The owner of the schema may drop its objects, and a role that may make tables in it can take
    -- the names of coming partitions.
    FOREACH role IN ARRAY ARRAY[writer_role, reader_role] LOOP
        IF pg_has_role(role, owner_role, 'MEMBER') THEN
            RAISE EXCEPTION 'role "%" is a superuser, or the owner "%" or a member of it', role, owner_role
                USING ERRCODE = 'invalid_grant_operation', HINT = 'Name a role that is not.';
        ELSIF pg_has_role(role, (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = trail_schema), 'MEMBER') THEN
            RAISE EXCEPTION 'role "%" could drop the trail: it owns schema "%", by itself, as a member or as the owner of the database', role, trail_schema
                USING ERRCODE = 'invalid_grant_operation',
                HINT = 'Keep the trail in a schema of its own, or let another role own this one.';
        ELSIF has_schema_privilege(role, trail_schema, 'CREATE') THEN
            RAISE EXCEPTION 'role "%" may make tables in schema "%" as a member of another role', role, trail_schema
                USING ERRCODE = 'invalid_grant_operation',
                HINT = 'Keep the trail in a schema of its own, or take CREATE on this one from that role.';
        END IF;
    END LOOP;

    FOR thing IN
        SELECT c.oid, c.oid::regclass::text AS name, c.relkind = 'v' AS is_view
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = trail_schema)
            AND c.relkind IN ('r', 'p', 'v')
            AND (c.relname IN ('audit_schema', 'audit_entry', 'audit_retention', 'audit_log', 'audit_touched',
                'audit_hash_key')
                OR EXISTS (
                    SELECT 1 FROM pg_catalog.pg_inherits AS i
                    WHERE i.inhrelid = c.oid AND i.inhparent = '{schema}.audit_entry'::regclass
                ))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %I, %I', thing.name, writer_role, reader_role);
        EXECUTE format(
            'ALTER %s %s OWNER TO %I',
            CASE WHEN thing.is_view THEN 'VIEW' ELSE 'TABLE' END, thing.name, owner_role
        );
        -- What default privileges gave to others: those may add and read at most.
        FOR role IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
            FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS a
            WHERE c.oid = thing.oid AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %s FROM %s', thing.name, role);
            IF thing.name::regclass = '{schema}.audit_retention'::regclass THEN
                EXECUTE format('REVOKE ALL ON %s FROM %s', thing.name, role);
            END IF;
        END LOOP;
    END LOOP;
    FOR thing IN
        SELECT p.oid::regprocedure::text AS name
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = trail_schema)
            -- Those of triggers run with their owner's rights and call the others, so that they
            -- go along.
            AND starts_with(p.proname, 'audit_')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', thing.name, owner_role);
    END LOOP;
    -- The owner of a domain may drop it, and the columns that have it.
    FOR thing IN
        SELECT t.oid::regtype::text AS name
        FROM pg_catalog.pg_type AS t LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
        WHERE t.typnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = trail_schema)
            AND starts_with(t.typname, 'audit_')
            AND (t.typtype = 'd' OR c.relkind = 'c')
    LOOP
        EXECUTE format('ALTER TYPE %s OWNER TO %I', thing.name, owner_role);
    END LOOP;
    -- To delete each object that is truncated, its row is read.
    FOR thing IN
        SELECT DISTINCT t.tgrelid::regclass::text AS name
        FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = trail_schema)
            AND starts_with(p.proname, 'audit_on_') AND t.tgname = 'auditlog_truncate'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO %I', thing.name, owner_role);
    END LOOP;
END
$audit$;

GRANT SELECT ON {schema}.audit_schema TO {writer}, {reader};
-- But for `xact`, which is the number of the transaction that inserts.
GRANT INSERT (
    id, ts, level, action, outcome, model, object_pk, parent_model, parent_pk, actor,
    correlation_id, transaction_id, fields, changes, body, checksum
) ON {schema}.audit_entry TO {writer};
GRANT EXECUTE ON FUNCTION {schema}.audit_append, {schema}.audit_compare, {schema}.audit_lift_fences
    TO {writer};
GRANT EXECUTE ON FUNCTION {schema}.audit_xact_base TO {writer}, {reader};
GRANT SELECT ON {schema}.audit_entry, {schema}.audit_log TO {reader};

DO $audit$
BEGIN
    -- There if triggers were installed.
    IF to_regclass('{schema}.audit_touched') IS NOT NULL THEN
        GRANT SELECT ON {schema}.audit_touched TO {reader};
    END IF;
END
$audit$;
