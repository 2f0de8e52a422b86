CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601' SET bytea_output = 'hex'
    SET extra_float_digits = 1 SET standard_conforming_strings = on SET array_nulls = on
    SET row_security = off SET jit = off SET enable_nestloop = off
    SET plan_cache_mode = force_generic_plan
AS $audit$
<<auditlog>>
DECLARE
    paired boolean;
    moved boolean;
    moment timestamptz;
BEGIN
    {body}
    RETURN NULL;
END
$audit$;
REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC;
COMMENT ON FUNCTION {function}() IS {comment};
