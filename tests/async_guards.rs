//! Guards that futures of one thread hold across `.await`, and the forms for futures.

use std::future::{Future, poll_fn};
use std::sync::Mutex;
use std::task::Poll;

use auditlog::prelude::*;
use auditlog::{Error, Result, testing};
use futures::executor::block_on;
use futures::future::join;
use futures::stream::{self, Stream, StreamExt as _};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        WARNINGS.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// Lets the other futures of the task run once.
async fn turn() {
    let mut first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

fn seen(audit: &testing::Capture) -> Vec<String> {
    let entries = audit.entries();
    audit.clear();
    let line = |entry: &LogEntry| format!("{} by {}", entry.action, entry.actor());
    entries.iter().map(line).collect()
}

async fn request(who: &'static str) {
    let _who = auditlog::context().actor(who).enter();
    turn().await;
    auditlog::event("asked").record().unwrap();
}

async fn in_a_guard(turns: usize, fails: bool) -> Result<()> {
    let transaction = auditlog::begin();
    auditlog::event("first").record()?;
    for _ in 0..turns {
        turn().await;
    }
    auditlog::event("second").record()?;
    if fails {
        return Err(Error::ShutDown);
    }
    transaction.commit()
}

async fn in_a_future(turns: usize, fails: bool) -> Result<()> {
    auditlog::transaction_async(async move {
        auditlog::event("first").record()?;
        for _ in 0..turns {
            turn().await;
        }
        auditlog::event("second").record()?;
        if fails { Err(Error::ShutDown) } else { Ok(()) }
    })
    .await
}

fn is_mixed(result: &Result<()>) -> bool {
    matches!(result, Err(Error::TransactionMixed))
}

#[test]
fn transactions_that_mix_fail_their_commit() {
    let audit = testing::capture();
    // One future rolls back while the other commits, and the other way round.
    let (kept, failed) = block_on(async { join(in_a_guard(1, false), in_a_guard(1, true)).await });
    assert!(is_mixed(&kept), "{kept:?}");
    assert!(failed.is_err());
    let (failed, kept) = block_on(async { join(in_a_guard(1, true), in_a_guard(1, false)).await });
    assert!(is_mixed(&kept), "{kept:?}");
    assert!(failed.is_err());
    let (one, two) = block_on(async { join(in_a_guard(1, false), in_a_guard(1, false)).await });
    assert!(is_mixed(&one) && is_mixed(&two), "{one:?} {two:?}");
    assert!(seen(&audit).is_empty());

    // Later entries are not affected.
    auditlog::transaction(|| auditlog::event("later").record()).unwrap();
    assert_eq!(seen(&audit), ["later by (unknown)"]);
}

#[test]
fn a_draft_in_a_mixed_transaction_is_refused() {
    let audit = testing::capture();
    let outer = auditlog::begin();
    let inner = auditlog::begin();
    drop(outer);
    let refused = auditlog::event("lost").record();
    assert!(
        matches!(refused, Err(Error::TransactionMixed)),
        "{refused:?}"
    );
    // No future is there: the order is the mistake.
    let text = refused.expect_err("it is mixed").to_string();
    assert!(text.contains("end the inner one first"), "{text}");
    assert!(is_mixed(&inner.commit()));
    assert!(seen(&audit).is_empty());
}

#[test]
fn futures_in_transactions_do_not_mix() {
    let audit = testing::capture();
    for (one, two) in [(1, 1), (1, 2), (2, 1), (3, 0)] {
        let (kept, failed) =
            block_on(async { join(in_a_future(one, false), in_a_future(two, true)).await });
        kept.unwrap();
        assert!(failed.is_err());
        assert_eq!(seen(&audit), ["first by (unknown)", "second by (unknown)"]);
    }
}

#[test]
fn a_future_keeps_the_guards_it_holds() {
    let audit = testing::capture();
    // Of transactions, inside a transaction or a context.
    let both = block_on(async {
        join(
            auditlog::transaction_async(in_a_guard(1, false)),
            auditlog::transaction_async(in_a_guard(2, true)),
        )
        .await
    });
    both.0.unwrap();
    assert!(both.1.is_err());
    assert_eq!(seen(&audit).len(), 2);
    let both = block_on(async {
        join(
            in_a_guard(1, false).in_audit_context(auditlog::context().actor("one")),
            in_a_guard(2, true).in_audit_context(auditlog::context().actor("two")),
        )
        .await
    });
    both.0.unwrap();
    assert!(both.1.is_err());
    assert_eq!(seen(&audit), ["first by one", "second by one"]);

    // And of contexts.
    let context = auditlog::context();
    block_on(async {
        join(
            request("one").in_audit_context(context.clone()),
            request("two").in_audit_context(context.clone()),
        )
        .await
    });
    assert_eq!(seen(&audit), ["asked by one", "asked by two"]);
}

#[test]
fn a_transaction_reaches_into_futures_with_a_context() {
    let audit = testing::capture();
    let failed: Result<()> = block_on(auditlog::transaction_async(async {
        let part = async {
            auditlog::event("part").record()?;
            turn().await;
            auditlog::event("part").record()
        };
        part.in_audit_context(auditlog::context().actor("ann"))
            .await?;
        Err(Error::ShutDown)
    }));
    assert!(failed.is_err());
    assert!(seen(&audit).is_empty());
}

#[test]
fn contexts_that_mix_are_reported() {
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    let _audit = testing::capture();
    // Other tests of this file mix guards too: one in a power of two is reported.
    for _ in 0..64 {
        block_on(async { join(request("one"), request("two")).await });
    }
    let warnings = WARNINGS.lock().unwrap();
    let of_context = |line: &&String| line.starts_with("the guard of an audit context was dropped");
    assert!(
        warnings.iter().any(|line| of_context(&line)),
        "{warnings:?}"
    );
}

#[test]
fn guards_of_one_scope_mix_with_nothing() {
    let audit = testing::capture();
    let outer = auditlog::begin();
    let who = auditlog::context().actor("ann").enter();
    let inner = auditlog::begin();
    auditlog::event("inner").record().unwrap();
    // Guards of another kind have an order of their own.
    drop(who);
    inner.commit().unwrap();
    auditlog::event("outer").record().unwrap();
    outer.commit().unwrap();
    assert_eq!(seen(&audit), ["inner by ann", "outer by (unknown)"]);
}

fn rows() -> impl Stream<Item = u32> {
    stream::iter(0..2).map(|row| {
        auditlog::event("sent").record().unwrap();
        row
    })
}

#[test]
fn a_stream_keeps_its_context_after_the_handler() {
    async fn handler() -> impl Stream<Item = u32> {
        turn().await;
        rows().in_audit_context(auditlog::context())
    }
    let audit = testing::capture();
    let handler = handler().in_audit_context(auditlog::context().actor("reader"));
    let sent: Vec<u32> = block_on(async { handler.await.collect().await });
    assert_eq!(sent, [0, 1]);
    assert_eq!(seen(&audit), ["sent by reader", "sent by reader"]);
    let hint = rows().in_audit_context(auditlog::context()).size_hint();
    assert_eq!(hint, (2, Some(2)));
}

#[test]
fn an_actor_that_is_known_later_stays_with_its_context() {
    async fn request(who: &'static str) -> Result<()> {
        auditlog::event("asked").record()?;
        turn().await;
        auditlog::set_actor(who)?;
        turn().await;
        auditlog::event("answered").record()?;
        Ok(())
    }
    let audit = testing::capture();
    let (one, two) = block_on(async {
        join(
            request("one").in_audit_context(auditlog::context()),
            request("two").in_audit_context(auditlog::context()),
        )
        .await
    });
    one.and(two).unwrap();
    let mut lines = seen(&audit);
    lines.sort();
    assert_eq!(
        lines,
        [
            "answered by one",
            "answered by two",
            "asked by (unknown)",
            "asked by (unknown)"
        ]
    );
    assert!(matches!(auditlog::set_actor("ann"), Err(Error::NoContext)));
    let shared = auditlog::context().correlation_id("c");
    shared.clone().scope(|| auditlog::set_actor("ann")).unwrap();
    assert_eq!(shared.resolve_actor(), None, "the value is not changed");
}

#[test]
fn what_was_started_in_a_scope_may_leave_it() {
    let audit = testing::capture();
    let ticket = auditlog::context()
        .actor("ann")
        .scope(|| auditlog::event("started").submit());
    block_on(ticket).unwrap();
    let work: std::pin::Pin<Box<dyn Future<Output = ()>>> =
        auditlog::disabled(|| Box::pin(async {}) as _);
    block_on(work);
    assert_eq!(seen(&audit), ["started by ann"]);
}
