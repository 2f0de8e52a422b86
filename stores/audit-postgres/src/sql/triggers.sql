-- What all triggers of a trail use, beside its tables. It may be run again.
--
-- None of these functions has settings of its own, such as a search path: to set and reset them
-- takes longer than most of the functions do. They run with those of the trigger's function,
-- and with the caller's rights. Those that are called often are not in SQL, unless they become a
-- part of the statement: a function in SQL is parsed and planned in each statement anew.

DO $audit$
DECLARE
    keeper pg_roles;
    trail_schema pg_namespace;
    other record;
BEGIN
    SELECT n.* INTO trail_schema FROM pg_namespace AS n WHERE n.nspname = {schema_text};
    SELECT r.* INTO keeper FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
    WHERE c.relnamespace = trail_schema.oid AND c.relname = 'audit_entry';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'schema % has no trail: let the store connect once', {schema_text};
    END IF;
    IF NOT pg_has_role(keeper.oid, 'USAGE') THEN
        RAISE EXCEPTION 'the trail in schema % belongs to the role %: run this as a member of it '
            'that also owns the table, or as a superuser', {schema_text}, keeper.rolname;
    END IF;
    -- The triggers' functions run with the rights of the trail's owner. Who can make functions
    -- beside those that they call could have theirs called instead.
    SELECT coalesce(r.rolname, 'PUBLIC') AS name INTO other
    FROM aclexplode(coalesce(trail_schema.nspacl, acldefault('n', trail_schema.nspowner))) AS a
    LEFT JOIN pg_roles AS r ON r.oid = CASE
        WHEN a.grantee = to_regrole('pg_database_owner')
        THEN (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database())
        ELSE a.grantee END
    WHERE a.privilege_type = 'CREATE' AND NOT coalesce(
        r.oid = keeper.oid OR r.rolsuper OR a.grantee = trail_schema.nspowner AND NOT keeper.rolsuper, false)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the role % may create functions in the schema %, which triggers could '
            'run as %: REVOKE CREATE ON SCHEMA % FROM %, or keep the trail in a schema of its own',
            other.name, {schema_text}, keeper.rolname, {schema_text}, other.name;
    END IF;
    SELECT p.oid::regprocedure AS name, r.rolname AS role INTO other
    FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
    WHERE p.pronamespace = trail_schema.oid AND starts_with(p.proname, 'audit_')
        AND r.oid <> keeper.oid AND NOT r.rolsuper
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the function % belongs to the role %, which could change what triggers '
            'do: drop it', other.name, other.role;
    END IF;
END
$audit$;

