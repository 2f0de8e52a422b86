//! The store behind a `PgBouncer`.

use std::sync::Arc;

use audit_core::{Query, Store};
use audit_testbed::PgBouncer;
use audit_testkit::entries;
use libtest_mimic::Trial;

use crate::scratch::{Scratch, Sql};
use crate::{Test, required, trial};

/// The tests, ignored where `PgBouncer` is not installed; with `CI=true` that is a failure.
pub(crate) fn trials(missing_server: bool, url: &Arc<str>) -> Vec<Trial> {
    let missing = missing_server || !PgBouncer::can_start();
    let tests: [Test; 2] = [
        (
            "pooler::pooling_by_transaction_is_refused",
            pooling_by_transaction_is_refused,
        ),
        ("pooler::pooling_by_session_works", pooling_by_session_works),
    ];
    let mut trials: Vec<_> = tests
        .into_iter()
        .map(|(name, test)| trial(name, missing, url, test))
        .collect();
    trials.extend((missing && !missing_server).then(|| required("PgBouncer")));
    trials
}

fn pooling_by_transaction_is_refused(scratch: &Scratch) {
    let limits = "SELECT current_setting('statement_timeout') || ' ' \
         || current_setting('lock_timeout') || ' ' || current_setting('client_min_messages')";
    for size in [1, 4] {
        let pool = PgBouncer::start(&scratch.url, "transaction", size).expect("it is installed");
        let application = Sql::connect(pool.url());
        let before = application.value(limits);
        for _again in 0..3 {
            let error = scratch.options().connect(pool.url()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("pools by transaction"), "{said}");
            assert!(said.contains("pool_mode = session"), "{said}");
            assert_eq!(application.value(limits), before);
        }
    }
}

fn pooling_by_session_works(scratch: &Scratch) {
    for size in [3, 8] {
        let pool = PgBouncer::start(&scratch.url, "session", size).expect("it is installed");
        let store = scratch.options().pool_size(1).connect(pool.url()).unwrap();
        store.append(&entries(3, 1)).unwrap();
        assert_eq!(store.count(&Query::new()).unwrap(), 3);
        store.close().unwrap();
    }
}
