//! The store on a real server.
//!
//! The server is looked for by [`PostgresServer::find`]. Without one, every test is reported
//! as ignored by its name; with `CI=true` that is a failure. Each test has a schema of its
//! own.

/// Lists tests, each under the name of its module and its own.
macro_rules! tests {
    ($($test:ident),+ $(,)?) => {
        &[$((concat!(module_path!(), "::", stringify!($test)), $test)),+]
    };
}

mod asynchronous;
mod check;
mod concurrency;
mod conformance;
mod connection_loss;
#[cfg(unix)]
mod crash;
mod export;
mod follow;
mod import;
mod indexes;
mod lookup;
mod network;
mod permissions;
mod plans;
mod pooler;
mod processes;
mod purge;
mod reconcile;
mod schemas;
mod scratch;
mod sessions;
mod timeouts;
mod tls;
mod trigger_accounts;
mod trigger_entries;
mod trigger_key_changes;
mod trigger_masks;
mod trigger_security;
mod trigger_tables;
mod trigger_values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use audit_testbed::PostgresServer;
use libtest_mimic::{Arguments, Failed, Trial};

use self::scratch::Scratch;

/// A test with a schema of its own, and its path.
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
        permissions::TESTS,
        concurrency::TESTS,
        processes::TESTS,
        asynchronous::TESTS,
        sessions::TESTS,
        connection_loss::TESTS,
        timeouts::TESTS,
        plans::TESTS,
        indexes::TESTS,
        check::TESTS,
        purge::TESTS,
        import::TESTS,
        lookup::TESTS,
        export::TESTS,
        follow::TESTS,
        trigger_entries::TESTS,
        trigger_values::TESTS,
        trigger_masks::TESTS,
        trigger_key_changes::TESTS,
        trigger_security::TESTS,
        trigger_tables::TESTS,
        reconcile::TESTS,
    ];
    let mut trials: Vec<_> = tests
        .into_iter()
        .flatten()
        .map(|(path, test)| {
            let name = path.strip_prefix("postgres::").unwrap_or(path);
            trial(name, missing, &url, *test)
        })
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
