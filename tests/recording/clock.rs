//! The timestamps that a log gives never go back.

use std::sync::{Arc, Mutex};
use std::thread;

use auditlog::prelude::*;
use auditlog::{AuditLog, testing};
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Auditable, Clone)]
struct Order {
    id: u32,
    status: String,
}

fn order(status: &str) -> Order {
    Order {
        id: 1,
        status: status.into(),
    }
}

fn noon() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().expect("a time")
}

/// Makes a log whose clock the test sets.
fn log() -> (AuditLog, Arc<Mutex<DateTime<Utc>>>) {
    let now = Arc::new(Mutex::new(noon()));
    let clock = Arc::clone(&now);
    let log = AuditLog::builder()
        .clock(move || *clock.lock().expect("a time"))
        .build();
    log.register::<Order>();
    (log, now)
}

fn step(now: &Mutex<DateTime<Utc>>, by: TimeDelta) {
    *now.lock().expect("a time") += by;
}

#[test]
fn the_entry_recorded_last_is_the_latest_after_a_step_back() {
    let (log, now) = log();
    log.created(&order("a")).record().expect("recorded");
    step(&now, TimeDelta::seconds(2));
    log.updated(&order("a"), &order("b"))
        .actor("first")
        .record()
        .expect("recorded");
    step(&now, TimeDelta::seconds(-1));
    log.updated(&order("b"), &order("c"))
        .actor("second")
        .record()
        .expect("recorded");
    step(&now, TimeDelta::microseconds(-1));
    log.updated(&order("c"), &order("d"))
        .actor("third")
        .record()
        .expect("recorded");

    let history = log.history::<Order>(1).expect("a history");
    assert_eq!(history.latest().state["status"], "d");
    let actors: Vec<_> = history
        .entries()
        .iter()
        .skip(1)
        .map(LogEntry::actor)
        .collect();
    assert_eq!(actors, ["first", "second", "third"]);
    let blame = history.blame();
    let status = blame.iter().find(|part| part.path == "status");
    assert_eq!(status.expect("a part").entry.actor(), "third");

    // The clock has caught up.
    step(&now, TimeDelta::seconds(60));
    log.event("tick").record().expect("recorded");
    let last = log.query().newest_first().first().expect("readable");
    let expected = noon() + TimeDelta::seconds(61) - TimeDelta::microseconds(1);
    assert_eq!(last.expect("an entry").timestamp, expected);
}

#[test]
fn a_time_that_a_draft_is_given_stays_and_moves_no_other() {
    let (log, _) = log();
    for years in [-1, 1] {
        let time = noon() + TimeDelta::days(365 * years);
        log.event("dated").at(time).record().expect("recorded");
        log.event("now").record().expect("recorded");
    }
    let times: Vec<_> = log
        .query()
        .all()
        .expect("readable")
        .into_iter()
        .map(|entry| (entry.action.as_str().to_owned(), entry.timestamp - noon()))
        .collect();
    let expected = [("dated", -365), ("now", 0), ("now", 0), ("dated", 365)]
        .map(|(action, days)| (action.to_owned(), TimeDelta::days(days)));
    assert_eq!(times, expected);
}

#[test]
fn each_log_with_a_clock_of_its_own_has_its_own_times() {
    let (ahead, now) = log();
    step(&now, TimeDelta::days(1000));
    let (behind, _) = log();
    ahead.event("ahead").record().expect("recorded");
    behind.event("behind").record().expect("recorded");
    let first = behind.query().first().expect("readable").expect("an entry");
    assert_eq!(first.timestamp, noon());
}

#[test]
fn a_clock_that_a_test_sets_back_keeps_the_order_of_entries() {
    let audit = testing::capture();
    auditlog::register::<Order>();
    auditlog::event("running").record().expect("recorded");
    // Before the running clock, which gave a time already.
    audit.set_time(noon() - TimeDelta::days(10_000));
    auditlog::event("stopped").record().expect("recorded");
    audit.advance(TimeDelta::seconds(-1));
    auditlog::event("set back").record().expect("recorded");
    let actions: Vec<_> = audit
        .entries()
        .iter()
        .map(|entry| entry.action.as_str().to_owned())
        .collect();
    assert_eq!(actions, ["running", "stopped", "set back"]);
}

#[test]
fn what_happens_later_in_any_thread_has_no_earlier_time() {
    // A clock that jumps to and fro.
    let state = Mutex::new(1_u64);
    let log = AuditLog::builder()
        .clock(move || {
            let mut state = state.lock().expect("a state");
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            noon() + TimeDelta::microseconds(i64::try_from(*state >> 40).expect("small"))
        })
        .build();
    let last = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let before: Option<LogEntry> = last.lock().expect("an entry").clone();
                    let entry = log.event("tick").into_entry().expect("an entry");
                    let entry = entry.expect("an entry");
                    let order = |entry: &LogEntry| (entry.timestamp, entry.id);
                    assert!(before.is_none_or(|before| order(&before) < order(&entry)));
                    *last.lock().expect("an entry") = Some(entry);
                }
            });
        }
    });
}
