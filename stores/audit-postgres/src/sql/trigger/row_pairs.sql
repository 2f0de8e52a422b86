(
    SELECT {columns},
        CASE WHEN auditlog.paired THEN row_number() OVER () ELSE 0 END AS "an auditlog row number",
        CASE WHEN auditlog.paired THEN '' ELSE {key} END AS "an auditlog key"
    FROM auditlog_old AS {alias}
) AS o JOIN (
    SELECT {columns},
        CASE WHEN auditlog.paired THEN row_number() OVER () ELSE 0 END AS "an auditlog row number",
        CASE WHEN auditlog.paired THEN '' ELSE {key} END AS "an auditlog key"
    FROM auditlog_new AS {alias}
) AS n ON o."an auditlog row number" = n."an auditlog row number"
    AND o."an auditlog key" = n."an auditlog key"
