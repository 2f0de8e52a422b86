//! MySQL and MariaDB: databases of a test's own, and what is true of this trail only.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use audit_core::{Cursor, LogEntry, MemoryStore, Page, Query, Store, StoreError};
use audit_sql::postgres::Row;
use audit_sqlx::{Error, append_in, mysql};
use audit_testbed::MysqlServer;
use audit_testbed::in_transaction::{Database, Location, Mysql, trial};
use audit_testkit::entries;
use libtest_mimic::Trial;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, Row as _};
use tokio::runtime::{Builder, Runtime};

/// The server of the suite, and the creation of databases in it.
pub(crate) const SERVER: Mysql = Mysql {
    lets_in: |url| {
        let runtime = runtime();
        runtime.block_on(MySqlConnection::connect(url)).is_ok()
    },
    database: |url| Box::new(Trail::new(url)),
};

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// A database with a trail and the table `account`, removed when it is dropped.
#[derive(Debug)]
struct Trail {
    server: String,
    name: String,
}

impl Trail {
    fn new(server: &str) -> Self {
        let trail = Self::empty(server);
        trail.sql("CREATE TABLE account (id integer PRIMARY KEY, balance integer)");
        runtime().block_on(async {
            let mut connection = trail.connect().await;
            mysql::create_trail(&mut connection).await.expect("a trail");
        });
        trail
    }

    fn empty(server: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let trail = Self {
            server: server.to_owned(),
            name: format!("audit_in_transaction_{}_{number}", std::process::id()),
        };
        trail.on_server("CREATE DATABASE");
        trail
    }

    fn on_server(&self, statement: &str) {
        runtime().block_on(async {
            let mut connection = MySqlConnection::connect(&self.server)
                .await
                .expect("a server");
            let statement = AssertSqlSafe(format!("{statement} {}", self.name));
            let done = sqlx::raw_sql(statement).execute(&mut connection).await;
            done.expect("a statement that succeeds");
        });
    }

    /// Makes a role for the test that may do nothing yet, and returns its name and its URL.
    fn role(&self) -> (String, String) {
        let user = format!("'{}'@'%'", self.name);
        self.sql(&format!("CREATE USER {user} IDENTIFIED BY 'secret'"));
        let (before, after) = self.server.split_once("//").expect("a URL");
        let host = after.rsplit('@').next().expect("a host");
        let url = format!("{before}//{0}:secret@{host}{0}", self.name);
        (user, url)
    }

    fn url(&self) -> String {
        format!("{}{}", self.server, self.name)
    }

    async fn connect(&self) -> MySqlConnection {
        let connected = MySqlConnection::connect(&self.url()).await;
        connected.expect("a database")
    }

    fn sql(&self, statements: &str) {
        self.try_sql(statements).expect("statements that succeed");
    }

    fn try_sql(&self, statements: &str) -> Result<(), sqlx::Error> {
        runtime().block_on(async {
            let mut connection = self.connect().await;
            let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
            statements.execute(&mut connection).await.map(drop)
        })
    }

    fn append(&self, settings: &'static str, entries: &[LogEntry]) -> Result<(), Error> {
        runtime().block_on(async {
            let mut connection = self.connect().await;
            sqlx::raw_sql(settings).execute(&mut connection).await?;
            append_in(&mut connection, entries).await
        })
    }

    /// All entries, in pages.
    fn entries(&self) -> Vec<LogEntry> {
        runtime().block_on(async {
            let mut connection = self.connect().await;
            let mut all: Vec<LogEntry> = Vec::new();
            loop {
                let after = all.last().map(Cursor::of);
                let page = mysql::entries_after(&mut connection, after, 7).await;
                let page = page.expect("entries");
                if page.is_empty() {
                    return all;
                }
                all.extend(page);
            }
        })
    }

    fn memory(&self) -> Result<MemoryStore, StoreError> {
        let memory = MemoryStore::new();
        memory.append(&self.entries())?;
        Ok(memory)
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.on_server("DROP DATABASE");
        // Of one test.
        self.on_server("DROP USER IF EXISTS");
    }
}

