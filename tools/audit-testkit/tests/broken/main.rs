//! The suite notices a store that breaks the contract: each way of breaking it, by the
//! check that is there for it.

mod flaw;
mod follow;
mod store;
mod trail;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use audit_core::{Follow, MemoryStore, Store};
use audit_testkit::conformance::{
    CHECKS, FOLLOW_CHECKS, TRAIL_CHECKS, follows_after_reopening, keeps_after_reopening,
    refuses_a_position_of_another_trail, set_patience,
};

use crate::flaw::{FLAWS, Flaw};
use crate::store::Broken;

/// Returns the checks that a store fails.
fn failed(flaw: Flaw) -> Vec<&'static str> {
    let fails = |check: &dyn Fn(&Broken)| {
        catch_unwind(AssertUnwindSafe(|| check(&Broken::new(flaw)))).is_err()
    };
    checks()
        .into_iter()
        .filter(|(_, check)| fails(check))
        .map(|(name, _)| name)
        .collect()
}

/// A check by its name.
type Check = (&'static str, Box<dyn Fn(&Broken)>);

/// Returns all checks.
fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for (name, check) in CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    for (name, check) in FOLLOW_CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    for (name, check) in TRAIL_CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    checks
}

#[test]
fn a_store_without_a_flaw_passes() {
    assert_eq!(failed(Flaw::None), [""; 0]);
}

#[test]
fn every_flaw_is_noticed_by_the_check_for_it() {
    // What the checks say when they fail would drown the output of this test.
    std::panic::set_hook(Box::new(|info| {
        if std::thread::current().name() == Some("every_flaw_is_noticed_by_the_check_for_it")
            && info.location().is_some_and(|location| {
                Path::new(location.file()).parent() == Path::new(file!()).parent()
            })
        {
            eprintln!("{info}");
        }
    }));
    // Skipped entries are never returned.
    set_patience(Duration::from_millis(200));
    let checks = checks();
    for (flaw, check) in FLAWS {
        let (_, run) = checks.iter().find(|(name, _)| name == check).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&Broken::new(*flaw))));
        assert!(outcome.is_err(), "`{check}` does not notice {flaw:?}");
    }
}

#[test]
fn a_store_that_forgets_when_it_is_reopened_is_noticed() {
    let reopened = || -> Box<dyn Store> { Box::new(MemoryStore::new()) };
    let outcome = catch_unwind(AssertUnwindSafe(|| keeps_after_reopening(&reopened)));
    assert!(outcome.is_err());
    set_patience(Duration::from_millis(200));
    let reopened = || -> Box<dyn Follow> { Box::new(MemoryStore::new()) };
    let outcome = catch_unwind(AssertUnwindSafe(|| follows_after_reopening(&reopened)));
    assert!(outcome.is_err());
}

#[test]
fn a_store_that_takes_the_positions_of_others_is_noticed() {
    let run = |flaw| {
        let (store, other) = (Broken::new(flaw), Broken::new(flaw));
        let check = || refuses_a_position_of_another_trail(&store, &other);
        catch_unwind(AssertUnwindSafe(check)).is_ok()
    };
    assert!(run(Flaw::None));
    assert!(!run(Flaw::TakesAnyPosition));
}

#[test]
fn the_list_names_each_check_once() {
    let mut names: Vec<_> = checks().into_iter().map(|(name, _)| name).collect();
    let number = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), number);
}
