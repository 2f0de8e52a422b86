-- Version 1. `{schema}` and `{schema_text}` are the schema's name, as an identifier and as a
-- text. A script that was released never changes.

CREATE TABLE {schema}.audit_schema (
    version integer NOT NULL,
    program text    NOT NULL DEFAULT 'auditlog',
    single  boolean PRIMARY KEY DEFAULT true CHECK (single)
);
INSERT INTO {schema}.audit_schema (version) VALUES (0);

-- What is added to the numbers of this server's transactions, so that they are above those of a server
-- from which the trail was restored. A constant, which the planner takes in; `audit_adopt` changes it. In
-- PL/pgSQL, since a session compiles it once: the planner parses a function in SQL for each statement.
CREATE FUNCTION {schema}.audit_xact_base() RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $audit$ BEGIN RETURN 0; END $audit$;

-- Values that the columns accept from any writer: times that the library can show, levels, outcomes, and
-- one line that begins as an object. They are domains since a session compiles their constraints once;
-- each INSERT compiles those of a table again, which takes a quarter of the time of an entry.
CREATE DOMAIN {schema}.audit_time AS bigint
    CONSTRAINT audit_entry_ts CHECK (VALUE BETWEEN -8334601228800000000 AND 8210266876799999999);
CREATE DOMAIN {schema}.audit_level AS smallint
    CONSTRAINT audit_entry_level CHECK (VALUE IN (10, 20, 30, 40, 50));
CREATE DOMAIN {schema}.audit_outcome AS text COLLATE "C"
    CONSTRAINT audit_entry_outcome CHECK (VALUE IN ('success', 'failure', 'denied'));
CREATE DOMAIN {schema}.audit_body AS text COLLATE "C" CONSTRAINT audit_entry_body CHECK (
    starts_with(VALUE, '{') AND strpos(VALUE, E'\n') = 0 AND strpos(VALUE, E'\r') = 0
);

-- `body` is the entry; every other column but `checksum` and `xact` is a projection of it. The texts are in
-- their key form, in which they fit an index and hold no U+0000 (docs/format.md).
CREATE TABLE {schema}.audit_entry (
    id             uuid     NOT NULL PRIMARY KEY,
    ts             {schema}.audit_time NOT NULL,
    level          {schema}.audit_level NOT NULL,
    action         text     COLLATE "C" NOT NULL,
    outcome        {schema}.audit_outcome NOT NULL,
    model          text     COLLATE "C" NOT NULL,
    object_pk      text     COLLATE "C" NOT NULL,
    parent_model   text     COLLATE "C",
    parent_pk      text     COLLATE "C",
    actor          text     COLLATE "C",
    correlation_id text     COLLATE "C",
    transaction_id uuid,
    fields         text[]   COLLATE "C" NOT NULL,
    changes        jsonb,
    body           {schema}.audit_body NOT NULL,
    -- The SHA-256 of the body's bytes, made by the writer: it finds damage.
    checksum       bytea    NOT NULL DEFAULT '',
    -- The number of the transaction that wrote it: followers of the trail ask for what is
    -- newer than what was seen, and older than every transaction that is still open.
    xact           bigint   NOT NULL
        DEFAULT pg_current_xact_id()::text::bigint + {schema}.audit_xact_base()
) PARTITION BY RANGE (id);

-- The columns of an entry that a writer provides. The server unpacks an array of these faster than an array for each column.
CREATE TYPE {schema}.audit_row AS (
    id uuid, ts bigint, level smallint, action text, outcome text, model text, object_pk text, parent_model text,
    parent_pk text, actor text, correlation_id text, transaction_id uuid, fields text[], changes jsonb, body text,
    checksum bytea
);

CREATE INDEX audit_entry_time ON {schema}.audit_entry (ts, id);
CREATE INDEX audit_entry_object ON {schema}.audit_entry (model, object_pk, ts, id);
CREATE INDEX audit_entry_model ON {schema}.audit_entry (model, ts, id);
CREATE INDEX audit_entry_actor ON {schema}.audit_entry (actor, ts, id)
    WHERE actor IS NOT NULL;
