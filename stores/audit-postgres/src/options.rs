//! The settings of a store.

use std::path::PathBuf;
use std::time::Duration;

use audit_core::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::Tolerance;
use crate::background;
use crate::store::PostgresStore;
use crate::{tls, url};

/// The longest time limit; the server counts milliseconds in 31 bits.
const LONGEST: Duration = Duration::from_secs(24 * 24 * 60 * 60);
/// The most connections of a pool.
const MOST_CONNECTIONS: usize = 1000;
/// The most batches of the queue.
const MOST_BATCHES: usize = 1_000_000;

/// Settings for connecting a [`PostgresStore`].
///
/// Every wait has a limit, after which the call fails with [`StoreError::Busy`] for a lock and with
/// [`StoreError::Io`] of the kind `TimedOut` otherwise. The longest limit is 24 days.
///
/// # Example: a schema of its own, and short waits
/// ```no_run
/// use std::time::Duration;
/// use auditlog::PostgresStore;
///
/// let store = PostgresStore::options()
///     .schema("audit")
///     .statement_timeout(Duration::from_secs(3))
///     .connect("postgres://app@db.example/app")?;
/// # Ok::<(), auditlog::StoreError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `connect` is called"]
pub struct PostgresOptions {
    pub(crate) schema: Option<String>,
    pub(crate) migrate: bool,
    pub(crate) read_only: bool,
    /// Shared by all connections of a store.
    pub(crate) tolerance: Tolerance,
    pub(crate) pool_size: usize,
    pub(crate) queue: usize,
    pub(crate) months_ahead: u8,
    pub(crate) connect_timeout: Duration,
    pub(crate) pool_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) retry_timeout: Duration,
    pub(crate) root_certificates: Option<PathBuf>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: None,
            migrate: true,
            read_only: false,
            tolerance: Tolerance::new(false),
            pool_size: 8,
            queue: 1024,
            months_ahead: 3,
            connect_timeout: Duration::from_secs(5),
            pool_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            retry_timeout: Duration::from_secs(10),
            root_certificates: None,
        }
    }
}

impl PostgresOptions {
    /// Begins with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets readers skip damaged rows, where by default the first one is [`StoreError::Corrupt`]. A
    /// role that may write can add such a row, and would hide all entries by it.
    /// [`TrailStore::damaged`](audit_core::TrailStore::damaged) returns the skipped rows.
    pub fn skip_damaged(mut self) -> Self {
        self.tolerance = Tolerance::new(true);
        self
    }

    /// Sets the schema of the trail's tables; it is created if it does not exist.
    ///
    /// The default is the first schema of the connection's search path, which is `public` unless the
    /// role or the database has another one.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// Sets whether the store creates and upgrades its tables and creates partitions ahead (`true` by
    /// default). With `false`, missing tables are an error.
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Connects for reading only: nothing is created or upgraded, and `append` and `purge`
    /// are [`StoreError::ReadOnly`].
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self.migrate = false;
        self
    }

    /// Sets the size of the two pools of connections that read (8 by default, from 1 to 1,000): one
    /// for futures, and one for threads outside any runtime, which use the first pool once the
    /// second is exhausted. Connections open as they are needed. Writing has a connection of its own.
    ///
    /// The size is a bound: the statement of a dropped future is cancelled, and another connection
    /// opens in its place when the statement has ended. A server that takes longer than four seconds
    /// for it counts as dead.
    ///
    /// [`PostgresStore::import`](crate::PostgresStore::import) writes on up to two of these connections.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.clamp(1, MOST_CONNECTIONS);
        self
    }

    /// Sets the capacity of the queue in batches (1,024 by default, from 1 to 1,000,000). `append`
    /// waits while the queue is full; no batch is dropped.
    pub fn queue(mut self, batches: usize) -> Self {
        self.queue = batches.clamp(1, MOST_BATCHES);
        self
    }

    /// Sets the number of months ahead for which partitions are created (3 by default).
    pub fn months_ahead(mut self, months: u8) -> Self {
        self.months_ahead = months;
        self
    }

    /// Sets the time limit of a new connection, for each address of each host (5 s by default).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets how long a reader waits for a connection of the pool (5 s by default).
    pub fn pool_timeout(mut self, timeout: Duration) -> Self {
        self.pool_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets the time limit of a statement (30 s by default). Two seconds later the server counts as
    /// dead.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets how long a statement waits for a lock (5 s by default), before the call fails with
    /// [`StoreError::Busy`].
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets how long a call retries after a lost or failed connection, a deadlock or a serialization
    /// failure (10 s by default).
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets a file with the certificates (PEM) of the authorities that the client trusts, instead of
    /// those of the operating system and of `sslrootcert` in the URL.
    pub fn root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificates = Some(file.into());
        self
    }

    /// Connects, and blocks the thread.
    ///
    /// `url` is a `postgres://` URL or a text of `key=value` pairs, as libpq takes them; see
    /// [`PostgresStore::connect`].
    ///
    /// # Errors
    /// Returns the errors of [`PostgresStore::connect`].
    pub fn connect(&self, url: &str) -> Result<PostgresStore, StoreError> {
        background::wait(self.connect_async(url))
    }

    /// Connects, in any async runtime or none.
    ///
    /// # Errors
    /// Returns the errors of [`PostgresStore::connect`].
    pub async fn connect_async(&self, url: &str) -> Result<PostgresStore, StoreError> {
        let target =
            url::read(url).map_err(|why| StoreError::backend("the connection's URL", why))?;
        let mut options = self.clone();
        if options.root_certificates.is_none() {
            options.root_certificates = target.root_certificates;
        }
        let mut config = target.config;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        if config.get_application_name().is_none() {
            config.application_name("auditlog");
        }
        config.connect_timeout(self.connect_timeout);
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            // The default of two hours is too long to notice a dead server.
            config
                .keepalives_idle(Duration::from_secs(30))
                .keepalives_interval(Duration::from_secs(10))
                .keepalives_retries(3);
        }
        tls::resolve_mode(&mut config, target.has_mode);
        PostgresStore::open(config, options).await
    }
}

/// Returns the name of a server and a database for errors, without the password.
pub(crate) fn location(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(host) => format!("{host}:{port}"),
                #[cfg(unix)]
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user());
    format!(
        "database `{}` at {}",
        database.unwrap_or_default(),
        if hosts.is_empty() {
            let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
            addresses.collect::<Vec<_>>().join(", ")
        } else {
            hosts.join(", ")
        }
    )
}
