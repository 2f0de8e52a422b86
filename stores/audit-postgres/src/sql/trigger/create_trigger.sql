CREATE TRIGGER auditlog_{event} {time} {EVENT} ON {table}{referencing}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
