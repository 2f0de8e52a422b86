-- Version 1. A script that was released never changes. It may be run again: DDL is not
-- transactional here, and the next process resumes after one that was killed. The table has its
-- name when it has its triggers, without which an entry could be overwritten.

-- `body` is the entry, `checksum` its SHA-256; every other column is a projection of it. The texts are in their key
-- form, in which they fit an index (docs/format.md), as bytes: no collation, no padding.
CREATE TABLE IF NOT EXISTS audit_entry_unfinished (
    id             binary(16)      NOT NULL PRIMARY KEY,
    ts             bigint          NOT NULL,
    level          smallint        NOT NULL,
    action         varbinary(1000) NOT NULL,
    outcome        varbinary(20)   NOT NULL,
    model          varbinary(1000) NOT NULL,
    object_pk      varbinary(1000) NOT NULL,
    parent_model   varbinary(1000),
    parent_pk      varbinary(1000),
    actor          varbinary(1000),
    correlation_id varbinary(1000),
    transaction_id binary(16),
    fields         longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    body           longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    checksum       binary(32)      NOT NULL,
    KEY audit_entry_time (ts, id),
    KEY audit_entry_object (model, object_pk, ts, id),
    KEY audit_entry_model (model, ts, id),
    KEY audit_entry_actor (actor, ts, id),
    KEY audit_entry_correlation (correlation_id, ts, id),
    KEY audit_entry_parent (parent_model, parent_pk, ts, id),
    KEY audit_entry_transaction (transaction_id, ts, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The statement that keeps entries "updates" one that is there already: to what it is, which
-- changes nothing, or to another one, which fails here.
CREATE TRIGGER IF NOT EXISTS audit_entry_keep BEFORE UPDATE ON audit_entry_unfinished FOR EACH ROW
BEGIN
    DECLARE problem varchar(128);
    IF NOT (NEW.id <=> OLD.id AND NEW.ts <=> OLD.ts AND NEW.level <=> OLD.level
        AND NEW.action <=> OLD.action AND NEW.outcome <=> OLD.outcome
        AND NEW.model <=> OLD.model AND NEW.object_pk <=> OLD.object_pk
        AND NEW.parent_model <=> OLD.parent_model AND NEW.parent_pk <=> OLD.parent_pk
        AND NEW.actor <=> OLD.actor AND NEW.correlation_id <=> OLD.correlation_id
        AND NEW.transaction_id <=> OLD.transaction_id
        AND CAST(NEW.fields AS binary) <=> CAST(OLD.fields AS binary)
        AND CAST(NEW.body AS binary) <=> CAST(OLD.body AS binary)
        AND NEW.checksum <=> OLD.checksum)
    THEN
        SET problem = CONCAT('another audit entry has the id ', LOWER(HEX(OLD.id)),
            ', and an entry cannot be changed');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = problem;
    END IF;
END;

-- Retention sets `@auditlog_retention` to 1 in its session, and back to NULL.
CREATE TRIGGER IF NOT EXISTS audit_entry_stay BEFORE DELETE ON audit_entry_unfinished FOR EACH ROW
BEGIN
    IF NOT (@auditlog_retention <=> 1) THEN
        SIGNAL SQLSTATE '45000'
            SET MESSAGE_TEXT = 'an audit entry can be removed only by retention';
    END IF;
END;

RENAME TABLE audit_entry_unfinished TO audit_entry;
