//! Tracked objects that are dropped: which of their changes count as unrecorded.

use auditlog::prelude::*;
use auditlog::{Error, testing};
use futures::executor::block_on;

#[derive(Auditable, Clone)]
struct Item {
    id: u32,
    qty: u32,
}

fn tracked(audit: &testing::Capture) -> auditlog::Tracked<Item> {
    audit.log().register::<Item>();
    audit.log().track(Item { id: 1, qty: 1 })
}

#[test]
fn what_a_failed_transaction_drops_is_not_unrecorded() {
    let audit = testing::capture();
    let unrecorded = || audit.log().stats().unrecorded;
    // Recorded, then failed; failed before it was recorded; an inner one that failed.
    let failed: Result<(), Error> = auditlog::transaction(|| {
        let mut item = tracked(&audit);
        item.qty = 2;
        item.record()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    let failed: Result<(), Error> = auditlog::transaction(|| {
        let mut item = tracked(&audit);
        item.qty = 2;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    let mut item = tracked(&audit);
    let failed: Result<(), Error> = auditlog::transaction(|| {
        item.qty = 2;
        item.record()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    drop(item);
    let failed: Result<(), Error> = block_on(auditlog::transaction_async(async {
        let mut item = tracked(&audit);
        item.qty = 2;
        Err(Error::ShutDown)
    }));
    assert!(failed.is_err());
    let failed: Result<(), Error> = auditlog::transaction(|| {
        auditlog::transaction(|| {
            let mut item = tracked(&audit);
            item.qty = 2;
            Ok::<_, Error>(())
        })?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert_eq!(unrecorded(), 0);
}

#[test]
fn what_a_committed_transaction_drops_is_unrecorded() {
    let audit = testing::capture();
    auditlog::transaction(|| {
        let mut item = tracked(&audit);
        item.qty = 2;
        drop(item);
        assert_eq!(audit.log().stats().unrecorded, 0);
        auditlog::transaction(|| {
            let mut item = tracked(&audit);
            item.qty = 2;
            Ok::<_, Error>(())
        })
    })
    .unwrap();
    assert_eq!(audit.log().stats().unrecorded, 2);
}

#[test]
fn what_changed_after_a_failure_is_unrecorded() {
    let audit = testing::capture();
    let mut item = tracked(&audit);
    let failed: Result<(), Error> = auditlog::transaction(|| {
        item.qty = 2;
        item.record()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    item.qty = 3;
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 1);
}

#[test]
fn a_save_that_failed_leaves_nothing_to_record() {
    let audit = testing::capture();
    let mut item = tracked(&audit);
    item.qty = 2;
    let failed = item.save(|_| Err::<(), _>(Error::ShutDown));
    assert!(failed.is_err());
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 0);

    let mut item = tracked(&audit);
    item.qty = 2;
    let failed = item.save(|_| Err::<(), _>(Error::ShutDown));
    assert!(failed.is_err());
    item.qty = 3;
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 1);
}
