//! Statements that must change nothing.

pub(crate) const FORBIDDEN_SQL: [&str; 12] = [
    "DELETE FROM audit_entry",
    "DELETE FROM audit_entry WHERE seq = 2",
    "UPDATE audit_entry SET body = '{}' WHERE seq = 2",
    "UPDATE audit_entry SET actor = 'mallory'",
    "UPDATE OR IGNORE audit_entry SET seq = seq + 100",
    "REPLACE INTO audit_entry SELECT * FROM audit_entry",
    "REPLACE INTO audit_entry SELECT seq, randomblob(16), ts, level, 'x', outcome, model, \
     object_pk, NULL, NULL, NULL, NULL, NULL, checksum, '{}' FROM audit_entry",
    "REPLACE INTO audit_entry SELECT seq + 100, id, ts, level, 'x', outcome, model, \
     object_pk, NULL, NULL, NULL, NULL, NULL, checksum, '{}' FROM audit_entry",
    "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE true \
     ON CONFLICT DO UPDATE SET body = '{}'",
    "DELETE FROM audit_change",
    "UPDATE audit_change SET field = 'x'",
    "UPDATE audit_change SET seq = 1",
];