/// Reads a copy of the trail.
impl Store for Trail {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        Trail::append(self, "DO 0", entries).map_err(|error| StoreError::backend("MySQL", error))
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.memory()?.find(query)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.memory()?.count(query)
    }
}

impl Database for Trail {
    fn location(&self) -> Location {
        Location {
            url: self.url(),
            schema: None,
        }
    }

    fn number(&self, query: &str) -> i64 {
        runtime().block_on(async {
            let query = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
            let number = query.fetch_one(&mut self.connect().await).await;
            number.expect("a number")
        })
    }

    /// There are no triggers for statements, but to a trigger for rows the time is when the
    /// statement began.
    fn count_statements(&self) {
        self.sql(
            "CREATE TABLE counted (at datetime(6) PRIMARY KEY);
             CREATE TRIGGER counted AFTER INSERT ON audit_entry FOR EACH ROW
                 INSERT IGNORE INTO counted VALUES (NOW(6))",
        );
    }

    fn make_unwritable(&self) {
        self.sql("RENAME TABLE audit_entry TO audit_gone");
    }

    fn store(&self) -> &dyn Store {
        self
    }

    fn check(&self) {
        runtime().block_on(async {
            let mut connection = self.connect().await;
            let rows = sqlx::query("SELECT * FROM audit_entry").fetch_all(&mut connection);
            for row in rows.await.expect("rows") {
                check(&row);
            }
        });
    }
}

/// Checks that every column is what the entry says.
fn check(row: &MySqlRow) {
    let text = |column: &str| {
        let bytes: Option<Vec<u8>> = row.get_unchecked(column);
        bytes.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    };
    let body = text("body").expect("an entry");
    let entry = LogEntry::from_json(&body).expect("an entry");
    let expected = Row::of(&entry).expect("its columns");
    assert_eq!(body, expected.body);
    assert_eq!(row.get::<Vec<u8>, _>("id"), expected.id.as_bytes());
    assert_eq!(row.get::<i64, _>("ts"), expected.ts);
    assert_eq!(row.get::<i16, _>("level"), expected.level);
    assert_eq!(text("action"), Some(expected.action));
    assert_eq!(text("outcome").as_deref(), Some(expected.outcome));
    assert_eq!(text("model"), Some(expected.model));
    assert_eq!(text("object_pk"), Some(expected.object_pk));
    assert_eq!(text("parent_model"), expected.parent_model);
    assert_eq!(text("parent_pk"), expected.parent_pk);
    assert_eq!(text("actor"), expected.actor);
    assert_eq!(text("correlation_id"), expected.correlation_id);
    let transaction: Option<Vec<u8>> = row.get("transaction_id");
    assert_eq!(
        transaction.as_deref(),
        expected
            .transaction_id
            .as_ref()
            .map(|id| &id.as_bytes()[..])
    );
    let fields: Vec<String> = serde_json::from_str(&text("fields").expect("fields")).unwrap();
    assert_eq!(fields, expected.fields);
    assert_eq!(row.get::<Vec<u8>, _>("checksum"), expected.checksum);
}

