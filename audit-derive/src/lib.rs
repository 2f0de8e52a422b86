//! The derive macro of auditlog.
