//! `triggers` and `reconcile` on a real server; without one they are reported as ignored.

use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Output};
use std::sync::Arc;

use audit_testbed::PostgresServer;
use auditlog::{AuditLog, Auditable, MemoryStore, ModelDescription};
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::trail::Trail;
use crate::{access, stores};

#[derive(Auditable)]
#[audit(model = "User")]
struct User {
    id: i64,
    #[audit(mask = "email")]
    email: String,
    nick: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "it is never recorded")]
    password: String,
}

/// A schema of its own with the tables of a trail, models as a file, and SQL.
struct Scratch {
    url: String,
    schema: String,
    models: tempfile::NamedTempFile,
    runtime: Runtime,
    client: Client,
}

impl Scratch {
    fn new(url: &str, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        let schema = format!("audit_cli_{}_{name}", std::process::id());
        let store = audit_postgres::PostgresStore::options()
            .schema(&schema)
            .connect(url)
            .unwrap();
        store.close().unwrap();
        let log = AuditLog::builder().store(MemoryStore::new()).build();
        log.register_with::<User>(|options| options.mask("nick"))
            .unwrap();
        let models = tempfile::NamedTempFile::new().unwrap();
        let described: Vec<ModelDescription> = log.described();
        std::fs::write(&models, serde_json::to_string(&described).unwrap()).unwrap();
        let scratch = Self {
            url: url.to_owned(),
            schema,
            models,
            runtime,
            client,
        };
        scratch.sql(&format!(
            "SET search_path = {}; CREATE TABLE users (id bigint PRIMARY KEY, mail text, \
             nick text, password text)",
            scratch.schema
        ));
        scratch
    }

    fn sql(&self, sql: &str) {
        self.runtime
            .block_on(self.client.batch_execute(sql))
            .unwrap_or_else(|error| panic!("{error:?}"));
    }

    fn triggers(&self, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_auditlog"))
            .args(["triggers", "--models"])
            .arg(self.models.path())
            .args(["--schema", &self.schema])
            .args(more)
            .output()
            .unwrap()
    }

    fn install(&self, more: &[&str]) {
        let table = format!("{}.users", self.schema);
        let args = [&["--table", &table, "--column", "email=mail"], more].concat();
        let output = self.triggers(&args);
        assert!(output.status.success(), "{output:?}");
        let sql = String::from_utf8(output.stdout).unwrap();
        assert!(!sql.contains("password"));
        self.sql(&sql);
    }

    fn reconcile(&self, more: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_auditlog"))
            .args(["reconcile", "--schema", &self.schema])
            .args(more)
            .env("AUDITLOG_POSTGRES_URL", &self.url)
            .output()
            .unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        text += &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.sql(&format!("DROP SCHEMA {} CASCADE", self.schema));
    }
}