/// A test, and its name.
type Test = (&'static str, fn(&str));

const TESTS: [Test; 11] = [
    ("an_entry_stays_as_it_is", entries_stay),
    ("several_may_make_the_tables", racing_creation),
    ("other_tables_are_left_alone", foreign_tables),
    ("a_role_may_only_add", adding_role),
    ("a_trail_is_complete_or_not_there", unfinished),
    ("no_character_set_changes_an_entry", character_sets),
    ("no_character_set_of_a_connection_changes_an_entry", latin1),
    ("the_trail_is_that_of_the_chosen_database", chosen_database),
    ("no_mode_of_the_server_changes_an_entry", modes),
    ("many_writers_keep_each_entry_once", many_writers),
    ("the_view_shows_the_trail", view),
];

/// The tests of this module; without a server they are ignored.
pub(crate) fn trials(server: Option<&str>) -> Vec<Trial> {
    let trials = TESTS.iter().map(|(name, test)| {
        let url = server.unwrap_or_default().to_owned();
        trial(format!("mysql::{name}"), server.is_none(), move || {
            test(&url);
        })
    });
    let logged = trial(
        "mysql::a_binary_log_asks_for_more_rights".to_owned(),
        !MysqlServer::can_start(),
        binary_log,
    );
    trials.chain([logged]).collect()
}

fn entries_stay(server: &str) {
    let trail = Trail::new(server);
    let kept = entries(3, 1);
    trail.append("DO 0", &kept).expect("entries");
    for statement in [
        "UPDATE audit_entry SET level = 10",
        "UPDATE audit_entry SET body = CONCAT(body, ' ')",
        "UPDATE audit_entry SET checksum = UNHEX(SHA2(checksum, 256))",
        "DELETE FROM audit_entry",
        "REPLACE INTO audit_entry SELECT * FROM audit_entry",
    ] {
        assert!(trail.try_sql(statement).is_err(), "{statement}");
    }
    assert_eq!(trail.entries().len(), 3);
    trail.check();
    trail.sql("SET @auditlog_retention = 1; DELETE FROM audit_entry");
    assert_eq!(trail.entries(), []);
}

fn racing_creation(server: &str) {
    let trail = Trail::empty(server);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                runtime().block_on(async {
                    let mut connection = trail.connect().await;
                    mysql::create_trail(&mut connection).await.expect("a trail");
                });
            });
        }
    });
    assert_eq!(trail.number("SELECT COUNT(*) FROM audit_schema"), 1);
    // As a process leaves it that was killed half-way.
    trail.sql(
        "DELETE FROM audit_schema; DROP VIEW audit_log; DROP TRIGGER audit_entry_stay;
         RENAME TABLE audit_entry TO audit_entry_unfinished",
    );
    create(&trail).expect("the rest of it");
    trail.append("DO 0", &entries(1, 1)).expect("an entry");
    assert!(trail.try_sql("DELETE FROM audit_entry").is_err());
}

fn create(trail: &Trail) -> Result<(), StoreError> {
    runtime().block_on(async { mysql::create_trail(&mut trail.connect().await).await })
}

fn foreign_tables(server: &str) {
    for (statement, problem) in [
        (
            "CREATE TABLE audit_entry (id integer)",
            "no `audit_schema` that this role may read",
        ),
        (
            "CREATE TABLE audit_schema (version text)",
            "`audit_schema` in it belongs to another program",
        ),
        (
            "CREATE TABLE audit_schema (single integer, version integer, program text);
             INSERT INTO audit_schema VALUES (1, 1, 'another')",
            "`audit_schema` in it belongs to another program",
        ),
        (
            "CREATE TABLE audit_schema (single integer, version integer, program text);
             INSERT INTO audit_schema VALUES (1, 9, 'auditlog')",
            "version 9",
        ),
    ] {
        let trail = Trail::empty(server);
        trail.sql(statement);
        let error = create(&trail).expect_err(statement).to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.contains(&trail.name), "{error}");
    }
}

fn adding_role(server: &str) {
    let trail = Trail::new(server);
    let (user, url) = trail.role();
    trail.sql(&format!(
        "GRANT INSERT, SELECT, UPDATE ON audit_entry TO {user}"
    ));
    let kept = entries(2, 1);
    runtime().block_on(async {
        let mut connection = MySqlConnection::connect(&url).await.expect("the role");
        append_in(&mut connection, &kept).await.expect("entries");
        append_in(&mut connection, &kept).await.expect("the same");
        let mut other = kept[0].clone();
        other.reason = Some("another".to_owned());
        let conflict = append_in(&mut connection, &[other]).await;
        assert!(matches!(conflict, Err(Error::Conflict { id, .. }) if id == kept[0].id));
        for statement in [
            "UPDATE audit_entry SET ts = 0",
            "DELETE FROM audit_entry",
            "SET @auditlog_retention = 1; DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
            "DROP TRIGGER audit_entry_keep",
        ] {
            let done = sqlx::raw_sql(statement).execute(&mut connection).await;
            assert!(done.is_err(), "{statement}");
        }
        let hidden = mysql::create_trail(&mut connection).await;
        let error = hidden.expect_err("it sees too little").to_string();
        assert!(error.contains("this role may read"), "{error}");
        let grant = AssertSqlSafe(format!("GRANT SELECT ON audit_schema TO {user}"));
        let granted = sqlx::raw_sql(grant)
            .execute(&mut trail.connect().await)
            .await;
        granted.expect("a grant");
        let found = mysql::create_trail(&mut connection).await;
        found.expect("the trail is there");
        let mut none = MySqlConnection::connect(server).await.expect("a server");
        let error = mysql::create_trail(&mut none)
            .await
            .expect_err("no database");
        assert!(error.to_string().contains("no current database"), "{error}");
    });
    assert_eq!(trail.entries().len(), 2);
}