-- What was written without an entry of the triggers: either they only watch, or the program
-- said that it audits by itself. `auditlog reconcile` looks for its entries.
CREATE TABLE IF NOT EXISTS {schema}.audit_touched (
    xact           bigint      NOT NULL,
    at             timestamptz NOT NULL,
    transaction_id uuid        NOT NULL,
    action         text        COLLATE "C" NOT NULL,
    model          text        COLLATE "C" NOT NULL,
    object_pk      text        COLLATE "C" NOT NULL,
    actor          text        COLLATE "C",
    role           text        COLLATE "C" NOT NULL,
    application    text        COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_touched_at ON {schema}.audit_touched (at);
CREATE INDEX IF NOT EXISTS audit_touched_transaction ON {schema}.audit_touched (transaction_id);

-- The fewest digits that read back as the same double, in the form of an entry.
CREATE OR REPLACE FUNCTION {schema}.audit_float(number double precision) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
DECLARE
    given text := number::text;
    parts text[];
    digits text;
    shorter text;
    exponent integer;
    point integer;
BEGIN
    IF given IN ('NaN', 'Infinity', '-Infinity') THEN
        RETURN '"' || given || '"';
    ELSIF number = 0 THEN
        RETURN '0.0';
    ELSIF length(given) <= 15 AND strpos(given, 'e') = 0 THEN
        -- Most numbers: few digits, and none to be moved.
        RETURN given || CASE WHEN strpos(given, '.') = 0 THEN '.0' ELSE '' END;
    END IF;
    -- The server's own text is at times a digit longer than it has to be, as 9.999999999999999e+22 for
    -- 1e+23: it takes no decimal that lies in the middle of two doubles.
    FOR decimals IN REVERSE 16..15 LOOP
        parts := regexp_match(given, '^(-?)(\d+)(?:\.(\d+))?(?:e([-+]\d+))?$');
        digits := ltrim(parts[2] || coalesce(parts[3], ''), '0');
        CONTINUE WHEN length(digits) <= decimals;
        exponent := coalesce(parts[4]::integer, 0) - length(coalesce(parts[3], ''))
            + length(digits) - decimals;
        shorter := parts[1]
            || round(substr(digits, 1, decimals + 1)::numeric / 10)::text || 'e' || exponent;
        CONTINUE WHEN abs(shorter::numeric) > 1.7976931348623157e308
            OR shorter::numeric::double precision IS DISTINCT FROM number;
        given := shorter;
    END LOOP;
    parts := regexp_match(given, '^(-?)(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$');
    digits := parts[2] || coalesce(parts[3], '');
    -- Where the point is, counted from the first digit that is not zero.
    point := length(parts[2]) + coalesce(parts[4]::integer, 0)
        - (length(digits) - length(ltrim(digits, '0')));
    digits := trim(BOTH '0' FROM digits);
    RETURN parts[1] || CASE
        WHEN point > 16 OR point <= -5 THEN
            left(digits, 1) || CASE WHEN length(digits) > 1 THEN '.' || substr(digits, 2) ELSE '' END
            || CASE WHEN point > 0 THEN 'e+' ELSE 'e' END || (point - 1)
        WHEN point <= 0 THEN '0.' || repeat('0', -point) || digits
        WHEN length(digits) <= point THEN digits || repeat('0', point - length(digits)) || '.0'
        ELSE left(digits, point) || '.' || substr(digits, point + 1)
    END;
END
$audit$;

-- An integer as JSON: a number from -2^53 to 2^53, a text beyond.
CREATE OR REPLACE FUNCTION {schema}.audit_integer(number numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
BEGIN
    RETURN CASE WHEN number BETWEEN -9007199254740992 AND 9007199254740992
        THEN number::text ELSE '"' || number::text || '"' END;
END
$audit$;

-- A number of JSON in the form of an entry (docs/format.md, "Numbers in JSON"): an integer of 64 bits, with
-- a sign or without, as it is; another number if the shortest form of its double is the same decimal;
-- else a text of its digits, one for each value.
CREATE OR REPLACE FUNCTION {schema}.audit_number(number numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
DECLARE
    plain numeric := trim_scale(number);
    is_integer boolean := scale(plain) = 0
        AND plain BETWEEN -9223372036854775808 AND 18446744073709551615;
    shortest text;
    digits text;
    exponent integer;
    zeros integer;
BEGIN
    IF is_integer AND scale(number) = 0 THEN
        RETURN number::text;
    ELSIF plain = 0 THEN
        RETURN '0.0';
    ELSIF abs(plain) BETWEEN 3e-324 AND 1.7976931348623157e308 THEN
        shortest := {schema}.audit_float(plain::double precision);
        IF shortest::numeric = plain THEN
            RETURN shortest;
        END IF;
    END IF;
    IF is_integer THEN
        RETURN plain::text;
    END IF;
    digits := abs(plain)::text;
    IF scale(plain) = 0 THEN
        exponent := length(digits) - 1;
        zeros := length(digits) - length(rtrim(digits, '0'));
    ELSIF left(digits, 2) = '0.' THEN
        zeros := length(digits) - 2 - length(ltrim(substr(digits, 3), '0'));
        exponent := -zeros - 1;
    ELSE
        zeros := 0;
    END IF;
    IF zeros > 32 THEN
        digits := trim(BOTH '0' FROM replace(digits, '.', ''));
        digits := left(digits, 1) || CASE WHEN length(digits) > 1 THEN '.' ELSE '' END
            || substr(digits, 2) || 'E' || exponent;
    END IF;
    RETURN '"' || CASE WHEN plain < 0 THEN '-' ELSE '' END || digits || '"';
END
$audit$;

-- JSON in the form of an entry. What nests too deep for it is refused with AU003.
CREATE OR REPLACE FUNCTION {schema}.audit_canonical(value jsonb, depth integer DEFAULT 0)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
BEGIN
    IF depth > 90 THEN
        RAISE EXCEPTION 'the value nests too deep' USING ERRCODE = 'AU003';
    END IF;
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN '{' || coalesce((
                SELECT string_agg(
                    to_json(e.key)::text || ':' || {schema}.audit_canonical(e.value, depth + 1),
                    ',' ORDER BY e.key COLLATE "C"
                ) FROM jsonb_each(value) AS e
            ), '') || '}';
        WHEN 'array' THEN
            RETURN '[' || coalesce((
                SELECT string_agg(
                    {schema}.audit_canonical(e.value, depth + 1), ',' ORDER BY e.ordinality
                ) FROM jsonb_array_elements(value) WITH ORDINALITY AS e
            ), '') || ']';
        WHEN 'number' THEN
            RETURN {schema}.audit_number(value::numeric);
        WHEN 'string' THEN
            RETURN to_json(value #>> '{}')::text;
        ELSE
            RETURN value::text;
    END CASE;
END
$audit$;

-- A text of a type as JSON in the form of an entry.
CREATE OR REPLACE FUNCTION {schema}.audit_scalar(given text, type oid) RETURNS text
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    parts text[];
    fraction text;
BEGIN
    IF given IS NULL THEN
        RETURN 'null';
    END IF;
    CASE type
        WHEN 'int2'::regtype, 'int4'::regtype THEN
            RETURN given;
        WHEN 'int8'::regtype, 'oid'::regtype THEN
            RETURN {schema}.audit_integer(given::numeric);
        WHEN 'bool'::regtype THEN
            RETURN given::boolean::text;
        WHEN 'float8'::regtype, 'float4'::regtype THEN
            RETURN {schema}.audit_float(given::double precision);
        WHEN 'numeric'::regtype THEN
            -- With its scale: 10.50 is not 10.5, though both are the same value.
            RETURN '"' || given || '"';
        WHEN 'timestamptz'::regtype, 'timestamp'::regtype, 'time'::regtype THEN
            -- Most times: a year of four digits, and a fraction of six or none.
            IF type = 'timestamptz'::regtype AND length(given) IN (22, 29)
                AND substr(given, 5, 1) = '-' AND right(given, 3) = '+00'
            THEN
                RETURN '"' || left(given, 10) || 'T' || substr(given, 12, length(given) - 14)
                    || 'Z"';
            END IF;
            -- Infinity and years before the first one stay as they are.
            parts := regexp_match(
                given, '^(?:(\d+)(-\d\d-\d\d)[ T])?(\d\d:\d\d:\d\d)(?:\.(\d+))?((?:\+00(?::00)?)?)$'
            );
            IF parts IS NULL THEN
                RETURN to_json(given)::text;
            END IF;
            fraction := rpad(coalesce(parts[4], ''), 6, '0');
            fraction := CASE
                WHEN fraction = '000000' THEN ''
                WHEN right(fraction, 3) = '000' THEN '.' || left(fraction, 3)
                ELSE '.' || fraction
            END;
            RETURN '"' || CASE WHEN length(parts[1]) > 4 THEN '+' ELSE '' END
                || coalesce(parts[1] || parts[2] || 'T', '') || parts[3] || fraction
                || CASE WHEN type = 'timestamptz'::regtype THEN 'Z"' ELSE '"' END;
        WHEN 'bytea'::regtype THEN
            RETURN '"' || substr(given, 3) || '"';
        WHEN 'inet'::regtype THEN
            RETURN to_json(CASE
                WHEN masklen(given::inet) = CASE family(given::inet) WHEN 4 THEN 32 ELSE 128 END
                THEN host(given::inet) ELSE given
            END)::text;
        ELSE
            RETURN to_json(given)::text;
    END CASE;
END
$audit$;

-- The items of an array of so many dimensions, each a text, by their type.
CREATE OR REPLACE FUNCTION {schema}.audit_items(items jsonb, dimensions integer, type oid)
RETURNS text
LANGUAGE sql STABLE
AS $audit$
    SELECT '[' || coalesce(string_agg(
        CASE
            WHEN dimensions > 1 THEN {schema}.audit_items(e.value, dimensions - 1, type)
            WHEN type IN ('json'::regtype, 'jsonb'::regtype) AND e.value <> 'null'
            THEN {schema}.audit_canonical((e.value #>> '{}')::jsonb, dimensions)
            ELSE {schema}.audit_scalar(e.value #>> '{}', type)
        END, ',' ORDER BY e.ordinality
    ), '') || ']'
    FROM jsonb_array_elements(items) WITH ORDINALITY AS e
$audit$;

-- What a type is in the end: a domain is what it stands for.
CREATE OR REPLACE FUNCTION {schema}.audit_base(type oid) RETURNS pg_type
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    known pg_type;
BEGIN
    SELECT t.* INTO known FROM pg_type AS t WHERE t.oid = type;
    WHILE known.typbasetype <> 0 LOOP
        SELECT t.* INTO known FROM pg_type AS t WHERE t.oid = known.typbasetype;
    END LOOP;
    RETURN known;
END
$audit$;

-- A value as JSON in the form of an entry, never null. `format` makes a text by the type's own
-- output; a cast, which the owner of a type can create, would run with the rights of this.
CREATE OR REPLACE FUNCTION {schema}.audit_value(value anyelement) RETURNS text
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    type oid := pg_typeof(value);
    given text;
    made text;
    known pg_type;
    item pg_type;
    attribute name;
    part text;
BEGIN
    IF value IS NOT DISTINCT FROM NULL THEN
        RETURN 'null';
    END IF;
    given := format('%s', value);
    IF type IN (
        'text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'int4'::regtype, 'int8'::regtype,
        'bool'::regtype, 'numeric'::regtype, 'timestamptz'::regtype, 'date'::regtype
    ) OR type = 'float8'::regtype AND length(given) <= 15 AND strpos(given, 'e') = 0 THEN
        RETURN coalesce({schema}.audit_scalar(given, type), to_json(given)::text);
    END IF;
    known := {schema}.audit_base(type);
    BEGIN
        IF known.oid IN ('json'::regtype, 'jsonb'::regtype) THEN
            made := {schema}.audit_canonical(given::jsonb);
        ELSIF known.typcategory = 'A' AND known.typelem <> 0 THEN
            item := {schema}.audit_base(known.typelem);
            IF item.typtype = 'c' AND given ~ '^[{]("|[}]|NULL)' THEN
                EXECUTE 'SELECT string_agg({schema}.audit_value(($1)[i]), '','' ORDER BY i) '
                    'FROM generate_subscripts($1, 1) AS i' INTO made USING value;
                made := '[' || coalesce(made, '') || ']';
            ELSIF item.typdelim = ',' THEN
                made := {schema}.audit_items(
                    to_jsonb(given::text[]), coalesce(array_ndims(given::text[]), 1), item.oid
                );
            END IF;
        ELSIF known.typtype = 'c' THEN
            FOR attribute IN
                SELECT a.attname FROM pg_attribute AS a
                WHERE a.attrelid = known.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                ORDER BY a.attname COLLATE "C"
            LOOP
                EXECUTE format('SELECT {schema}.audit_value(($1).%I)', attribute)
                    INTO part USING value;
                made := concat_ws(',', made, to_json(attribute::text)::text || ':' || part);
            END LOOP;
            made := '{' || made || '}';
        ELSE
            made := {schema}.audit_scalar(given, known.oid);
        END IF;
    EXCEPTION
        -- U+0000, a number that is too large, deeper than an entry goes: the text as it is. An
        -- error would quote it.
        WHEN data_exception OR program_limit_exceeded OR SQLSTATE 'AU003' THEN made := NULL;
    END;
    RETURN coalesce(made, to_json(given)::text);
END
$audit$;

-- Whether two values of a type that can be spelled in several ways, which numbers with a scale can,
-- are one value. Values of every other type are compared in the form of an entry.
CREATE OR REPLACE FUNCTION {schema}.audit_same(old anyelement, new anyelement) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    type oid := pg_typeof(old);
    known pg_type;
BEGIN
    IF old IS NOT DISTINCT FROM NULL OR new IS NOT DISTINCT FROM NULL OR type IN (
        'text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'int4'::regtype, 'int8'::regtype,
        'bool'::regtype, 'timestamptz'::regtype, 'date'::regtype
    ) THEN
        RETURN false;
    END IF;
    -- The handler below starts a subtransaction.
    BEGIN
        known := {schema}.audit_base(type);
        IF known.oid = 'numeric'::regtype THEN
            RETURN format('%s', old)::numeric = format('%s', new)::numeric;
        ELSIF known.oid IN ('json'::regtype, 'jsonb'::regtype) THEN
            RETURN format('%s', old)::jsonb = format('%s', new)::jsonb;
        ELSIF known.typcategory = 'A' AND known.typelem <> 0 THEN
            known := {schema}.audit_base(known.typelem);
            IF known.oid = 'numeric'::regtype THEN
                RETURN format('%s', old)::numeric[] = format('%s', new)::numeric[];
            ELSIF known.oid IN ('json'::regtype, 'jsonb'::regtype) THEN
                RETURN format('%s', old)::jsonb[] = format('%s', new)::jsonb[];
            END IF;
        END IF;
    EXCEPTION
        -- What is no `jsonb`, such as U+0000 in `json`. An error would quote it.
        WHEN data_exception OR program_limit_exceeded THEN NULL;
    END;
    RETURN false;
END
$audit$;

-- Whether a type has one text that says what its value is, of which a mask may show a part.
CREATE OR REPLACE FUNCTION {schema}.audit_is_text(type oid) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    known pg_type := {schema}.audit_base(type);
BEGIN
    -- Texts, enums, numbers, times, addresses.
    RETURN known.typcategory IN ('S', 'E', 'N', 'D', 'T', 'I', 'B') OR known.oid = 'uuid'::regtype;
END
$audit$;

-- Whether a value of a type has the form here that it has in the program, so that both make the
-- same token of it.
CREATE OR REPLACE FUNCTION {schema}.audit_is_same(type oid) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    known pg_type := {schema}.audit_base(type);
BEGIN
    IF known.typcategory = 'A' AND known.typelem <> 0 THEN
        known := {schema}.audit_base(known.typelem);
    END IF;
    RETURN known.oid IN ('uuid'::regtype, 'json'::regtype, 'jsonb'::regtype)
        OR known.typcategory IN ('S', 'E', 'N', 'D', 'I', 'B') AND known.oid <> 'money'::regtype;
END
$audit$;

-- What a value in the form of an entry is as a text: a key, or what a mask is made of.
CREATE OR REPLACE FUNCTION {schema}.audit_text(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
BEGIN
    RETURN CASE WHEN value = 'null' THEN '' WHEN left(value, 1) = '"' THEN value::json #>> '{}'
        ELSE value END;
END
$audit$;

-- A value in the form of an entry, as a mask shows it. Every other mask shows nothing, and none
-- shows a part of what is not a text.
CREATE OR REPLACE FUNCTION {schema}.audit_mask(value text, mask text, is_text boolean)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
DECLARE
    given text;
    size integer;
BEGIN
    IF value = 'null' THEN
        RETURN value;
    ELSIF NOT is_text OR left(value, 1) IN ('{', '[') THEN
        RETURN CASE mask WHEN 'last4' THEN '"****"' ELSE '"***"' END;
    ELSIF value IN ('true', 'false') THEN
        RETURN '"***"';
    END IF;
    given := {schema}.audit_text(value);
    size := char_length(given);
    RETURN to_json(CASE mask
        WHEN 'first_half' THEN repeat('*', (size + 1) / 2) || substr(given, (size + 1) / 2 + 1)
        WHEN 'last4' THEN '****' || CASE WHEN size >= 8 THEN right(given, 4) ELSE '' END
        WHEN 'email' THEN (
            SELECT CASE
                -- What is no address, such as a secret with an `@` in it, is fully hidden.
                WHEN given !~ '^[^\u0001-\u0020\u007f@<>()\[\]",;:\\]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$'
                    THEN '***'
                ELSE CASE WHEN d < size - 2 THEN left(given, 1) ELSE '' END
                    || '***@' || right(given, d)
            END
            -- How long what is after the last `@` is.
            FROM (
                SELECT size - char_length(regexp_replace(given, '[^@]*$', ''))
            ) AS domain(d)
        )
        ELSE '***'
    END)::text;
END
$audit$;

-- A change at a path, or null if both sides are the same; null as a side is no value at all.
CREATE OR REPLACE FUNCTION {schema}.audit_change(
    path text, old text, new text, mask text, is_text boolean
) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $audit$
BEGIN
    IF old IS NOT DISTINCT FROM new THEN
        RETURN NULL;
    END IF;
    IF mask IS NOT NULL THEN
        old := {schema}.audit_mask(old, mask, is_text);
        new := {schema}.audit_mask(new, mask, is_text);
    END IF;
    RETURN path || ':{'
        || concat_ws(',', '"new":' || new, '"old":' || old,
            CASE WHEN mask IS NOT NULL THEN '"redaction":"masked"' END)
        || '},';
END
$audit$;

-- The keys of hashed fields, as the two blocks that HMAC makes of one (RFC 2104). The highest
-- version makes the tokens.
CREATE TABLE IF NOT EXISTS {schema}.audit_hash_key (
    version integer PRIMARY KEY CHECK (version > 0),
    inner_block bytea NOT NULL,
    outer_block bytea NOT NULL
);

-- Gives the database the key of a version, so that triggers make the tokens of the program.
CREATE OR REPLACE FUNCTION {schema}.audit_set_hash_key(number integer, key bytea) RETURNS void
LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp
AS $audit$
DECLARE
    block bytea := CASE WHEN octet_length(key) > 64 THEN sha256(key) ELSE key END;
    one bytea := decode(repeat('36', 64), 'hex');
    other bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF octet_length(key) < 16 THEN
        RAISE EXCEPTION 'a hash key has 16 bytes or more, and this one has %', octet_length(key);
    END IF;
    FOR byte_index IN 0 .. octet_length(block) - 1 LOOP
        one := set_byte(one, byte_index, get_byte(one, byte_index) # get_byte(block, byte_index));
        other := set_byte(other, byte_index, get_byte(other, byte_index) # get_byte(block, byte_index));
    END LOOP;
    INSERT INTO {schema}.audit_hash_key VALUES (number, one, other) ON CONFLICT DO NOTHING;
    IF NOT EXISTS (
        SELECT FROM {schema}.audit_hash_key AS k WHERE k.version = number AND k.inner_block = one
    ) THEN
        RAISE EXCEPTION 'version % of the hash key is another key; give a new key a new version',
            number;
    END IF;
END
$audit$;

-- The change of a hashed field: with tokens if the database has a key and makes those of the
-- program, else masked.
CREATE OR REPLACE FUNCTION {schema}.audit_hashed_change(
    path text, old text, new text, domain text, is_same boolean
) RETURNS text
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    key record;
    given text[] := ARRAY[old, new];
BEGIN
    IF old IS NOT DISTINCT FROM new THEN
        RETURN NULL;
    END IF;
    SELECT k.version, k.inner_block, k.outer_block INTO key
    FROM {schema}.audit_hash_key AS k ORDER BY k.version DESC LIMIT 1;
    IF NOT FOUND OR NOT is_same THEN
        RETURN {schema}.audit_change(path, old, new, 'all', false);
    END IF;
    FOR side IN 1..2 LOOP
        CONTINUE WHEN given[side] IS NULL OR given[side] = 'null';
        given[side] := '"h' || key.version || ':' || left(encode(sha256(key.outer_block || sha256(
            key.inner_block || convert_to(domain, 'UTF8') || decode('00', 'hex')
                || convert_to(given[side], 'UTF8')
        )), 'hex'), 32) || '"';
    END LOOP;
    RETURN path || ':{' || concat_ws(',', '"new":' || given[2], '"old":' || given[1])
        || ',"redaction":"hashed"},';
END
$audit$;

-- The form in which a text is stored in a column that is searched (docs/format.md).
CREATE OR REPLACE FUNCTION {schema}.audit_key(given text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
AS $audit$
DECLARE
    escaped text := replace(given, E'\x01', E'\x01\x03');
    bytes bytea;
    size integer := 900;
    cut text;
BEGIN
    IF octet_length(escaped) <= 1000 THEN
        RETURN escaped;
    END IF;
    bytes := convert_to(escaped, 'UTF8');
    -- Not inside a character.
    WHILE get_byte(bytes, size) & 192 = 128 LOOP
        size := size - 1;
    END LOOP;
    cut := convert_from(substring(bytes FROM 1 FOR size), 'UTF8');
    IF right(cut, 1) = E'\x01' THEN
        cut := left(cut, -1);
    END IF;
    RETURN cut || E'\x01\x04' || encode(sha256(convert_to(given, 'UTF8')), 'hex');
END
$audit$;

-- A setting of the transaction; an empty one is none.
CREATE OR REPLACE FUNCTION {schema}.audit_setting(name text) RETURNS text
LANGUAGE sql STABLE
AS $audit$ SELECT nullif(current_setting('auditlog.' || name, true), '') $audit$;

-- What ties together the entries of this transaction: what the program said, or a UUID of
-- the database's own number for it.
CREATE OR REPLACE FUNCTION {schema}.audit_transaction_id() RETURNS uuid
LANGUAGE plpgsql STABLE
AS $audit$
DECLARE
    given text := {schema}.audit_setting('transaction_id');
    digits text;
BEGIN
    IF given ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        RETURN given::uuid;
    END IF;
    digits := md5(concat_ws(' ', current_database(), pg_current_xact_id(),
        extract(epoch FROM transaction_timestamp())));
    RETURN overlay(overlay(digits PLACING '8' FROM 13) PLACING 'a' FROM 17)::uuid;
END
$audit$;

-- Keeps the entries of rows that a statement wrote: of each object its key, its parent's key, its
-- other key if the statement changed it, its changes with a comma behind each, the changed fields as
-- `audit_append` takes them, and its level. All have one action, one table and one time: the current
-- one, unless a moment is given.
CREATE OR REPLACE FUNCTION {schema}.audit_capture(
    action text, model text, schema_version integer, object_pks text[], reprs text[],
    parent_model text, parent_pks text[], counterparts text[], changes text[], fields text[],
    levels smallint[], matching text, written text, given_moment timestamptz
) RETURNS void
LANGUAGE plpgsql
AS $audit$
DECLARE
    moment timestamptz := coalesce(given_moment, clock_timestamp());
    micros bigint := (extract(epoch FROM moment) * 1000000)::bigint;
    -- Of version 7: milliseconds, and the rest of the time in twelve bits.
    first_half text := lpad(to_hex(micros / 1000), 12, '0') || '7'
        || lpad(to_hex((micros % 1000) * 4096 / 1000), 3, '0');
    transaction uuid := {schema}.audit_transaction_id();
    actor text := {schema}.audit_setting('actor');
    kind text := coalesce({schema}.audit_setting('actor_kind'), 'user');
    correlation text := {schema}.audit_setting('correlation_id');
    model_key text := {schema}.audit_key(model);
    parent_model_key text := {schema}.audit_key(parent_model);
    actor_key text := {schema}.audit_key(actor);
    correlation_key text := {schema}.audit_key(correlation);
    stored bigint;
    before_changes text;
    before_model text;
    before_parent text;
    after_parent text;
BEGIN
    before_changes := '{"action":"' || action || '",' || coalesce(
        '"actor":{' || coalesce('"display":'
            || to_json({schema}.audit_setting('actor_display'))::text || ',', '')
        || '"id":' || to_json(actor)::text || ',"kind":"'
        || CASE WHEN kind IN ('service', 'system') THEN kind ELSE 'user' END || '"'
        || coalesce(',"on_behalf_of":'
            || to_json({schema}.audit_setting('on_behalf_of'))::text, '')
        || '},', '')
        || '"additional_data":{' || '"application":'
        || to_json(coalesce(current_setting('application_name', true), ''))::text
        || coalesce(',"matching":' || to_json(matching)::text, '') || ',"role":' || to_json(session_user::text)::text
        || ',"table":' || to_json(written)::text || '}';
    before_model := ',"model":' || to_json(model)::text || ',"object_pk":';
    before_parent := ',"outcome":"success"';
    after_parent :=
        coalesce(',"reason":' || to_json({schema}.audit_setting('reason'))::text, '')
        || coalesce(',"remote_addr":' || to_json(host(inet_client_addr()))::text
            || ',"remote_port":' || inet_client_port(), '')
        || ',"schema_version":' || schema_version
        || ',"source":{"service":"postgresql trigger"},"timestamp":"'
        || to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'
        || coalesce(',"trace_id":' || to_json({schema}.audit_setting('trace_id'))::text, '')
        || ',"transaction_id":"' || transaction || '","v":1}';
    -- Without `audit_append`, since no other entry has these ids.
    INSERT INTO {schema}.audit_entry (
        id, ts, level, action, outcome, model, object_pk, parent_model, parent_pk, actor,
        correlation_id, transaction_id, fields, changes, body, checksum
    )
    SELECT r.id, micros, r.level, action, 'success', model_key, {schema}.audit_key(r.object_pk),
        CASE WHEN r.parent_pk IS NOT NULL THEN parent_model_key END,
        {schema}.audit_key(r.parent_pk), actor_key, correlation_key, transaction,
        (string_to_array(r.fields, E'\x01\x05'))[2:],
        CASE WHEN strpos(r.object, '\u0001') > 0 THEN
            regexp_replace(r.object, '(?<!\\)((?:\\\\)*)\\u0001', '\1\\u0001\\u0003', 'g')
            ELSE r.object END::jsonb,
        r.body, sha256(convert_to(r.body, 'UTF8'))
    FROM (
        SELECT o.*, before_changes
            || coalesce(',"changes":' || o.object, '')
            || coalesce(',"correlation_id":' || to_json(correlation)::text, '')
            || coalesce(',"counterpart":{"model":' || to_json(model)::text
                || ',"object_pk":' || to_json(o.counterpart)::text || '}', '')
            || ',"id":"' || o.id || '","level":"'
            || CASE o.level WHEN 10 THEN 'DEBUG' WHEN 20 THEN 'INFO' WHEN 30 THEN 'WARNING'
                WHEN 40 THEN 'ERROR' ELSE 'CRITICAL' END || '"'
            || before_model || to_json(o.object_pk)::text
            || ',"object_repr":' || to_json(o.repr)::text || before_parent
            || coalesce(',"parent":{"model":' || to_json(parent_model)::text
                || ',"object_pk":' || to_json(o.parent_pk)::text || '}', '')
            || after_parent AS body
        FROM (
            SELECT (first_half || CASE
                    WHEN g.counterpart IS NULL THEN g.digits
                    -- Of one time, the ends come before the beginnings.
                    ELSE translate(left(g.digits, 1), CASE action WHEN 'delete' THEN 'ab' ELSE '89' END,
                        CASE action WHEN 'delete' THEN '89' ELSE 'ab' END) || substr(g.digits, 2)
                END)::uuid AS id, g.*,
                CASE WHEN g.changes <> '' THEN '{' || left(g.changes, -1) || '}' END AS object
            FROM (
                SELECT substr(replace(gen_random_uuid()::text, '-', ''), 17) AS digits, u.*
                FROM unnest(object_pks, reprs, parent_pks, counterparts, changes, fields, levels)
                    AS u(object_pk, repr, parent_pk, counterpart, changes, fields, level)
            ) AS g
            -- The planner would make an expression once for each use: the changes for the body and for their
            -- column, the body for itself and for its checksum.
            OFFSET 0
        ) AS o
        OFFSET 0
    ) AS r;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> cardinality(object_pks) THEN
        RAISE EXCEPTION '% of % audit entries were not stored', cardinality(object_pks) - stored,
            cardinality(object_pks)
            USING HINT = 'A trigger of audit_entry leaves them out: remove it.';
    END IF;
END
$audit$;

REVOKE EXECUTE ON FUNCTION {schema}.audit_capture, {schema}.audit_transaction_id,
    {schema}.audit_setting, {schema}.audit_hashed_change, {schema}.audit_set_hash_key FROM PUBLIC;
REVOKE ALL ON {schema}.audit_touched, {schema}.audit_hash_key FROM PUBLIC;

-- All objects belong to the trail's owner, whichever role ran this. Roles that read entries read notes.
DO $audit$
DECLARE
    keeper oid := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = '{schema}.audit_entry'::regclass);
    thing text;
BEGIN
    FOR thing IN
        SELECT 'FUNCTION ' || p.oid::regprocedure FROM pg_proc AS p
        WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = {schema_text})
            AND starts_with(p.proname, 'audit_')
            AND p.proowner <> keeper
        UNION ALL
        SELECT 'TABLE ' || c.oid::regclass FROM pg_class AS c
        WHERE c.oid IN ('{schema}.audit_touched'::regclass, '{schema}.audit_hash_key'::regclass)
            AND c.relowner <> keeper
    LOOP
        EXECUTE format('ALTER %s OWNER TO %s', thing, keeper::regrole);
    END LOOP;
    FOR thing IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = '{schema}.audit_entry'::regclass AND a.privilege_type = 'SELECT'
            AND a.grantee <> keeper
    LOOP
        EXECUTE format('GRANT SELECT ON {schema}.audit_touched TO %s', thing);
    END LOOP;
END
$audit$;