fn a_write_of_another_program_is_reported(scratch: &Scratch) {
    let (code, text) = scratch.reconcile(&[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("before triggers are installed"), "{text}");
    scratch.install(&["--watch"]);
    let (code, text) = scratch.reconcile(&[]);
    assert_eq!((code, text.as_str()), (0, "every write has an entry\n"));
    scratch.sql(
        "SET application_name = E'psql\\x1b[31m'; \
         INSERT INTO users VALUES (7, 'ann@example.com', 'ann', 'pw')",
    );
    let (code, text) = scratch.reconcile(&["--since", "1h"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("create"), "{text}");
    assert!(
        text.ends_with("1 write without an entry of the program\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
    for no_duration in ["2020-01-01", "today", "5"] {
        let (code, text) = scratch.reconcile(&["--within", no_duration]);
        assert_eq!(code, 2, "{text}");
    }
    let (code, text) = scratch.reconcile(&["--json", "--within", "5s"]);
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 5);
    assert_eq!(
        (&line["model"], &line["object_pk"]),
        (&json!("User"), &json!("7"))
    );
    assert_eq!(line["actions"], json!(["create"]));
    assert_eq!(scratch.reconcile(&["--forget-before", "0s"]).0, 5);
    assert_eq!(scratch.reconcile(&[]).0, 0);
}

fn triggers_record_and_are_removed(scratch: &Scratch) {
    scratch.install(&["--model", "User"]);
    let insert = "INSERT INTO users VALUES (7, 'ann@example.com', 'needle', 'needle')";
    scratch.sql(insert);
    let store = audit_postgres::PostgresStore::options()
        .schema(&scratch.schema)
        .connect(&scratch.url)
        .unwrap();
    let found = auditlog::Store::find(&store, &auditlog::Query::new()).unwrap();
    assert_eq!(found.entries.len(), 1);
    let changes = &found.entries[0].changes;
    assert_eq!(changes["email"].new, Some(json!("a***@example.com")));
    assert_eq!(changes["nick"].new, Some(json!("***")));
    assert!(!format!("{found:?}").contains("needle"));
    scratch.install(&["--drop"]);
    scratch.sql("DELETE FROM users");
    assert_eq!(
        auditlog::Store::count(&store, &auditlog::Query::new()).unwrap(),
        1
    );
}

fn invalid_arguments_are_errors(scratch: &Scratch) {
    let rejected = |more: &[&str], expected: &str| {
        let output = scratch.triggers(more);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{text}");
    };
    rejected(
        &["--table", "users", "--model", "Usr"],
        "did you mean `User`?",
    );
    rejected(
        &["--table", "users", "--omit", "emial"],
        "did you mean `email`?",
    );
    rejected(
        &["--table", "users", "--mask", "email=half"],
        "unknown mask `half`",
    );
    rejected(
        &["--table", "users", "--column", "email"],
        "with `=` between them",
    );
    rejected(
        &["--table", "users.", "--key", "id"],
        "cannot be a name in SQL",
    );
    std::fs::write(&scratch.models, "[{}]").unwrap();
    let output = scratch.triggers(&["--table", "users"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

/// A test: its name, and what it does with a schema of its own.
type Test = (&'static str, fn(&Scratch));

const TESTS: [Test; 3] = [
    (
        "a_write_of_another_program_is_reported",
        a_write_of_another_program_is_reported,
    ),
    (
        "triggers_record_and_are_removed",
        triggers_record_and_are_removed,
    ),
    ("invalid_arguments_are_errors", invalid_arguments_are_errors),
];

/// Runs the selected tests.
pub(crate) fn run(arguments: &Arguments) -> Conclusion {
    let server = PostgresServer::find();
    let missing = server.is_none();
    let url: Arc<str> = server.as_ref().map_or("", PostgresServer::url).into();
    let mut trials: Vec<_> = TESTS
        .into_iter()
        .map(|(name, test)| {
            let url = Arc::clone(&url);
            Trial::test(name, move || {
                let scratch = Scratch::new(&url, name);
                panic::catch_unwind(AssertUnwindSafe(|| test(&scratch)))
                    .map_err(|_| Failed::from("it panicked"))
            })
            .with_ignored_flag(missing)
        })
        .collect();
    for (name, test) in stores::QUERIES
        .iter()
        .chain(stores::TESTS)
        .chain(access::TESTS)
    {
        let url = Arc::clone(&url);
        let trial = Trial::test(*name, move || {
            let mut trail = Trail::new(&url, name.rsplit("::").next().unwrap_or(name));
            panic::catch_unwind(AssertUnwindSafe(|| test(&mut trail)))
                .map_err(|_| Failed::from("it panicked"))
        });
        trials.push(trial.with_ignored_flag(missing));
    }
    let trial = Trial::test(access::PASSWORDS, || {
        panic::catch_unwind(access::a_wrong_password_is_reported_and_not_shown)
            .map_err(|_| Failed::from("it panicked"))
    });
    trials.push(trial.with_ignored_flag(!PostgresServer::can_start()));
    if missing {
        eprintln!("no PostgreSQL server: set AUDITLOG_TEST_POSTGRES_URL to the URL of one");
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        trials.push(
            Trial::test("there_is_a_server", || Err("no PostgreSQL server".into()))
                .with_ignored_flag(!required),
        );
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    // Stops a server that was started.
    drop(server);
    conclusion
}
