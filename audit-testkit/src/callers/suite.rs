//! The tests of a driver as a program.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use super::Run;
use super::database::{Database, Postgres, Sqlite};
use super::tests::{Caller, TESTS};
use crate::postgres::PostgresServer;

/// A driver to be tested with a kind of database.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    name: &'static str,
    kind: Kind,
    run: Run,
    without: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres { on_path: bool },
}

impl Suite {
    /// Tests with a file of SQLite.
    pub fn sqlite(name: &'static str, run: Run) -> Self {
        Self {
            name,
            kind: Kind::Sqlite,
            run,
            without: &[],
        }
    }

    /// Tests with a schema of PostgreSQL that is on the connection's search path.
    pub fn postgres(name: &'static str, run: Run) -> Self {
        Self {
            kind: Kind::Postgres { on_path: true },
            ..Self::sqlite(name, run)
        }
    }

    /// Tests with a schema of PostgreSQL that the driver is told
    /// ([`Place::schema`](super::Place::schema)).
    pub fn postgres_in_schema(name: &'static str, run: Run) -> Self {
        Self {
            kind: Kind::Postgres { on_path: false },
            ..Self::sqlite(name, run)
        }
    }

    /// Leaves out tests that say nothing of this driver.
    #[must_use]
    pub fn without(self, tests: &'static [&'static str]) -> Self {
        Self {
            without: tests,
            ..self
        }
    }

    fn trials(self, url: Option<&Arc<str>>) -> impl Iterator<Item = Trial> {
        let url = url.cloned();
        let tests = TESTS
            .iter()
            .filter(move |(name, _)| !self.without.contains(name));
        tests.map(move |(name, test)| {
            let missing = self.kind != Kind::Sqlite && url.is_none();
            let url = url.clone().unwrap_or_default();
            Trial::test(format!("{}::{name}", self.name), move || {
                catch_unwind(AssertUnwindSafe(|| {
                    let database: Box<dyn Database> = match self.kind {
                        Kind::Sqlite => Box::new(Sqlite::new()),
                        Kind::Postgres { on_path } => Box::new(Postgres::new(&url, on_path)),
                    };
                    test(&Caller {
                        database: &*database,
                        run: self.run,
                    });
                }))
                .map_err(|panic| {
                    let message = panic
                        .downcast_ref::<String>()
                        .map(String::as_str)
                        .or_else(|| panic.downcast_ref::<&str>().copied());
                    Failed::from(message.unwrap_or("it panicked"))
                })
            })
            .with_ignored_flag(missing)
        })
    }
}

/// Runs the tests of suites, and those of the adapter's own, as `main` of a test without
/// libtest's. Without a server, those that need one are reported as ignored by their names;
/// with `CI=true` that is a failure.
///
/// The adapter's own tests are made for the server's URL.
pub fn main(suites: &[Suite], own: impl FnOnce(Option<&str>) -> Vec<Trial>) {
    let arguments = Arguments::from_args();
    let server = PostgresServer::find();
    let url: Option<Arc<str>> = server.as_ref().map(|server| server.url().into());
    let mut trials: Vec<_> = suites
        .iter()
        .flat_map(|suite| suite.trials(url.as_ref()))
        .collect();
    trials.extend(own(url.as_deref()));
    let wanted = suites.iter().any(|suite| suite.kind != Kind::Sqlite);
    if wanted && url.is_none() {
        eprintln!("no PostgreSQL server: set AUDITLOG_TEST_POSTGRES_URL to the URL of one");
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        trials.push(
            Trial::test("there_is_a_server", || Err("no PostgreSQL server".into()))
                .with_ignored_flag(!required),
        );
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops a server that was started.
    drop(server);
    conclusion.exit();
}