CREATE INDEX audit_entry_correlation ON {schema}.audit_entry (correlation_id, ts, id)
    WHERE correlation_id IS NOT NULL;
CREATE INDEX audit_entry_parent ON {schema}.audit_entry (parent_model, parent_pk, ts, id)
    WHERE parent_model IS NOT NULL;
CREATE INDEX audit_entry_transaction ON {schema}.audit_entry (transaction_id, ts, id)
    WHERE transaction_id IS NOT NULL;
CREATE INDEX audit_entry_fields ON {schema}.audit_entry USING gin (fields);
-- Followers of the trail read all that is not in it yet, so that it must
-- not wait for a vacuum, which comes to a table that only grows when it has grown by a fifth.
-- More than 256 blocks of 32 pages a minute do wait for one, and it comes to each month sooner.
CREATE INDEX audit_entry_xact ON {schema}.audit_entry
    USING brin (xact) WITH (pages_per_range = 32, autosummarize = on);

-- Ids for which there is no month: of another version, or made before the trail began.
CREATE TABLE {schema}.audit_entry_rest PARTITION OF {schema}.audit_entry DEFAULT
    WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);

-- Has a row only inside a transaction that may remove entries.
CREATE TABLE {schema}.audit_retention (
    xact xid8 PRIMARY KEY DEFAULT pg_current_xact_id()
);

CREATE FUNCTION {schema}.audit_keep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $audit$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'an audit entry cannot be changed' USING ERRCODE = 'AU002';
    ELSIF TG_OP = 'TRUNCATE' OR NOT EXISTS (
        SELECT 1 FROM {schema}.audit_retention AS r
        WHERE r.xact = pg_current_xact_id_if_assigned()
    ) THEN
        RAISE EXCEPTION 'an audit entry can be removed only by retention'
            USING ERRCODE = 'AU002';
    END IF;
    RETURN OLD;
END
$audit$;

CREATE TRIGGER audit_entry_keep BEFORE UPDATE OR DELETE ON {schema}.audit_entry
    FOR EACH ROW EXECUTE FUNCTION {schema}.audit_keep();
CREATE TRIGGER audit_entry_keep_all BEFORE TRUNCATE ON {schema}.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_keep();
CREATE TRIGGER audit_entry_keep_all BEFORE TRUNCATE ON {schema}.audit_entry_rest
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_keep();
-- In sessions with session_replication_role = replica, too.
ALTER TABLE {schema}.audit_entry ENABLE ALWAYS TRIGGER audit_entry_keep;
ALTER TABLE {schema}.audit_entry ENABLE ALWAYS TRIGGER audit_entry_keep_all;
ALTER TABLE {schema}.audit_entry_rest ENABLE ALWAYS TRIGGER audit_entry_keep;
ALTER TABLE {schema}.audit_entry_rest ENABLE ALWAYS TRIGGER audit_entry_keep_all;

-- Raises AU001 with the id if one of the entries is stored with another content. With the
-- owner's rights, so that a role that may only insert gets the error of a conflict.
CREATE FUNCTION {schema}.audit_compare(ids uuid[], bodies text[]) RETURNS void
-- Planned for the values, it reads all of the trail for a large batch, and not an index for each id.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $audit$
DECLARE
    given record;
BEGIN
    SELECT g.id, e.id IS NULL AS gone INTO given
    FROM unnest(ids, bodies) AS g(id, body)
    LEFT JOIN LATERAL (
        SELECT a.id, a.body FROM {schema}.audit_entry AS a WHERE a.id = g.id LIMIT 1
    ) AS e ON true
    WHERE e.body IS DISTINCT FROM g.body
    ORDER BY gone, g.id
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF given.gone THEN
        -- Retention removed it since the insert found it.
        RAISE EXCEPTION 'an audit entry was removed while it was appended again'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RAISE EXCEPTION 'another audit entry has the id %', given.id
        USING ERRCODE = 'AU001', DETAIL = given.id;
