//! The trail of `scratch::trail` in a schema of a test's own, and SQL beside it.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use audit_postgres::{PostgresStore, Roles};
use auditlog::Store;
use auditlog::sqlite::SqliteStore;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::scratch;

/// A trail in a file and the same one in a database.
pub(crate) struct Trail {
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) file: PathBuf,
    runtime: Runtime,
    client: Client,
    roles: bool,
}

impl Trail {
    /// Makes both, with the same entries.
    pub(crate) fn new(url: &str, name: &str) -> Self {
        let trail = Self::empty(url, name);
        // Not by an import, which would be recorded.
        let file = SqliteStore::open(&trail.file).expect("a store");
        let entries = file.query().all().expect("entries");
        let store = PostgresStore::options()
            .schema(&trail.schema)
            .connect(&trail.url)
            .expect("a store");
        store.append(&entries).expect("appended");
        store.close().expect("closed");
        trail
    }

    /// Makes only that in a file.
    pub(crate) fn empty(url: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (runtime, client) = connect(url);
        // A name has 63 bytes at most.
        let name = &name[..name.len().min(30)];
        Self {
            url: url.to_owned(),
            schema: format!("audit_cli_{}_{name}", std::process::id()),
            file: scratch::trail(folder.path()),
            folder,
            runtime,
            client,
            roles: false,
        }
    }

    /// Runs the command on the trail in the database.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_as(&self.url, args)
    }

    /// Runs the command with another URL of it.
    pub(crate) fn run_as(&self, url: &str, args: &[&str]) -> Output {
        let named = [args, &["--schema", &self.schema]].concat();
        scratch::run(Path::new(url), &named)
    }

    /// Runs the command, expects it to go well, and returns what it printed.
    pub(crate) fn stdout(&self, args: &[&str]) -> String {
        let named = [args, &["--schema", &self.schema]].concat();
        scratch::stdout(Path::new(&self.url), &named)
    }

    /// Returns the trail's URL with the schema in it.
    pub(crate) fn store_argument(&self) -> PathBuf {
        self.with("options", &format!("-c%20search_path%3D{}", self.schema))
            .into()
    }

    /// Returns the URL with a parameter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{mark}{name}={value}", self.url)
    }

    /// Makes the three roles, and returns the URL for one of them: `o`, `w` or `r`.
    pub(crate) fn url_of(&mut self, role: &str) -> String {
        if !self.roles {
            let [owner, writer, reader] = ["o", "w", "r"].map(|role| self.role(role));
            let roles = Roles::new(&self.schema).owner(&owner);
            let sql = roles.writer(&writer).reader(&reader).sql().expect("names");
            self.sql(&sql);
            self.roles = true;
        }
        self.url_as(&self.role(role))
    }

    /// Returns the URL for sessions that take on a role.
    pub(crate) fn url_as(&self, role: &str) -> String {
        self.with("options", &format!("-c%20role%3D{role}"))
    }

    pub(crate) fn role(&self, role: &str) -> String {
        format!("{}_{role}", self.schema)
    }

    /// Runs statements, and returns the first column of all rows.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        let done = self.runtime.block_on(self.client.simple_query(sql));
        done.unwrap_or_else(|error| panic!("{error:?}"))
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            })
            .collect()
    }

    /// Opens the trail as a program does.
    pub(crate) fn store(&self) -> PostgresStore {
        let options = PostgresStore::options().schema(&self.schema);
        options.connect(&self.url).expect("a trail")
    }

    /// Waits until SQL has an answer that is true.
    pub(crate) fn wait_for(&self, sql: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.sql(sql) != ["t"] {
            assert!(Instant::now() < deadline, "never true: {sql}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.sql(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
        if self.roles {
            let names = ["o", "w", "r"].map(|role| self.role(role)).join(", ");
            self.sql(&format!("DROP OWNED BY {names}; DROP ROLE {names}"));
        }
    }
}

/// Returns a URL for another user.
pub(crate) fn for_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (_, server) = rest.split_once('@').expect("a user");
    format!("{scheme}://{user}@{server}")
}

/// Opens a connection for SQL.
pub(crate) fn connect(url: &str) -> (Runtime, Client) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
        tokio::spawn(connection);
        client
    });
    (runtime, client)
}
