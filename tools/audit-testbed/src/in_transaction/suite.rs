//! The tests of a driver as a program.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use super::Run;
use super::database::{Database, Postgres, Sqlite};
use super::tests::{Driver, TESTS};
use crate::mysql::MysqlServer;
use crate::postgres::PostgresServer;

/// A driver to be tested with a kind of database.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    name: &'static str,
    kind: Kind,
    run: Run,
    without: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sqlite,
    Postgres { on_path: bool },
    Mysql(Mysql),
}

/// How a driver of MySQL is tested: this crate has none.
#[derive(Clone, Copy, Debug)]
pub struct Mysql {
    /// Returns whether the server with a URL lets the test in.
    pub lets_in: fn(&str) -> bool,
    /// Makes a database with a trail and the table `account` on the server with a URL.
    pub database: fn(&str) -> Box<dyn Database>,
}

/// The URLs of the servers that there are.
#[derive(Clone, Debug, Default)]
struct Servers {
    postgres: Option<Arc<str>>,
    mysql: Option<Arc<str>>,
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
    /// ([`Location::schema`](super::Location::schema)).
    pub fn postgres_in_schema(name: &'static str, run: Run) -> Self {
        Self {
            kind: Kind::Postgres { on_path: false },
            ..Self::sqlite(name, run)
        }
    }

    /// Tests with a database of MySQL or MariaDB.
    pub fn mysql(name: &'static str, run: Run, mysql: Mysql) -> Self {
        Self {
            kind: Kind::Mysql(mysql),
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

    fn trials(self, servers: &Servers) -> impl Iterator<Item = Trial> {
        let url = match self.kind {
            Kind::Sqlite => Some("".into()),
            Kind::Postgres { .. } => servers.postgres.clone(),
            Kind::Mysql(_) => servers.mysql.clone(),
        };
        let tests = TESTS
            .iter()
            .filter(move |(name, _)| !self.without.contains(name));
        tests.map(move |(name, test)| {
            let missing = url.is_none();
            let url = url.clone().unwrap_or_default();
            trial(format!("{}::{name}", self.name), missing, move || {
                let database: Box<dyn Database> = match self.kind {
                    Kind::Sqlite => Box::new(Sqlite::new()),
                    Kind::Postgres { on_path } => Box::new(Postgres::new(&url, on_path)),
                    Kind::Mysql(mysql) => (mysql.database)(&url),
                };
                test(&Driver {
                    database: &*database,
                    run: self.run,
                });
            })
        })
    }
}

/// Makes a trial of a test that panics when it fails.
pub fn trial(name: String, missing: bool, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Failed::from(message.unwrap_or("it panicked"))
        })
    })
    .with_ignored_flag(missing)
}

/// Runs the tests of suites, and those of the adapter's own, as `main` of a test without
/// libtest's. Without a server, those that need one are reported as ignored by their names;
/// with `CI=true` it is a failure if PostgreSQL is missing.
///
/// The adapter's own tests are made for the URLs of PostgreSQL's server and of MySQL's.
pub fn main(suites: &[Suite], own: impl FnOnce(Option<&str>, Option<&str>) -> Vec<Trial>) {
    let arguments = Arguments::from_args();
    let postgres = PostgresServer::find();
    let of_mysql = suites.iter().find_map(|suite| match suite.kind {
        Kind::Mysql(mysql) => Some(mysql),
        _ => None,
    });
    let mysql = of_mysql.and_then(|mysql| MysqlServer::find(mysql.lets_in));
    let servers = Servers {
        postgres: postgres.as_ref().map(|server| server.url().into()),
        mysql: mysql.as_ref().map(|server| server.url().into()),
    };
    let mut trials: Vec<_> = suites
        .iter()
        .flat_map(|suite| suite.trials(&servers))
        .collect();
    trials.extend(own(servers.postgres.as_deref(), servers.mysql.as_deref()));
    let wanted = suites
        .iter()
        .any(|suite| matches!(suite.kind, Kind::Postgres { .. }));
    if wanted && postgres.is_none() {
        eprintln!("no PostgreSQL server: set AUDITLOG_TEST_POSTGRES_URL to the URL of one");
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        trials.push(
            Trial::test("there_is_a_server", || Err("no PostgreSQL server".into()))
                .with_ignored_flag(!required),
        );
    }
    if of_mysql.is_some() && mysql.is_none() {
        eprintln!("no MySQL or MariaDB server: set AUDITLOG_TEST_MYSQL_URL to the URL of one");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops servers that were started.
    drop((postgres, mysql));
    conclusion.exit();
}