END
$audit$;

-- Keeps entries, all or none; what is stored already with the same content counts as kept.
-- `fields` are the changed fields, each after U+0001 U+0005. Names are qualified and the search path
-- is the session's, so that a trigger of an application's own finds with it what it finds with an
-- INSERT; `unnest` of several arrays is the server's own whatever the path is.
CREATE FUNCTION {schema}.audit_append(
    ids uuid[], times bigint[], levels smallint[], actions text[], outcomes text[],
    models text[], object_pks text[], parent_models text[], parent_pks text[], actors text[],
    correlation_ids text[], transaction_ids uuid[], fields text[], changes text[], bodies text[],
    checksums bytea[]
) RETURNS void
-- Its INSERT has one plan, and making it anew takes longer than inserting an entry.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
AS $audit$
DECLARE
    inserted bigint;
BEGIN
    -- In the order of the ids, so that two writers of the same entries cannot lock each other
    -- out.
    INSERT INTO {schema}.audit_entry (
        id, ts, level, action, outcome, model, object_pk, parent_model, parent_pk, actor,
        correlation_id, transaction_id, fields, changes, body, checksum
    )
    SELECT g.id, g.ts, g.level, g.action, g.outcome, g.model, g.object_pk, g.parent_model,
        g.parent_pk, g.actor, g.correlation_id, g.transaction_id,
        (pg_catalog.string_to_array(g.fields, E'\x01\x05'))[2:], g.changes::pg_catalog.jsonb, g.body,
        g.checksum
    FROM unnest(
        ids, times, levels, actions, outcomes, models, object_pks, parent_models, parent_pks,
        actors, correlation_ids, transaction_ids, fields, changes, bodies, checksums
    ) AS g(
        id, ts, level, action, outcome, model, object_pk, parent_model, parent_pk, actor,
        correlation_id, transaction_id, fields, changes, body, checksum
    )
    ORDER BY g.id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted OPERATOR(pg_catalog.<) pg_catalog.cardinality(ids) THEN
        PERFORM {schema}.audit_compare(ids, bodies);
    END IF;
END
$audit$;

