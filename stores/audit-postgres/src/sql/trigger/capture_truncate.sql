PERFORM {schema}.audit_capture(
    'delete', {model}, {version}, ARRAY[''], ARRAY[{repr}], NULL, NULL, NULL, ARRAY[''], ARRAY[''],
    ARRAY[{level}::smallint], 'TRUNCATE', {written}, NULL);
