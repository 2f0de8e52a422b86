IF lower(current_setting('auditlog.audited', true)) IN ('on', 'true', 'yes', '1') THEN
    {watched}
ELSE
    {recorded}
END IF;
