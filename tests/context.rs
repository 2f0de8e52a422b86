//! Who, why and from where: contexts nest, restore, and stay with their task.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use auditlog::prelude::*;
use auditlog::{Context, SkipReason, testing};
use futures::executor::block_on;

fn actor_now() -> String {
    let audit = testing::capture();
    auditlog::event("probe").record().expect("a receipt");
    audit.last().expect("an entry").actor().to_owned()
}

#[test]
fn an_inner_context_inherits_and_restores() {
    let outer = auditlog::context()
        .actor("alice")
        .correlation_id("req-1")
        .enter();
    {
        let _inner = auditlog::context().actor("bob").reason("ticket 1").enter();
        let audit = testing::capture();
        auditlog::event("probe").record().expect("a receipt");
        let entry = audit.last().expect("an entry");
        assert_eq!(entry.actor(), "bob");
        assert_eq!(entry.correlation_id.as_deref(), Some("req-1"));
        assert_eq!(entry.reason.as_deref(), Some("ticket 1"));
    }
    assert_eq!(actor_now(), "alice");
    drop(outer);
    assert_eq!(actor_now(), "(unknown)");
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let first = auditlog::context().actor("first").enter();
    let second = auditlog::context().actor("second").enter();
    drop(first);
    assert_eq!(actor_now(), "second");
    drop(second);
    assert_eq!(actor_now(), "(unknown)");
}

#[test]
fn a_panic_restores_the_context() {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _who = auditlog::context().actor("alice").enter();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(actor_now(), "(unknown)");
}

#[test]
fn nothing_leaks_to_other_threads() {
    let _who = auditlog::context().actor("alice").enter();
    let other = std::thread::spawn(actor_now).join().expect("the thread");
    assert_eq!(other, "(unknown)");
}

#[test]
fn everything_of_a_context_reaches_the_entry() {
    let audit = testing::capture();
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    auditlog::context()
        .actor(
            Actor::service("billing")
                .display("Billing")
                .on_behalf_of("alice"),
        )
        .correlation_id("req-1")
        .trace_id("4bf92f3577b34da6a3ce929d0e0e4736")
        .remote_addr(address)
        .remote_port(443)
        .reason("month end")
        .extra("tenant", "acme")
        .scope(|| auditlog::event("run").record())
        .expect("a receipt");
    let entry = audit.last().expect("an entry");
    let actor = entry.actor.as_ref().expect("an actor");
    assert_eq!((actor.id.as_str(), entry.actor()), ("billing", "Billing"));
    assert_eq!(actor.on_behalf_of.as_deref(), Some("alice"));
    assert_eq!(
        entry.trace_id.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    assert_eq!(
        (entry.remote_addr, entry.remote_port),
        (Some(address), Some(443))
    );
    assert_eq!(entry.additional_data["tenant"], "acme");
}

#[test]
fn an_actor_may_be_asked_for_when_the_entry_is_made() {
    let audit = testing::capture();
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let _who = auditlog::context()
        .actor(move || Actor::user(format!("user-{}", counter.fetch_add(1, Ordering::Relaxed))))
        .enter();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    auditlog::event("one").record().expect("a receipt");
    auditlog::event("two").record().expect("a receipt");
    let actors: Vec<_> = audit
        .entries()
        .iter()
        .map(|entry| entry.actor().to_owned())
        .collect();
    assert_eq!(actors, ["user-0", "user-1"]);
}

#[test]
fn a_function_may_return_whatever_names_an_actor() {
    let actors = [
        auditlog::context().actor(|| "alice").resolve_actor(),
        auditlog::context()
            .actor(|| String::from("alice"))
            .resolve_actor(),
        auditlog::context().actor(|| Some("alice")).resolve_actor(),
        auditlog::context()
            .actor(|| Some(Actor::user("alice")))
            .resolve_actor(),
        auditlog::context().actor(Some("alice")).resolve_actor(),
    ];
    let unknown = auditlog::context().actor(None::<Actor>);
    assert_eq!(unknown.resolve_actor(), None);
    assert!(
        actors
            .iter()
            .all(|actor| *actor == Some(Actor::user("alice")))
    );
    assert_eq!(
        auditlog::context().actor("  ").resolve_actor(),
        None,
        "nobody"
    );
    assert_eq!(
        auditlog::context().actor(|| None::<Actor>).resolve_actor(),
        None
    );
}

#[test]
fn headers_cannot_switch_the_audit_off() {
    let context: Context =
        serde_json::from_str(r#"{"disabled": true, "reason": "x"}"#).expect("a context");
    assert!(!context.is_disabled());
    let text = serde_json::to_string(&auditlog::context().disabled()).expect("JSON");
    assert!(!text.contains("disabled"), "{text}");
}

#[test]
fn disabled_records_nothing_and_says_so() {
    let audit = testing::capture();
    let receipt = auditlog::disabled(|| auditlog::event("quiet").record()).expect("a receipt");
    assert_eq!(receipt, Receipt::Skipped(SkipReason::Disabled));
    assert!(audit.entries().is_empty());
    auditlog::event("loud").record().expect("a receipt");
    assert_eq!(audit.entries().len(), 1);
}

#[test]
fn a_context_travels_as_json() {
    let context = auditlog::context()
        .actor(|| Actor::user("late"))
        .correlation_id("req-9")
        .extra("tenant", "acme");
    let text = serde_json::to_string(&context).expect("JSON");
    let read: Context = serde_json::from_str(&text).expect("a context");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    assert_eq!(read.resolve_actor(), Some(Actor::user("late")));
}

#[test]
fn a_guard_held_across_an_await_stays_with_its_future() {
    let audit = testing::capture();
    let task = |name: &'static str| {
        async move {
            let _who = auditlog::context().actor(name).enter();
            let mut turns = 0;
            std::future::poll_fn(|cx| {
                turns += 1;
                cx.waker().wake_by_ref();
                if turns > 3 {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
            auditlog::event("done").extra("task", name).record()
        }
        .in_audit_context(auditlog::context())
    };
    let done = block_on(futures::future::join(task("one"), task("two")));
    assert!(done.0.is_ok() && done.1.is_ok());
    for entry in audit.entries() {
        assert_eq!(entry.actor(), entry.additional_data["task"]);
    }
    assert_eq!(audit.entries().len(), 2);
    assert_eq!(actor_now(), "(unknown)");
}

#[test]
fn a_future_moves_between_threads_with_its_context_and_log() {
    let audit = testing::capture();
    let future = async { auditlog::event("elsewhere").record() }
        .in_audit_context(auditlog::context().actor("alice"));
    std::thread::spawn(move || block_on(future))
        .join()
        .expect("the thread")
        .expect("a receipt");
    assert_eq!(audit.last().expect("an entry").actor(), "alice");
}

#[test]
fn an_actor_can_be_required() {
    let log = AuditLog::builder().require_actor().build();
    let refused = log.event("login").record();
    assert!(
        matches!(refused, Err(auditlog::Error::ActorRequired { .. })),
        "{refused:?}"
    );
    assert!(log.event("login").submit().wait().is_err());
    assert!(log.event("login").actor("").record().is_err());
    log.event("login").actor("ann").record().expect("recorded");
    log.event("sweep")
        .actor(Actor::system("cleaner"))
        .record()
        .expect("recorded");
    assert_eq!(log.query().count().expect("a count"), 2);
    assert_eq!(log.query().actor("system").count().expect("a count"), 0);
}
