//! The three forms of recording, on everything that can be recorded.

use std::sync::Arc;

use audit_testkit::{Fault, FaultStore};
use auditlog::backend::IntoPending;
use auditlog::prelude::*;
use auditlog::{Error, StoreError, testing};
use futures::executor::block_on;

#[derive(Auditable, Clone, Debug)]
struct Item {
    id: u32,
    count: u32,
}

fn item(id: u32) -> Item {
    Item { id, count: 1 }
}

fn counts(audit: &testing::Capture) -> Vec<(String, u64)> {
    let entries = audit.entries();
    let count = |entry: &LogEntry| entry.changes["count"].new.as_ref()?.as_u64();
    entries
        .iter()
        .map(|entry| (entry.object_pk.clone(), count(entry).expect("a count")))
        .collect()
}

fn changed(tracked: &mut Tracked<Item>) -> &mut Tracked<Item> {
    tracked.count += 1;
    tracked
}

/// Records as an adapter of a database driver does.
fn record_in<D: IntoPending>(
    draft: D,
    transaction: &mut Vec<LogEntry>,
) -> auditlog::Result<D::Receipts> {
    let pending = draft.into_pending()?;
    transaction.extend_from_slice(pending.entries());
    Ok(pending.confirm())
}

#[test]
fn each_has_all_three_and_fitting_receipts() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let items = [item(1), item(2)];
    let draft = || auditlog::created(&items[0]);
    let drafts = || auditlog::created_many(&items);
    let unit = || {
        let mut unit = auditlog::unit();
        unit.created(&items[0]).created(&items[1]);
        unit
    };
    let pending = || {
        let transaction = auditlog::begin();
        draft().record().expect("kept back");
        draft().record().expect("kept back");
        transaction.pending().expect("entries")
    };
    let mut tracked = Tracked::new(item(1));
    let of_one = |receipt: Receipt| assert!(receipt.is_recorded(), "{receipt:?}");
    let of_two = |receipts: Vec<Receipt>| {
        assert_eq!(receipts.len(), 2);
        assert!(receipts.iter().all(Receipt::is_recorded), "{receipts:?}");
    };

    of_one(draft().record().expect("recorded"));
    of_two(drafts().record().expect("recorded"));
    of_two(unit().record().expect("recorded"));
    of_two(pending().record().expect("recorded"));
    of_one(changed(&mut tracked).record().expect("recorded"));
    assert_eq!(audit.entries().len(), 8);

    of_one(draft().submit().wait().expect("recorded"));
    of_two(block_on(drafts().submit()).expect("recorded"));
    of_two(unit().submit().wait().expect("recorded"));
    of_two(block_on(pending().submit()).expect("recorded"));
    of_one(changed(&mut tracked).submit().wait().expect("recorded"));
    assert_eq!(audit.entries().len(), 16);

    let mut transaction = Vec::new();
    of_one(record_in(draft(), &mut transaction).expect("recorded"));
    of_two(record_in(drafts(), &mut transaction).expect("recorded"));
    of_two(record_in(unit(), &mut transaction).expect("recorded"));
    of_two(record_in(pending(), &mut transaction).expect("recorded"));
    of_one(record_in(changed(&mut tracked), &mut transaction).expect("recorded"));
    assert_eq!(transaction.len(), 8);
    assert_eq!(audit.entries().len(), 16);
    drop(tracked);
    assert_eq!(audit.log().stats().unrecorded, 0);
}

#[test]
fn units_and_pending_entries_are_part_of_an_open_transaction() {
    let audit = testing::capture();
    let first = auditlog::begin();
    auditlog::event("kept back").record().expect("kept back");
    let pending = first.pending().expect("entries");
    let transaction = auditlog::begin();
    let id = transaction.id();
    pending.record().expect("kept back");
    let mut unit = auditlog::unit();
    unit.event("in a unit");
    unit.submit().wait().expect("kept back");
    assert!(audit.entries().is_empty());
    assert_eq!(transaction.len(), 2);
    transaction.commit().expect("committed");
    let ids: Vec<_> = audit.entries().iter().map(|e| e.transaction_id).collect();
    assert_eq!(ids, [Some(id), Some(id)]);
}

#[test]
fn a_draft_of_a_tracked_object_takes_a_reason_and_counts_as_recorded() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let mut tracked = Tracked::new(item(7));
    tracked.count = 2;
    drop(tracked.draft());
    assert_eq!(tracked.changes().expect("changes").len(), 1);
    let draft = tracked.draft().reason("ticket 4711");
    draft.record().expect("recorded");
    assert_eq!(
        audit.last().expect("an entry").reason.as_deref(),
        Some("ticket 4711")
    );
    assert!(tracked.changes().expect("changes").is_empty());

    let failed: Result<(), Error> = auditlog::transaction(|| {
        tracked.count = 3;
        tracked.draft().reason("ticket 4712").submit().wait()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert_eq!(tracked.changes().expect("changes").len(), 1);
    tracked.record().expect("recorded");
    assert_eq!(counts(&audit), [("7".to_owned(), 2), ("7".to_owned(), 3)]);
}

#[test]
fn what_could_not_be_written_in_the_background_is_unrecorded_again() {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    log.register::<Item>();
    let mut tracked = log.track(item(7));
    tracked.count = 2;
    store.fail_appends(Fault::Before(StoreError::Full {
        location: "the disk".into(),
    }));
    assert!(tracked.submit().wait().is_err());
    assert_eq!(tracked.changes().expect("changes").len(), 1);
    store.heal();
    let ticket = tracked.submit();
    log.flush().expect("flushed");
    // The result stays in the ticket, and the object counts its changes as recorded.
    assert!(tracked.changes().expect("changes").is_empty());
    assert!(ticket.wait().expect("recorded").is_recorded());
    drop(tracked);
    assert_eq!(log.stats().unrecorded, 0);
}
