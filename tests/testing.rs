//! What the kit for testing a trail promises.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use auditlog::prelude::*;
use auditlog::{assert_audited, testing};
use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

#[derive(Auditable, Clone)]
struct User {
    id: u32,
    email: String,
    admin: bool,
}

fn change(audit: &testing::Capture) {
    auditlog::register::<User>();
    let old = User {
        id: 42,
        email: "a".into(),
        admin: false,
    };
    let new = User {
        email: "b".into(),
        admin: true,
        ..old.clone()
    };
    let who = auditlog::context().actor("alice");
    who.scope(|| auditlog::updated(&old, &new).record())
        .expect("a receipt");
    assert_eq!(audit.entries().len(), 1);
}

#[test]
fn assert_audited_finds_what_was_recorded() {
    let audit = testing::capture();
    change(&audit);
    let pk = 42;
    assert_audited!(audit, update User "42" { "email": "a" => "b" } by "alice");
    assert_audited!(audit, update User (pk) { "email": "a" => "b", "admin": false => true });
    assert_audited!(audit, update User "42" by "alice");
    assert_audited!(audit, update User "42");
    assert_audited!(audit, update User);
}

#[test]
fn a_failed_assertion_tells_what_was_recorded_instead() {
    let audit = testing::capture();
    change(&audit);
    let entries = audit.entries();
    let failed = catch_unwind(|| {
        struct Entries(Vec<LogEntry>);
        impl Entries {
            fn entries(&self) -> Vec<LogEntry> {
                self.0.clone()
            }
        }
        let audit = Entries(entries);
        assert_audited!(audit, update User "42" { "email": "a" => "c" } by "bob");
    });
    let message = *failed
        .expect_err("a panic")
        .downcast::<String>()
        .expect("a text");
    for part in [
        "no entry is update User \"42\"",
        "email: \"a\" -> \"c\"",
        "by bob",
        "1 entries were recorded:",
        "the actor is alice, not bob",
        "`email: \"a\" -> \"b\"`, not `email: \"a\" -> \"c\"`",
    ] {
        assert!(message.contains(part), "`{part}` is missing in:\n{message}");
    }
}

#[test]
fn captures_of_threads_do_not_see_each_other() {
    let audit = testing::capture();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let audit = testing::capture();
                assert!(!auditlog::is_registered::<User>());
                change(&audit);
            });
        }
    });
    assert!(audit.entries().is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = audit.log().enter();
            auditlog::event("from another thread")
                .record()
                .expect("a receipt");
        });
    });
    assert_eq!(audit.entries().len(), 1);
    audit.clear();
    assert!(audit.last().is_none());
}

#[test]
fn time_and_ids_stand_still_or_come_from_the_test() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    auditlog::event("one").record().expect("a receipt");
    audit.advance(TimeDelta::seconds(5));
    auditlog::event("two").record().expect("a receipt");
    let lines: Vec<_> = audit
        .entries()
        .iter()
        .map(|entry| format!("{} {}", entry.id, entry.timestamp.to_rfc3339()))
        .collect();
    assert_eq!(
        lines,
        [
            "00000000-0000-7000-8000-000000000001 2026-01-01T00:00:00+00:00",
            "00000000-0000-7000-8000-000000000002 2026-01-01T00:00:05+00:00",
        ]
    );

    let number = AtomicU64::new(1);
    let log = AuditLog::builder()
        .clock(|| DateTime::UNIX_EPOCH)
        .ids(move || Uuid::from_u128(number.fetch_add(1, Ordering::Relaxed).into()))
        .source("billing")
        .build();
    log.event("one").record().expect("a receipt");
    let entry = log.query().first().expect("a query").expect("an entry");
    assert_eq!(
        (entry.timestamp, entry.id),
        (DateTime::UNIX_EPOCH, Uuid::from_u128(1))
    );
    assert_eq!(entry.source.service.as_deref(), Some("billing"));
}

#[test]
fn matching_finds_entries_by_what_they_are() {
    let audit = testing::capture();
    change(&audit);
    let entry = audit
        .matching()
        .action("update")
        .object::<User>(42)
        .change("email", "a", "b")
        .changed("admin")
        .by("alice")
        .one();
    assert_eq!(entry.changes.len(), 2);
    audit.matching().action("delete").none();
    audit
        .matching()
        .level(Level::Info)
        .outcome(Outcome::Success)
        .one();
    audit
        .matching()
        .when("two changes", |entry| entry.changes.len() == 2)
        .one();
    assert_eq!(audit.matching().entries().len(), 1);
    assert_eq!(audit.matching().times(1).len(), 1);
}

#[test]
fn a_failed_match_lists_what_each_entry_misses() {
    let audit = testing::capture();
    change(&audit);
    auditlog::event("login").record().expect("recorded");
    let matching = audit
        .matching()
        .model::<User>()
        .change("email", "a", "c")
        .reason("ticket");
    let text = panic_text(|| drop(matching.one()));
    let expected = [
        "expected 1 and found 0 entries with model User, changes email: \"a\" -> \"c\", reason ticket; 2 were recorded:",
        "  update User \"42\" by alice: changes email: \"a\" -> \"b\"; no reason",
        "  login  \"\" by (unknown): no model; does not change email; no reason",
    ];
    assert_eq!(text, expected.join("\n"));
    let text = panic_text(|| audit.matching().by("alice").none());
    assert!(
        text.starts_with("expected 0 and found 1 entries with actor alice"),
        "{text}"
    );
    assert!(text.contains("by alice: as expected"), "{text}");
    let text = panic_text(|| drop(audit.matching().changed("items[")));
    assert!(text.contains("items["), "{text}");
}

/// Runs what panics, and returns what it says.
fn panic_text(run: impl FnOnce()) -> String {
    let failed = catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("a panic");
    *failed.downcast::<String>().expect("a text")
}

#[test]
fn redacted_entries_are_the_same_on_every_run() {
    let run = || {
        let audit = testing::capture();
        change(&audit);
        auditlog::transaction(|| {
            auditlog::event("first").record()?;
            auditlog::event("second").record()?;
            Ok::<(), auditlog::Error>(())
        })
        .expect("recorded");
        audit.redacted()
    };
    let entries = run();
    assert_eq!(entries, run());
    assert_eq!(entries[0]["id"], "[id 1]");
    assert_eq!(entries[1]["id"], "[id 2]");
    assert_eq!(entries[1]["transaction_id"], "[transaction 1]");
    assert_eq!(entries[2]["transaction_id"], "[transaction 1]");
    assert_eq!(entries[0]["changes"]["email"]["new"], "b");
    assert!(!entries.to_string().contains("2026-"), "{entries}");
}

#[test]
fn changes_that_nobody_recorded_fail_the_test() {
    let audit = testing::capture();
    auditlog::register::<User>();
    let user = User {
        id: 42,
        email: "a".into(),
        admin: false,
    };
    let text = panic_text(|| {
        let _watch = audit.no_unaudited_changes();
        let mut forgotten = Tracked::new(user.clone());
        forgotten.email = "b".into();
    });
    assert_eq!(
        text,
        "tracked objects dropped with unrecorded changes (1):\n  User 42: email"
    );
    // What came before does not count, and what was recorded or taken back neither.
    let watch = audit.no_unaudited_changes();
    let mut recorded = Tracked::new(user.clone());
    recorded.admin = true;
    recorded.record().expect("recorded");
    drop(recorded);
    let mut taken_back = Tracked::new(user);
    taken_back.admin = true;
    taken_back.discard();
    drop(taken_back);
    watch.check();
}
