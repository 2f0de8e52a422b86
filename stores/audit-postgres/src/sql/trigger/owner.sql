DO $audit$
BEGIN
    EXECUTE format('ALTER FUNCTION %s OWNER TO %s', {function_text}, (
        SELECT c.relowner::regrole FROM pg_class AS c WHERE c.oid = {trail_text}::regclass));
END
$audit$;
