-- Version 1. A script that was released never changes.

CREATE VIEW audit_log AS SELECT
    TIMESTAMP('1970-01-01 00:00:00') + INTERVAL ts MICROSECOND AS time_utc,
    CASE level WHEN 10 THEN 'DEBUG' WHEN 20 THEN 'INFO' WHEN 30 THEN 'WARNING'
               WHEN 40 THEN 'ERROR' WHEN 50 THEN 'CRITICAL' END AS level,
    CONVERT(actor USING utf8mb4) AS actor,
    CONVERT(action USING utf8mb4) AS action,
    CONVERT(outcome USING utf8mb4) AS outcome,
    CONVERT(model USING utf8mb4) AS model,
    CONVERT(object_pk USING utf8mb4) AS object_pk,
    JSON_UNQUOTE(JSON_EXTRACT(body, '$.object_repr')) AS object_repr,
    JSON_EXTRACT(body, '$.changes') AS changes,
    JSON_UNQUOTE(JSON_EXTRACT(body, '$.reason')) AS reason,
    CONVERT(correlation_id USING utf8mb4) AS correlation_id,
    ts, id
FROM audit_entry;
