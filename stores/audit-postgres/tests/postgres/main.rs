//! The store on a real server.
//!
//! The server is looked for by [`PostgresServer::find`]. Without one, every test is reported
//! as ignored by its name; with `CI=true` that is a failure. Each test has a schema of its
//! own.

mod asynchronous;
mod concurrency;
mod conformance;
#[cfg(unix)]
mod crash;
mod faults;
mod follow;
mod guard;
mod import;
mod indexes;
mod lookup;
mod plans;
mod pooler;
mod processes;
mod projections;
mod purge;
mod schemas;
mod scratch;
mod sessions;
mod tls;
mod trigger_guard;
mod trigger_keys;
mod trigger_tables;
mod triggers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use audit_testbed::PostgresServer;
use libtest_mimic::{Arguments, Failed, Trial};

use self::scratch::Scratch;

/// A test: its name, and what it does with a schema of its own.
type Test = (&'static str, fn(&Scratch));

fn main() {
    if processes::is_child() {
        return processes::run_child();
    }
    let arguments = Arguments::from_args();
    let server = PostgresServer::find().map(Arc::new);
    let missing = server.is_none();
    let url: Arc<str> = server.as_ref().map_or("", |server| server.url()).into();
    let tests = [
        schemas::TESTS,
        guard::TESTS,
        concurrency::TESTS,
        processes::TESTS,
        asynchronous::TESTS,
        sessions::TESTS,
        faults::TESTS,
        plans::TESTS,
        indexes::TESTS,
        projections::TESTS,
        purge::TESTS,
        import::TESTS,
        lookup::TESTS,
        follow::TESTS,
        triggers::TESTS,
        trigger_guard::TESTS,
        trigger_keys::TESTS,
        trigger_tables::TESTS,
    ];
    let mut trials: Vec<_> = tests
        .into_iter()
        .flatten()
        .map(|(name, test)| trial(*name, missing, &url, *test))
        .collect();
    trials.extend(conformance::trials(missing, &url));
    trials.extend(tls::trials());
    trials.extend(pooler::trials(missing, &url));
    trials.extend(trigger_tables::trials());
    #[cfg(unix)]
    trials.extend(crash::trials());
    if missing {
        eprintln!("no PostgreSQL server: set AUDITLOG_TEST_POSTGRES_URL to the URL of one");
        trials.push(required("PostgreSQL server"));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops a server that was started.
    drop(server);
    conclusion.exit();
}

/// Makes a trial that fails with `CI=true`, as something is missing that tests need.
fn required(missing: &'static str) -> Trial {
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let name = format!("there_is_a_{}", missing.replace(' ', "_").to_lowercase());
    Trial::test(name, move || Err(format!("no {missing}").into())).with_ignored_flag(!required)
}

/// Makes a trial of a test.
fn trial(
    name: impl Into<String>,
    missing: bool,
    url: &Arc<str>,
    test: impl FnOnce(&Scratch) + Send + 'static,
) -> Trial {
    let url = Arc::clone(url);
    Trial::test(name, move || {
        let scratch = Scratch::new(&url);
        let result = catch_unwind(AssertUnwindSafe(|| test(&scratch)));
        drop(scratch);
        result.map_err(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Failed::from(message.unwrap_or("it panicked"))
        })
    })
    .with_ignored_flag(missing)
}
