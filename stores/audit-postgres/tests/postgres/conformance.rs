//! The store keeps the contract of stores.

use std::sync::Arc;

use audit_core::Store;
use audit_testkit::conformance::{CHECKS, keeps_after_reopening};
use libtest_mimic::Trial;

pub(crate) fn trials(missing: bool, url: &Arc<str>) -> Vec<Trial> {
    let mut trials: Vec<_> = CHECKS
        .iter()
        .map(|(name, check)| {
            crate::trial(format!("conformance::{name}"), missing, url, |scratch| {
                let store = scratch.store();
                check(&store);
                store.close().unwrap();
            })
        })
        .collect();
    trials.push(crate::trial(
        "conformance::keeps_after_reopening",
        missing,
        url,
        |scratch| keeps_after_reopening(&|| Box::new(scratch.store()) as Box<dyn Store>),
    ));
    trials
}
