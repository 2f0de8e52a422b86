//! A schema of a test's own, and SQL beside the store.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{LogEntry, Query, Store};
use audit_postgres::{PostgresOptions, PostgresStore};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

/// A schema for one test, dropped at its end.
pub(crate) struct Scratch {
    pub(crate) url: String,
    pub(crate) schema: String,
}

impl Scratch {
    pub(crate) fn new(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            url: url.to_owned(),
            schema: format!("audit_test_{}_{number}", std::process::id()),
        }
    }

    /// The settings for the schema.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresStore::options().schema(&self.schema).pool_size(4)
    }

    /// The URL with a setting of the session.
    pub(crate) fn with_option(&self, name: &str, value: &str) -> String {
        self.with_parameter("options", &format!("-c%20{name}%3D{value}"))
    }

    /// The URL with a parameter of the connection.
    pub(crate) fn with_parameter(&self, name: &str, value: &str) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{mark}{name}={value}", self.url)
    }

    pub(crate) fn store(&self) -> PostgresStore {
        self.options().connect(&self.url).unwrap()
    }

    /// Waits until so many of the store's sessions wait for a lock.
    pub(crate) fn wait_for_locks(&self, sessions: usize) {
        self.wait_for_sessions("no session waits for a lock", |waiting| waiting >= sessions);
    }

    /// Waits until none of the store's sessions waits for a lock.
    pub(crate) fn wait_for_no_locks(&self) {
        self.wait_for_sessions("a session waits for a lock", |waiting| waiting == 0);
    }

    fn wait_for_sessions(&self, otherwise: &str, is_reached: impl Fn(usize) -> bool) {
        let sql = Sql::connect(&self.url);
        let waiting = format!(
            "SELECT count(DISTINCT l.pid) FROM pg_locks AS l \
             JOIN pg_stat_activity AS a ON a.pid = l.pid \
             WHERE NOT l.granted AND a.query LIKE '%{}%'",
            self.schema
        );
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_reached(sql.value(&waiting).parse().unwrap()) {
            assert!(Instant::now() < deadline, "{otherwise}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a counter of the server, which come late, has at least some value and rises
    /// no more.
    pub(crate) fn stable_value(&self, sql: &Sql, counter: &str, minimum: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut last = 0;
        loop {
            let now = sql.value(counter).parse().unwrap();
            if now >= minimum && now == last {
                return now;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {counter} is {now}",
                self.schema
            );
            last = now;
            thread::sleep(Duration::from_millis(700));
        }
    }

    /// A connection beside the store's, in the schema.
    pub(crate) fn sql(&self) -> Sql {
        let sql = Sql::connect(&self.url);
        sql.run(&format!("SET search_path = {}, pg_catalog", self.schema))
            .unwrap();
        sql
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.url.is_empty() {
            let dropped = Sql::connect(&self.url)
                .run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
            if let Err(error) = dropped {
                eprintln!("{} is left: {error}", self.schema);
            }
        }
    }
}

/// A connection for SQL, used synchronously.
pub(crate) struct Sql {
    runtime: Runtime,
    client: Client,
}

impl Sql {
    pub(crate) fn connect(url: &str) -> Self {
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
        Self { runtime, client }
    }

    /// Runs statements and returns the rows of all, each column as text.
    pub(crate) fn run(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(
                    (0..row.len())
                        .map(|column| row.get(column).map(str::to_owned))
                        .collect(),
                ),
                _ => None,
            })
            .collect())
    }

    /// Runs work with the client.
    pub(crate) fn with<T>(&mut self, work: impl AsyncFnOnce(&mut Client) -> T) -> T {
        self.runtime.block_on(work(&mut self.client))
    }

    /// Writes entries in the transaction that is open.
    pub(crate) fn append(&self, entries: &[LogEntry]) {
        self.runtime
            .block_on(audit_postgres::append_in(&self.client, entries))
            .unwrap();
    }

    /// Returns the only column of the only row.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.run(sql).unwrap()[0][0].clone().unwrap_or_default()
    }

    /// Returns the SQLSTATE with which statements fail.
    pub(crate) fn state(&self, sql: &str) -> String {
        match self.run(sql) {
            Ok(_) => "00000".to_owned(),
            Err(error) => error.code().map_or("closed", |code| code.code()).to_owned(),
        }
    }
}

/// In the order in which a store returns them.
pub(crate) fn sorted(mut entries: Vec<LogEntry>) -> Vec<LogEntry> {
    entries.sort_by_key(|entry| (entry.timestamp, entry.id));
    entries
}

/// Checks that a store holds exactly these entries, and that its columns are right.
pub(crate) fn assert_kept(store: &PostgresStore, kept: &[LogEntry]) {
    assert_eq!(store.count(&Query::new()).unwrap(), kept.len() as u64);
    let found = store.find(&Query::new().limit(usize::MAX)).unwrap();
    assert!(
        found.entries == sorted(kept.to_vec()),
        "what is found is not what was acknowledged"
    );
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}
