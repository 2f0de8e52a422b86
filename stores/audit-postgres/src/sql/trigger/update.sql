{find_moved}
{updated}
IF auditlog.moved THEN
    auditlog.moment := clock_timestamp();
    {old_keys}
    {new_keys}
END IF;
