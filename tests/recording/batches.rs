//! Many drafts in one batch.

use auditlog::prelude::*;
use auditlog::{Error, testing};

use crate::user::{User, bob, captured};

#[test]
fn a_batch_is_all_or_nothing() {
    let audit = testing::capture();
    auditlog::register_with::<User>(auditlog::RegisterOptions::require_reason).expect("options");
    let drafts = [auditlog::event("one"), auditlog::created(&bob())];
    assert!(matches!(
        auditlog::record_all(drafts),
        Err(Error::ReasonRequired { .. })
    ));
    assert!(audit.entries().is_empty());
    let drafts = [
        auditlog::event("one"),
        auditlog::created(&bob()).reason("why"),
    ];
    let receipts = auditlog::record_all(drafts).expect("receipts");
    assert_eq!(receipts.len(), 2);
    assert!(receipts.iter().all(Receipt::is_recorded));
}

#[test]
fn a_batch_takes_drafts_of_its_own_log_only() {
    let audit = captured();
    let other = AuditLog::builder().build();
    let error = auditlog::record_all([other.event("elsewhere")]).expect_err("another log");
    assert!(matches!(error, Error::OtherLog), "{error}");
    assert!(audit.entries().is_empty());
}
