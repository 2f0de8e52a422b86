//! The store keeps the contract of stores.

use std::sync::Arc;

use audit_core::{Follow, Store};
use audit_postgres::PostgresStore;
use audit_testkit::conformance::{
    CHECKS, FOLLOW_CHECKS, TRAIL_CHECKS, follows_after_reopening, keeps_after_reopening,
    refuses_a_position_of_another_trail,
};
use libtest_mimic::Trial;

use crate::scratch::Scratch;

pub(crate) fn trials(missing: bool, url: &Arc<str>) -> Vec<Trial> {
    let trial = |name: &str, check: Box<dyn FnOnce(&Scratch) + Send>| {
        crate::trial(format!("conformance::{name}"), missing, url, check)
    };
    let mut trials = Vec::new();
    for (name, check) in CHECKS {
        trials.push(trial(name, with_store(|store| check(store))));
    }
    for (name, check) in FOLLOW_CHECKS {
        trials.push(trial(name, with_store(|store| check(store))));
    }
    for (name, check) in TRAIL_CHECKS {
        trials.push(trial(name, with_store(|store| check(store))));
    }
    let open = |scratch: &Scratch| {
        keeps_after_reopening(&|| Box::new(scratch.store()) as Box<dyn Store>);
    };
    trials.push(trial("keeps_after_reopening", Box::new(open)));
    let open = |scratch: &Scratch| {
        follows_after_reopening(&|| Box::new(scratch.store()) as Box<dyn Follow>);
    };
    trials.push(trial("follows_after_reopening", Box::new(open)));
    let other = |scratch: &Scratch| {
        let other = Scratch::new(&scratch.url);
        refuses_a_position_of_another_trail(&scratch.store(), &other.store());
    };
    trials.push(trial(
        "refuses_a_position_of_another_schema",
        Box::new(other),
    ));
    trials
}

fn with_store(
    check: impl FnOnce(&PostgresStore) + Send + 'static,
) -> Box<dyn FnOnce(&Scratch) + Send> {
    Box::new(|scratch| {
        let store = scratch.store();
        check(&store);
        store.close().unwrap();
    })
}