-- Returns the lowest id of version 7 that is made at the beginning of a day in UTC.
CREATE FUNCTION {schema}.audit_first_id(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $audit$
    SELECT (lpad(to_hex((day - date '1970-01-01')::bigint * 86400000), 12, '0') || repeat('0', 20))::uuid
$audit$;

-- Locks tables exclusively. Later queries queue behind a request for such a lock: each attempt
-- takes a tenth of a second at most. `changed` are those tables, and others that are changed.
CREATE FUNCTION {schema}.audit_lock(changed text, taken text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $audit$
BEGIN
    -- Only a vacuum conflicts with this: one that is running ends, if it is automatic.
    PERFORM set_config('lock_timeout', '3s', true);
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', changed);
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR attempt IN 1..8 LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', taken);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 8 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.3);
        END;
    END LOOP;
END
$audit$;

-- Makes the partition of a month, and moves entries there that lie in `audit_entry_rest`.
-- Returns whether there was none.
CREATE FUNCTION {schema}.audit_add_partition(month date) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $audit$
DECLARE
    first_day date := date_trunc('month', month)::date;
    low uuid := {schema}.audit_first_id(first_day);
    high uuid := {schema}.audit_first_id((first_day + interval '1 month')::date);
    name text := 'audit_entry_' || to_char(first_day, 'YYYY_MM');
    part text := quote_ident({schema_text}) || '.' || name;
    fence text := 'audit_entry_rest_awaits_' || to_char(first_day, 'YYYY_MM');
    grantee text;
    misplaced boolean;
BEGIN
    -- One at a time, by a lock that only the owner can take; readers and purges do not wait for it.
    LOCK TABLE {schema}.audit_retention IN SHARE UPDATE EXCLUSIVE MODE;
    IF EXISTS (
        SELECT 1 FROM pg_inherits
        WHERE inhparent = '{schema}.audit_entry'::regclass AND inhrelid = to_regclass(part)
    ) THEN
        RETURN false;
    ELSIF to_regclass(part) IS NOT NULL THEN
        RAISE EXCEPTION '% is no partition of the trail', part
            USING ERRCODE = 'duplicate_table', HINT = 'Rename it, so that the month can have one.';
    END IF;
    EXECUTE format(
        'CREATE TABLE %s (LIKE {schema}.audit_entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
            WITH (
                autovacuum_vacuum_insert_scale_factor = 0,
                autovacuum_vacuum_insert_threshold = 100000
            )',
        part
    );
    -- Whoever makes it, such as a superuser: the owner must be able to drop it.
    EXECUTE format(
        'ALTER TABLE %s OWNER TO %I', part,
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '{schema}.audit_entry'::regclass)
    );
    -- Nobody else needs it, whatever default privileges say.
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = part::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', part, grantee);
    END LOOP;
    PERFORM {schema}.audit_lock(
        'ONLY {schema}.audit_entry, {schema}.audit_entry_rest', '{schema}.audit_entry_rest'
    );
    SELECT EXISTS (
        SELECT 1 FROM {schema}.audit_entry_rest AS r WHERE r.id >= low AND r.id < high
    ) INTO misplaced;
    IF misplaced THEN
        INSERT INTO {schema}.audit_retention DEFAULT VALUES;
        EXECUTE format(
            'WITH moved AS (
                DELETE FROM {schema}.audit_entry_rest WHERE id >= $1 AND id < $2 RETURNING *
            ) INSERT INTO %s SELECT * FROM moved',
            part
        ) USING low, high;
        DELETE FROM {schema}.audit_retention;
    END IF;
    -- Reads all of the rest, unless there is a valid fence.
    EXECUTE format(
        'ALTER TABLE {schema}.audit_entry ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
        part, low, high
    );
    IF EXISTS (
        SELECT 1 FROM pg_constraint
        WHERE conrelid = '{schema}.audit_entry_rest'::regclass AND conname = fence
    ) THEN
        EXECUTE format('ALTER TABLE {schema}.audit_entry_rest DROP CONSTRAINT %I', fence);
    END IF;
    EXECUTE format(
        'CREATE TRIGGER audit_entry_keep_all BEFORE TRUNCATE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_keep()',
        part
    );
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_entry_keep_all', part);
    -- Comes along from the table of all entries, but not in every version of the server as it is there.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_entry_keep', part);
    RETURN true;
END
$audit$;

-- Keeps the ids of a month that is yet to come out of `audit_entry_rest`, by a constraint whose
-- name it returns; null if the month has a partition. Once
-- ALTER TABLE audit_entry_rest VALIDATE CONSTRAINT .. has read the rest, while others read and
-- write, `audit_add_partition` need not read it. Until then nothing with such an id is taken.
CREATE FUNCTION {schema}.audit_fence(month date) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $audit$
DECLARE
    first_day date := date_trunc('month', month)::date;
    fence text := 'audit_entry_rest_awaits_' || to_char(first_day, 'YYYY_MM');