/// A role that may not make triggers leaves nothing that entries could be written into.
fn unfinished(server: &str) {
    let trail = Trail::empty(server);
    let (user, url) = trail.role();
    trail.sql(&format!(
        "GRANT ALTER, CREATE, CREATE VIEW, DROP, INSERT, SELECT, UPDATE ON {}.* TO {user}",
        trail.name
    ));
    let by_role = || {
        runtime().block_on(async {
            let mut connection = MySqlConnection::connect(&url).await.expect("the role");
            let created = mysql::create_trail(&mut connection).await;
            let appended = append_in(&mut connection, &entries(1, 1)).await;
            (created, appended)
        })
    };
    for _again in 0..2 {
        let (created, appended) = by_role();
        let error = created.expect_err("it may make no triggers").to_string();
        assert!(error.contains("denied"), "{error}");
        assert!(appended.is_err());
    }
    trail.sql(&format!("GRANT TRIGGER ON {}.* TO {user}", trail.name));
    let (created, appended) = by_role();
    created.expect("a trail");
    appended.expect("an entry");
    assert_eq!(trail.entries().len(), 1);
}

/// A server with a binary log, as MySQL has by default, lets not everybody make triggers.
fn binary_log() {
    let server = MysqlServer::start(&["--log-bin", "--server-id=1"]).expect("a server");
    let trail = Trail::empty(server.url());
    let (user, url) = trail.role();
    trail.sql(&format!("GRANT ALL ON {}.* TO {user}", trail.name));
    let create = || {
        runtime().block_on(async {
            let mut connection = MySqlConnection::connect(&url).await.expect("the role");
            mysql::create_trail(&mut connection).await
        })
    };
    let error = create().expect_err("it may make no triggers").to_string();
    assert!(
        error.contains("`log_bin_trust_function_creators = 1`"),
        "{error}"
    );
    assert!(trail.append("DO 0", &entries(1, 1)).is_err());
    trail.sql("SET GLOBAL log_bin_trust_function_creators = 1");
    create().expect("a trail");
    trail.append("DO 0", &entries(1, 1)).expect("an entry");
    trail.check();
}

fn character_sets(server: &str) {
    for set in ["latin1", "utf8mb3", "ucs2", "utf16", "binary"] {
        let trail = Trail::empty(server);
        trail.sql(&format!(
            "ALTER DATABASE {} CHARACTER SET {set}",
            trail.name
        ));
        create(&trail).expect(set);
        let mut kept = entries(12, 2);
        for (entry, odd) in kept
            .iter_mut()
            .zip(["é𝄞 ", "\u{10FFFF}ß", "語"].iter().cycle())
        {
            entry.model = String::from(*odd);
            entry.object_pk = odd.repeat(1 + entry.object_pk.len());
            entry.object_repr = odd.repeat(100);
        }
        trail.append("DO 0", &kept).expect(set);
        trail.append("DO 0", &kept).expect("the same entries");
        kept.sort_by_key(|entry| (entry.timestamp, entry.id));
        assert_eq!(trail.entries(), kept, "{set}");
        trail.check();
        let mut other = kept.remove(0);
        other.object_pk = String::from("語");
        let conflict = trail.append("DO 0", std::slice::from_ref(&other));
        assert!(
            matches!(conflict, Err(Error::Conflict { id, .. }) if id == other.id),
            "{set}: {conflict:?}"
        );
    }
}

