//! Entries of a transaction are written together or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use auditlog::backend::IntoPending as _;
use auditlog::prelude::*;
use auditlog::{Error, testing};
use futures::executor::block_on;

#[derive(Auditable, Clone, Debug)]
struct Item {
    id: u32,
    count: u32,
}

fn event(name: &'static str) -> auditlog::Result<Receipt> {
    auditlog::event(name).record()
}

fn names(audit: &testing::Capture) -> Vec<String> {
    audit
        .entries()
        .iter()
        .map(|entry| entry.action.to_string())
        .collect()
}

#[test]
fn success_writes_one_batch_with_one_id() {
    let audit = testing::capture();
    auditlog::transaction(|| {
        event("one")?;
        assert!(
            audit.entries().is_empty(),
            "nothing is written before the end"
        );
        auditlog::event("two").submit().wait()?;
        event("three").map(drop)
    })
    .expect("a transaction");
    let entries = audit.entries();
    assert_eq!(names(&audit), ["one", "two", "three"]);
    let id = entries[0].transaction_id.expect("a transaction id");
    assert!(entries.iter().all(|entry| entry.transaction_id == Some(id)));
    assert_eq!(
        LogEntry::objects()
            .transaction(id)
            .count()
            .expect("a count"),
        3
    );
}

#[test]
fn errors_panics_and_drops_write_nothing() {
    let audit = testing::capture();
    let failed: Result<(), Error> = auditlog::transaction(|| {
        event("phantom")?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        auditlog::transaction(|| -> auditlog::Result<()> {
            event("phantom")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    let transaction = auditlog::begin();
    event("phantom").expect("a receipt");
    assert_eq!(transaction.len(), 1);
    transaction.rollback();
    assert!(audit.entries().is_empty());
    event("real").expect("a receipt");
    assert_eq!(names(&audit), ["real"]);
    assert_eq!(audit.last().expect("an entry").transaction_id, None);
}

#[test]
fn an_inner_transaction_is_a_part_of_the_outer_one() {
    let audit = testing::capture();
    auditlog::transaction(|| {
        event("outer")?;
        auditlog::transaction(|| event("inner"))?;
        let failed: Result<(), Error> = auditlog::transaction(|| {
            event("phantom")?;
            Err(Error::ShutDown)
        });
        assert!(failed.is_err());
        assert!(audit.entries().is_empty());
        Ok::<(), Error>(())
    })
    .expect("a transaction");
    assert_eq!(names(&audit), ["outer", "inner"]);
    let entries = audit.entries();
    assert_eq!(entries[0].transaction_id, entries[1].transaction_id);

    audit.clear();
    let failed: Result<(), Error> = auditlog::transaction(|| {
        auditlog::transaction(|| event("inner"))?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert!(
        audit.entries().is_empty(),
        "what succeeded inside fails with the outer one"
    );
}

#[test]
fn logs_do_not_share_transactions() {
    let audit = testing::capture();
    let other = AuditLog::builder().build();
    let _open = auditlog::begin();
    other.event("elsewhere").record().expect("a receipt");
    assert_eq!(other.query().count().expect("a count"), 1);
    event("kept back").expect("a receipt");
    assert!(audit.entries().is_empty());
}

#[test]
fn an_async_transaction_keeps_its_entries_across_awaits() {
    let audit = testing::capture();
    let turn = || async {
        let mut ready = false;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut ready, true) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    };
    let task = |name: &'static str, fails: bool| {
        auditlog::transaction_async(async move {
            event(name)?;
            turn().await;
            event(name)?;
            if fails { Err(Error::ShutDown) } else { Ok(()) }
        })
    };
    let (one, two) = block_on(futures::future::join(
        task("good", false),
        task("bad", true),
    ));
    assert!(one.is_ok() && two.is_err());
    assert_eq!(names(&audit), ["good", "good"]);
    let ids: Vec<_> = audit
        .entries()
        .iter()
        .map(|entry| entry.transaction_id)
        .collect();
    assert!(ids[0].is_some() && ids[0] == ids[1]);

    audit.clear();
    let mut cancelled = Box::pin(auditlog::transaction_async(async {
        event("phantom")?;
        std::future::pending::<auditlog::Result<()>>().await
    }));
    assert!(block_on(futures::future::poll_immediate(&mut cancelled)).is_none());
    drop(cancelled);
    assert!(audit.entries().is_empty());
}

#[test]
fn a_tracked_object_records_when_it_is_saved() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let mut item = Tracked::new(Item { id: 1, count: 1 });
    item.count = 2;
    assert_eq!(item.changes().unwrap()["count"].new, Some(2.into()));
    let failed: Result<(), Error> = item.save(|_| Err(Error::ShutDown));
    assert!(failed.is_err());
    assert!(
        audit.entries().is_empty(),
        "what was not saved is not recorded"
    );
    let saved: Result<u32, Error> = item.save(|item| Ok(item.count));
    assert_eq!(saved.expect("saved"), 2);
    assert_eq!(audit.entries().len(), 1);
    assert!(item.changes().unwrap().is_empty());

    item.count = 3;
    item.discard();
    assert_eq!(item.count, 2);
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 0);

    let mut forgotten = Tracked::new(Item { id: 2, count: 1 });
    forgotten.count = 9;
    drop(forgotten);
    assert_eq!(audit.log().stats().unrecorded, 1);
    let mut taken = Tracked::new(Item { id: 3, count: 1 });
    taken.count = 9;
    assert_eq!(taken.into_inner().count, 9);
    assert_eq!(audit.log().stats().unrecorded, 1);
}

#[test]
fn a_tracked_object_of_a_failed_transaction_is_unrecorded_again() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let mut item = Tracked::new(Item { id: 1, count: 1 });
    item.count = 2;
    let failed: Result<(), Error> = auditlog::transaction(|| {
        item.save(|_| Ok::<(), Error>(()))?;
        assert!(item.changes().unwrap().is_empty());
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert_eq!(item.changes().unwrap()["count"].old, Some(1.into()));
    assert!(auditlog::disabled(|| item.record()).is_ok());
    assert_eq!(
        item.changes().unwrap().len(),
        1,
        "what was skipped is not recorded"
    );
    let saved: Result<(), Error> = auditlog::transaction(|| item.save(|_| Ok(())));
    assert!(saved.is_ok());
    assert!(item.changes().unwrap().is_empty());
    item.count = 3;
    item.record().expect("a receipt");
    drop(item);
    let counts: Vec<_> = audit
        .entries()
        .iter()
        .map(|entry| entry.changes["count"].new.clone())
        .collect();
    assert_eq!(counts, [Some(2.into()), Some(3.into())]);
    assert_eq!(audit.log().stats().unrecorded, 0);
}

#[test]
fn a_tracked_object_is_written_into_a_transaction_of_the_callers_own() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let mut item = Tracked::new(Item { id: 7, count: 1 });
    item.count = 2;
    let pending = item.draft().reason("ticket 7").into_pending();
    let pending = pending.expect("an entry");
    assert_eq!(pending.entries()[0].reason.as_deref(), Some("ticket 7"));
    drop(pending);
    assert_eq!(item.changes().unwrap().len(), 1, "nobody wrote it");

    let pending = item.into_pending().expect("an entry");
    assert_eq!(pending.entries()[0].changes["count"].old, Some(1.into()));
    assert!(matches!(pending.confirm(), Receipt::Recorded(_)));
    assert!(item.changes().unwrap().is_empty());
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 0);
    assert!(audit.entries().is_empty(), "it was written elsewhere");
}

#[test]
fn a_unit_takes_tracked_objects() {
    let audit = testing::capture();
    auditlog::register::<Item>();
    let mut item = Tracked::new(Item { id: 7, count: 1 });
    item.count = 2;
    let mut unit = auditlog::unit();
    unit.add(item.draft().reason("ticket 7"));
    unit.discard();
    assert_eq!(item.changes().unwrap().len(), 1, "nobody wrote it");

    let mut unit = auditlog::unit();
    unit.tracked(&mut item);
    item.count = 3;
    unit.tracked(&mut item);
    let pending = unit.into_pending().expect("entries");
    let news: Vec<_> = pending
        .entries()
        .iter()
        .map(|entry| entry.changes["count"].new.clone())
        .collect();
    assert_eq!(news, [Some(2.into()), Some(3.into())]);
    pending.confirm();
    drop(item);
    assert_eq!(audit.log().stats().unrecorded, 0);

    // What is not recorded stays unrecorded, and nobody is warned of it.
    let mut item = Tracked::new(Item { id: 7, count: 1 });
    item.count = 2;
    let pending = auditlog::disabled(|| item.into_pending()).expect("nothing");
    assert!(pending.entries().is_empty());
    pending.confirm();
    assert_eq!(item.changes().unwrap().len(), 1);
    item.discard();
}

#[test]
fn an_async_transaction_is_written_into_one_of_the_callers_own() {
    let audit = testing::capture();
    let work = async {
        event("one")?;
        auditlog::event("two").submit().await?;
        Ok::<_, Error>(7)
    };
    let (value, pending) = block_on(auditlog::transaction_async(work).pending()).expect("entries");
    assert_eq!(value, 7);
    let id = pending.entries()[0].transaction_id.expect("an id");
    assert!(
        pending
            .entries()
            .iter()
            .all(|entry| entry.transaction_id == Some(id))
    );
    assert_eq!(pending.confirm().len(), 2);
    assert!(audit.entries().is_empty(), "they were written elsewhere");

    let failing = async {
        event("phantom")?;
        Err::<(), _>(Error::ShutDown)
    };
    assert!(block_on(auditlog::transaction_async(failing).pending::<Error>()).is_err());
    let inside = auditlog::transaction_async(async {
        let inner = auditlog::transaction_async(async { event("part") }).pending();
        assert!(matches!(inner.await, Err(Error::PartOfTransaction)));
        Ok::<_, Error>(())
    });
    block_on(inside).expect("an end");
    assert!(audit.entries().is_empty());
}