BEGIN
    -- One at a time, by a lock that only the owner can take; readers and purges do not wait for it.
    LOCK TABLE {schema}.audit_retention IN SHARE UPDATE EXCLUSIVE MODE;
    -- Clocks differ, and a refused entry is lost unless its writer retries.
    IF first_day <= now() AT TIME ZONE 'UTC' + interval '2 days' THEN
        RAISE EXCEPTION 'entries of % may be written now', to_char(first_day, 'YYYY-MM')
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF to_regclass(
        quote_ident({schema_text}) || '.audit_entry_' || to_char(first_day, 'YYYY_MM')
    ) IS NOT NULL THEN
        RETURN NULL;
    ELSIF NOT EXISTS (
        SELECT 1 FROM pg_constraint
        WHERE conrelid = '{schema}.audit_entry_rest'::regclass AND conname = fence
    ) THEN
        PERFORM {schema}.audit_lock(
            '{schema}.audit_entry_rest', '{schema}.audit_entry_rest'
        );
        EXECUTE format(
            'ALTER TABLE {schema}.audit_entry_rest
                ADD CONSTRAINT %I CHECK (id < %L OR id >= %L) NOT VALID',
            fence, {schema}.audit_first_id(first_day),
            {schema}.audit_first_id((first_day + interval '1 month')::date)
        );
    END IF;
    RETURN fence;
END
$audit$;

-- Returns the constraints of `audit_fence` whose months have begun or do within a day.
CREATE FUNCTION {schema}.audit_fences_left() RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $audit$
    SELECT c.conname::text
    FROM pg_constraint AS c,
        substring(c.conname FROM '^audit_entry_rest_awaits_([0-9]{4}_[0-9]{2})$') AS month
    WHERE c.conrelid = '{schema}.audit_entry_rest'::regclass
        AND to_date(month, 'YYYY_MM') <= now() AT TIME ZONE 'UTC' + interval '1 day'
    ORDER BY 1
$audit$;

-- Removes what `audit_fence` left for months that have begun or do within a day: whoever was to make
-- their partitions is gone. Returns for how many. Whoever adds entries may call it, with the owner's
-- rights, as what it removes refuses them. Where nothing can be written it removes nothing.
CREATE FUNCTION {schema}.audit_lift_fences() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $audit$
DECLARE
    fence text;
    lifted integer := 0;
BEGIN
    IF current_setting('transaction_read_only')::boolean
        OR NOT EXISTS (SELECT 1 FROM {schema}.audit_fences_left())
    THEN
        RETURN 0;
    END IF;
    PERFORM {schema}.audit_lock('{schema}.audit_entry_rest', '{schema}.audit_entry_rest');
    -- Those that no other session has removed meanwhile.
    FOR fence IN SELECT l.name FROM {schema}.audit_fences_left() AS l(name) LOOP
        EXECUTE format('ALTER TABLE {schema}.audit_entry_rest DROP CONSTRAINT IF EXISTS %I', fence);
        lifted := lifted + 1;
    END LOOP;
    RETURN lifted;
END
$audit$;

-- Makes the partitions of this month and of the next ones, and returns how many were missing.
CREATE FUNCTION {schema}.audit_maintain(months_ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $audit$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    made integer := 0;
BEGIN
    FOR ahead IN 0..months_ahead LOOP
        made := made + {schema}.audit_add_partition(
            (this_month + make_interval(months => ahead))::date
        )::integer;
    END LOOP;
    RETURN made;
END
$audit$;

-- Drops the partition of a month if all of its entries are from before a time, and returns
-- how many there were; null if it has others.
CREATE FUNCTION {schema}.audit_drop_partition(part regclass, before bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $audit$
DECLARE
    last bigint;
    entries bigint;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM pg_inherits
        WHERE inhparent = '{schema}.audit_entry'::regclass AND inhrelid = part
            AND part <> '{schema}.audit_entry_rest'::regclass
    ) THEN
        RETURN NULL;
    END IF;
    -- From here on no session writes to it, while all may read.
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', part);
    EXECUTE format('SELECT ts FROM %s ORDER BY ts DESC LIMIT 1', part) INTO last;
    IF last >= before THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s', part) INTO entries;
    PERFORM {schema}.audit_lock(
        format('ONLY {schema}.audit_entry, {schema}.audit_entry_rest, %s', part),
        format('ONLY {schema}.audit_entry, {schema}.audit_entry_rest, %s', part)
    );
    EXECUTE format('DROP TABLE %s', part);
    RETURN entries;
END
$audit$;

-- Raises the numbers of transactions above those of entries that another server wrote, and a dump
-- brought here: followers of the trail would get these only when this server has come as far.
-- Returns the new base, or null where there are none. Writers wait for a moment.
CREATE FUNCTION {schema}.audit_adopt() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET enable_seqscan = off
AS $audit$
DECLARE
    last bigint;
    later bigint;
BEGIN
    -- No transaction that this statement sees has a number that was not given out.
    SELECT max(e.xact) INTO last FROM {schema}.audit_entry AS e
    WHERE e.xact >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        + {schema}.audit_xact_base();
    IF last IS NULL THEN
        RETURN NULL;
    END IF;
    -- What is being written has the old base, and is committed before this is.
    LOCK TABLE {schema}.audit_entry IN SHARE ROW EXCLUSIVE MODE;
    SELECT max(e.xact) INTO later FROM {schema}.audit_entry AS e WHERE e.xact > last;
    last := greatest(last, later) + 1;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION {schema}.audit_xact_base() RETURNS bigint
            LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS %L',
        'BEGIN RETURN ' || last || '; END'
    );
    RETURN last;
