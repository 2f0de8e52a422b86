SELECT c.paired, c.paired AND EXISTS (
    SELECT FROM (
        SELECT {columns}, row_number() OVER () AS "an auditlog row number"
        FROM auditlog_old AS {alias}
    ) AS o JOIN (
        SELECT {columns}, row_number() OVER () AS "an auditlog row number"
        FROM auditlog_new AS {alias}
    ) AS n ON o."an auditlog row number" = n."an auditlog row number" WHERE {moved}
)
INTO auditlog.paired, auditlog.moved FROM (
    SELECT (SELECT count(*) FROM auditlog_old) = (SELECT count(*) FROM auditlog_new) AS paired
) AS c;
