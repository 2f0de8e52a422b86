//! Databases of a test's own, with a trail and the table `account`.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use audit_core::Store;
use audit_postgres::PostgresStore;
use audit_sqlite::rusqlite::Connection;
use audit_sqlite::{SchemaDifference, SqliteStore};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::Location;

const ACCOUNT: &str = "CREATE TABLE account (id integer PRIMARY KEY, balance integer)";

/// A database, removed when it is dropped.
pub trait Database {
    /// Returns where the driver finds it.
    fn location(&self) -> Location;

    /// Returns the number that a query gives.
    fn number(&self, query: &str) -> i64;

    /// From now on each statement that writes entries adds a row to the table `counted`.
    fn count_statements(&self);

    /// From now on no entry can be written.
    fn make_unwritable(&self);

    /// Returns the store that reads the trail.
    fn store(&self) -> &dyn Store;

    /// Checks that every column of the trail is what its entry says.
    fn check(&self);
}

fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("audit_in_transaction_{}_{number}", std::process::id())
}

/// A schema with the trail, and one with the application's table, on a server.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    schema: String,
    /// Whether the driver finds the trail by its search path.
    on_path: bool,
    store: PostgresStore,
    runtime: Runtime,
    client: Client,
}

impl Postgres {
    /// Makes the schemas; whether the driver is to find the trail by its search path.
    ///
    /// # Panics
    /// If the server does not let them be made.
    pub fn new(url: &str, on_path: bool) -> Self {
        let schema = unique();
        let store = PostgresStore::options()
            .schema(&schema)
            .pool_size(2)
            .connect(url)
            .expect("a store");
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
        let database = Self {
            url: url.to_owned(),
            schema,
            on_path,
            store,
            runtime,
            client,
        };
        let schema = &database.schema;
        database.sql(&format!(
            "CREATE SCHEMA {schema}_app; SET search_path = {schema}_app, {schema}; {ACCOUNT}"
        ));
        database
    }

    /// Waits for a future, from inside a runtime too.
    fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| self.runtime.block_on(future));
            waiting.join().expect("a future that does not panic")
        })
    }

    fn sql(&self, statements: &str) {
        self.wait(self.client.batch_execute(statements))
            .expect("statements that succeed");
    }
}

impl Database for Postgres {
    fn location(&self) -> Location {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let Self { url, schema, .. } = self;
        let path = if self.on_path {
            format!("{schema}_app,{schema}")
        } else {
            format!("{schema}_app")
        };
        Location {
            url: format!("{url}{mark}options=-c%20search_path%3D{path}"),
            schema: (!self.on_path).then(|| schema.clone()),
        }
    }

    fn number(&self, query: &str) -> i64 {
        let messages = self
            .wait(self.client.simple_query(query))
            .expect("a query that succeeds");
        messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            })
            .expect("a number")
    }

    fn count_statements(&self) {
        let schema = &self.schema;
        self.sql(&format!(
            "CREATE TABLE {schema}.counted (at timestamptz);
             CREATE FUNCTION {schema}.count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO {schema}.counted VALUES (statement_timestamp());
                 RETURN NULL;
             END $$;
             CREATE TRIGGER counted AFTER INSERT ON {schema}.audit_entry
                 FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count()"
        ));
    }

    fn make_unwritable(&self) {
        self.sql(&format!(
            "ALTER TABLE {}.audit_entry RENAME TO audit_gone",
            self.schema
        ));
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn check(&self) {
        let check = self.store.check().expect("a check");
        assert!(check.is_ok(), "{check:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let schema = &self.schema;
        let drop = format!("DROP SCHEMA {schema} CASCADE; DROP SCHEMA {schema}_app CASCADE");
        if let Err(error) = self.wait(self.client.batch_execute(&drop)) {
            eprintln!("{schema} is left: {error}");
        }
    }
}

/// A file with the trail and the application's table.
#[derive(Debug)]
pub struct Sqlite {
    folder: PathBuf,
    store: SqliteStore,
}

impl Sqlite {
    /// Makes the file.
    ///
    /// # Panics
    /// If there is no room for it.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(unique());
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("app.db");
        Connection::open(&file)
            .and_then(|connection| connection.execute_batch(ACCOUNT))
            .expect("a database");
        let store = SqliteStore::options()
            .shared_file()
            .open(&file)
            .expect("a store");
        Self { folder, store }
    }

    fn connection(&self) -> Connection {
        Connection::open(self.folder.join("app.db")).expect("a database")
    }
}

impl Database for Sqlite {
    fn location(&self) -> Location {
        Location {
            url: self.folder.join("app.db").display().to_string(),
            schema: None,
        }
    }

    fn number(&self, query: &str) -> i64 {
        self.connection()
            .query_row(query, [], |row| row.get(0))
            .expect("a number")
    }

    fn count_statements(&self) {
        self.connection()
            .execute_batch(
                "CREATE TABLE counted (n INTEGER);
                 CREATE TRIGGER counted INSTEAD OF INSERT ON audit_append BEGIN
                     INSERT INTO counted VALUES (1);
                 END",
            )
            .expect("statements that succeed");
    }

    fn make_unwritable(&self) {
        self.connection()
            .execute_batch("DROP TABLE audit_change")
            .expect("statements that succeed");
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn check(&self) {
        let mut check = self.store.check().expect("a check");
        // The trigger that counts statements stands on a view of the trail.
        let counted = SchemaDifference::Unknown("trigger", "counted".to_owned());
        check.schema.retain(|difference| *difference != counted);
        assert!(check.is_ok(), "{check:?}");
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Err(error) = self.store.clone().close() {
            eprintln!("{} is left: {error}", self.folder.display());
        }
        let _left = fs::remove_dir_all(&self.folder);
    }
}
