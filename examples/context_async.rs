//! Actors of interleaved tasks on one thread never mix, and a cancelled task keeps its own.
//!
//! `cargo run --example context_async`

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use auditlog::prelude::*;
use futures::executor::block_on;
use futures::future::{join_all, poll_immediate};

/// Gives the other tasks a turn.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Records what it did when it is dropped, as a guard does on a timeout.
struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Err(error) = auditlog::event("cancelled").record() {
            eprintln!("the cancellation could not be audited: {error}");
        }
    }
}

async fn request(number: u32) -> auditlog::Result<()> {
    for step in 0..3 {
        Yield(false).await;
        auditlog::event("step")
            .extra("request", number)
            .extra("step", step)
            .record()?;
    }
    Ok(())
}

fn main() -> auditlog::Result<()> {
    let audit = auditlog::testing::capture();

    let tasks = (0..20).map(|number| {
        let who = auditlog::context().actor(format!("user-{number}"));
        request(number).in_audit_context(who)
    });
    for done in block_on(join_all(tasks)) {
        done?;
    }
    for entry in audit.entries() {
        let number = &entry.additional_data["request"];
        assert_eq!(entry.actor(), format!("user-{number}"));
    }
    println!(
        "{} entries of 20 interleaved tasks, each with its own actor",
        audit.entries().len()
    );

    // A task that is dropped before its end still knows who it acted for.
    audit.clear();
    let mut cancelled = Box::pin(
        async {
            let _cleanup = Cleanup;
            std::future::pending::<()>().await;
        }
        .in_audit_context(auditlog::context().actor("carol")),
    );
    assert!(block_on(poll_immediate(&mut cancelled)).is_none());
    drop(cancelled);
    assert_eq!(audit.last().expect("an entry").actor(), "carol");
    println!("a cancelled task recorded its cancellation as carol's");

    // A context travels as JSON, in the headers of a job for instance.
    let job = auditlog::context()
        .actor("dave")
        .correlation_id("req-7")
        .scope(|| serde_json::to_string(&auditlog::Context::current()).expect("a context is JSON"));
    println!("a job takes along {job}");
    let context: auditlog::Context = serde_json::from_str(&job).expect("what was written");
    let worker = audit.log().clone();
    std::thread::spawn(move || {
        let _log = worker.enter();
        context.scope(|| auditlog::event("job_done").record())
    })
    .join()
    .expect("the worker")?;
    let entry = audit.last().expect("an entry");
    assert_eq!(
        (entry.actor(), entry.correlation_id.as_deref()),
        ("dave", Some("req-7"))
    );
    Ok(())
}