fn latin1(server: &str) {
    let trail = Trail::new(server);
    let mut kept = entries(1, 1);
    kept[0].object_repr = String::from("Zoë 語 𝄞");
    runtime().block_on(async {
        let options: MySqlConnectOptions = trail.url().parse().expect("a URL");
        let connected = options.charset("latin1").connect().await;
        let mut connection = connected.expect("a database");
        append_in(&mut connection, &kept).await.expect("an entry");
        append_in(&mut connection, &kept)
            .await
            .expect("the same entry");
        let found = mysql::entries_after(&mut connection, None, 9).await;
        assert_eq!(found.expect("entries"), kept);
    });
    assert_eq!(trail.entries(), kept);
    trail.check();
}

fn chosen_database(server: &str) {
    let (first, second) = (Trail::new(server), Trail::new(server));
    let kept = entries(2, 1);
    runtime().block_on(async {
        let mut connection = first.connect().await;
        append_in(&mut connection, &kept[..1]).await.expect("one");
        let chosen = AssertSqlSafe(format!("USE {}", second.name));
        let done = sqlx::raw_sql(chosen).execute(&mut connection).await;
        done.expect("the other database");
        append_in(&mut connection, &kept[1..]).await.expect("two");
        let found = mysql::entries_after(&mut connection, None, 9).await;
        assert_eq!(found.expect("entries"), kept[1..]);
    });
    assert_eq!(first.entries(), kept[..1]);
}

fn modes(server: &str) {
    let trail = Trail::new(server);
    let mut kept = entries(12, 2);
    for (entry, odd) in kept
        .iter_mut()
        .zip(["\0 \\", "'\" ", "\u{10FFFF}  "].iter().cycle())
    {
        entry.model = odd.repeat(1 + entry.object_pk.len() % 7 * 100);
        entry.object_repr = odd.repeat(40_000);
    }
    let settings = [
        "SET sql_mode = ''",
        "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
        "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE'",
        "SET collation_connection = utf8mb4_general_ci",
        "SET sql_mode = 'ORACLE'",
        "SET NAMES latin1",
    ];
    for (setting, entries) in settings.iter().zip(kept.chunks(2)) {
        trail.append(setting, entries).expect(setting);
        trail.append(setting, entries).expect("the same entries");
    }
    kept.sort_by_key(|entry| (entry.timestamp, entry.id));
    assert_eq!(trail.entries(), kept);
    trail.check();
}

fn many_writers(server: &str) {
    let trail = Trail::new(server);
    let kept = entries(160, 8);
    thread::scope(|scope| {
        for writer in 0..8 {
            let (trail, kept) = (&trail, &kept);
            scope.spawn(move || {
                // Each entry by two of them, in another order.
                for batch in 0..10 {
                    let from = (writer * 20 + batch * 2) % 160;
                    let mut batch = kept[from..from + 2].to_vec();
                    let other = (from + 80) % 160;
                    batch.extend_from_slice(&kept[other..other + 2]);
                    trail.append("DO 0", &batch).expect("entries");
                }
            });
        }
    });
    let mut expected = kept;
    expected.sort_by_key(|entry| (entry.timestamp, entry.id));
    assert_eq!(trail.entries(), expected);
}

fn view(server: &str) {
    let trail = Trail::new(server);
    let entry = entries(1, 1).remove(0);
    trail
        .append("DO 0", std::slice::from_ref(&entry))
        .expect("an entry");
    runtime().block_on(async {
        let mut connection = trail.connect().await;
        let shown = sqlx::query_as::<_, (String, String, String)>(
            "SELECT DATE_FORMAT(time_utc, '%Y-%m-%dT%H:%i:%s.%fZ'), CONVERT(level USING utf8mb4), \
             object_pk FROM audit_log",
        );
        let (time, level, pk) = shown.fetch_one(&mut connection).await.expect("a row");
        let expected = entry.timestamp.format("%Y-%m-%dT%H:%M:%S%.6fZ");
        assert_eq!(time, expected.to_string());
        assert_eq!(level, entry.level.as_str());
        assert_eq!(pk, entry.object_pk);
    });
}
