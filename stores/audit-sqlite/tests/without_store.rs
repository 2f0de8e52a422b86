//! A log that was installed without a store: it serves the caller's own transactions alone.

mod scratch;

use std::error::Error as _;

use audit_core::{AuditLog, Error, StoreError};
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{RecordIn as _, install};

/// The one test of its process, since a program installs once.
#[test]
fn it_records_in_the_callers_transaction_and_nowhere_else() {
    let log = AuditLog::builder().install().unwrap();
    let refused = |error: Error| {
        assert!(
            matches!(error, Error::Store(StoreError::NoStore)),
            "{error:?}"
        );
        let text = error.to_string() + &error.source().map(ToString::to_string).unwrap_or_default();
        assert!(text.contains("installed without a store"), "{text}");
        assert!(text.contains("record_in"), "{text}");
    };
    let event = || audit_core::event("charged");
    refused(event().record().unwrap_err());
    refused(event().submit().wait().unwrap_err());
    refused(log.record_all([event(), event()]).unwrap_err());
    refused(audit_core::transaction(|| event().record()).unwrap_err());
    refused(log.query().count().unwrap_err());
    refused(log.query().first().unwrap_err());
    log.flush().unwrap();

    let mut connection = Connection::open(scratch::file("app.db")).unwrap();
    install(&connection).unwrap();
    let transaction = connection.transaction().unwrap();
    assert!(event().record_in(&transaction).unwrap().is_recorded());
    transaction.commit().unwrap();
    let count = connection.query_row("SELECT count(*) FROM audit_entry", [], |row| row.get(0));
    assert_eq!(count, Ok(1));
    log.shutdown().unwrap();
}