END
$audit$;

-- For conditions on `ts`: WHERE ts >= audit_micros(now() - interval '1 day').
CREATE FUNCTION {schema}.audit_micros(moment timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $audit$ SELECT (extract(epoch FROM moment) * 1000000)::bigint $audit$;

-- The entry as JSON that every operator takes: U+0000, which no text can hold, as U+0001 U+0002.
CREATE FUNCTION {schema}.audit_json(body text) RETURNS json
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $audit$
    -- In the form that reads the same whatever a session says of backslashes.
    SELECT CASE WHEN strpos(body, E'\\u0000') = 0 THEN body
        ELSE regexp_replace(body, E'(?<!\\\\)((?:\\\\\\\\)*)\\\\u0000', E'\\1\\\\u0001\\\\u0002', 'g')
    END::json
$audit$;

CREATE VIEW {schema}.audit_log AS SELECT
    -- Times that `timestamptz` cannot hold are infinite.
    CASE WHEN ts < -210866803200000000 THEN '-infinity'::timestamptz
         WHEN ts >= 9224318016000000000 THEN 'infinity'::timestamptz
         ELSE 'epoch'::timestamptz + (ts / 1000000) * interval '1 second'
              + (ts % 1000000) * interval '1 microsecond'
    END AS time,
    CASE level WHEN 10 THEN 'DEBUG' WHEN 20 THEN 'INFO' WHEN 30 THEN 'WARNING'
               WHEN 40 THEN 'ERROR' WHEN 50 THEN 'CRITICAL' END AS level,
    actor, action, outcome, model, object_pk,
    {schema}.audit_json(body) ->> 'object_repr' AS object_repr,
    changes,
    {schema}.audit_json(body) ->> 'reason' AS reason,
    correlation_id, ts, id
FROM {schema}.audit_entry;

REVOKE EXECUTE ON FUNCTION {schema}.audit_keep, {schema}.audit_compare, {schema}.audit_append,
    {schema}.audit_lock, {schema}.audit_add_partition, {schema}.audit_fence, {schema}.audit_fences_left,
    {schema}.audit_lift_fences, {schema}.audit_maintain, {schema}.audit_drop_partition,
    {schema}.audit_adopt FROM PUBLIC;

-- What only the owner needs, whatever default privileges say.
DO $audit$
DECLARE
    thing record;
BEGIN
    FOR thing IN
        SELECT DISTINCT c.oid::regclass::text AS name,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_catalog.pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid IN ('{schema}.audit_entry_rest'::regclass, '{schema}.audit_retention'::regclass)
            AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', thing.name, thing.grantee);
    END LOOP;
END
$audit$;
