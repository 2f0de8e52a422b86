//! The connections of a store: two pools, and connections for one attempt.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audit_core::StoreError;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::Tolerance;
use crate::error::{Failure, is_timeout};
use crate::options::PostgresOptions;
use crate::server::{Opener, Server};

/// The time beyond the server's own limit that a client waits for a response, before it takes
/// the server for dead.
const GRACE: Duration = Duration::from_secs(2);

/// The connections of a store.
///
/// Writing has a connection of its own, so that readers never keep entries waiting.
#[derive(Clone)]
pub(crate) struct Connections {
    reads: Side,
    writes: Side,
    server: Arc<Server>,
    /// Names the server and the schema in errors.
    pub(crate) location: Arc<str>,
    /// Whether readers skip damaged rows.
    pub(crate) tolerance: Tolerance,
    limit: Duration,
    retry_timeout: Duration,
    ending: Arc<Ending>,
}

/// A pool, and the runtime in which its connections live.
#[derive(Clone)]
struct Side {
    pool: Pool,
    runtime: Handle,
}

/// Tasks that cancel the statements of dropped connections.
type Ending = Mutex<Vec<JoinHandle<()>>>;

/// The runtimes of connections.
pub(crate) struct Runtimes {
    pub(crate) reads: Handle,
    pub(crate) writes: Handle,
}

impl Connections {
    pub(crate) fn new(
        server: Arc<Server>,
        options: &PostgresOptions,
        location: &str,
        runtimes: Runtimes,
    ) -> Result<Self, StoreError> {
        let side = |size: usize, settings: String, runtime: Handle| {
            let opener = Opener {
                server: Arc::clone(&server),
                settings,
            };
            let recycling = ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            };
            let hosts = tokio_postgres::Config::new();
            let pool = Pool::builder(Manager::from_connect(hosts, opener, recycling))
                .max_size(size)
                .runtime(deadpool_postgres::Runtime::Tokio1)
                .wait_timeout(Some(options.pool_timeout))
                .build()
                .map_err(|error| StoreError::backend(location, error))?;
            Ok::<_, StoreError>(Side { pool, runtime })
        };
        let limits = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning",
            options.statement_timeout.as_millis().max(1),
            options.lock_timeout.as_millis().max(1),
            (options.statement_timeout + GRACE).as_millis(),
        );
        let reading = format!("{limits}; SET jit = off");
        Ok(Self {
            reads: side(options.pool_size, reading, runtimes.reads)?,
            writes: side(1, limits, runtimes.writes)?,
            server,
            location: location.into(),
            tolerance: options.tolerance.clone(),
            limit: options.statement_timeout + GRACE,
            retry_timeout: options.retry_timeout,
            ending: Arc::default(),
        })
    }

    /// Connects in the runtime that this is called in.
    #[cfg(test)]
    pub(crate) fn to(config: &tokio_postgres::Config) -> Self {
        let options = PostgresOptions::new();
        let server = Server::new(config, &options).unwrap();
        let runtimes = Runtimes {
            reads: Handle::current(),
            writes: Handle::current(),
        };
        Self::new(Arc::new(server), &options, "a test", runtimes).unwrap()
    }

    /// Sets the location, once the schema is known.
    pub(crate) fn at(mut self, location: &str) -> Self {
        self.location = location.into();
        self
    }

    pub(crate) async fn read(&self) -> Result<Connection, Failure> {
        self.get(&self.reads).await
    }

    pub(crate) async fn write(&self) -> Result<Connection, Failure> {
        let got = self.get(&self.writes).await;
        got.map_err(|failure| Failure {
            // Its user returns it in a while.
            retry: failure.retry || is_timeout(&failure.error),
            ..failure
        })
    }

    async fn get(&self, side: &Side) -> Result<Connection, Failure> {
        let pool = side.pool.clone();
        // A task of its own: a session that is being opened when the caller drops the future goes to
        // the pool. Aborted halfway it would exist beside the pool.
        let got = side.runtime.spawn(async move { pool.get().await }).await;
        let object = match got {
            Ok(Ok(object)) => object,
            Ok(Err(error)) => return Err(Failure::of_pool(&self.location, &error)),
            Err(error) if error.is_panic() => {
                let error = StoreError::backend(&*self.location, "opening a connection panicked");
                return Err(Failure::last(error));
            }
            Err(_) => return Err(Failure::last(StoreError::Closed)),
        };
        Ok(Connection {
            object: Some(object),
            connections: self.clone(),
            runtime: side.runtime.clone(),
        })
    }

    /// Opens a connection outside of the pools, whose statements may take any time.
    pub(crate) async fn detached(&self) -> Result<Detached, Failure> {
        let settings = "SET statement_timeout = 0; SET lock_timeout = 0; \
                        SET idle_in_transaction_session_timeout = 0; \
                        SET client_min_messages = warning";
        let (server, runtime) = (Arc::clone(&self.server), self.reads.runtime.clone());
        let opened = runtime.spawn(async move { server.open(settings).await });
        match opened.await {
            // The driver runs until the session ends.
            Ok(Ok((client, _driver))) => Ok(Detached {
                client,
                server: Arc::clone(&self.server),
                runtime,
            }),
            Ok(Err(error)) => Err(Failure::from_driver(&self.location, &error)),
            Err(_) => Err(Failure::last(StoreError::Closed)),
        }
    }

    /// Waits until the statements of connections dropped so far have ended.
    pub(crate) async fn ended(&self) {
        let ending = std::mem::take(&mut *self.ending());
        for ending in ending {
            // One that panicked has ended, too.
            let _panicked = ending.await;
        }
    }

    fn ending(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether this is the first call of a store that may write.
    pub(crate) fn begin_adoption(&self) -> bool {
        self.server.begin_adoption()
    }

    /// Returns the time until which a call that begins now retries.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.retry_timeout
    }

    pub(crate) fn close(&self) {
        self.reads.pool.close();
        self.writes.pool.close();
    }
}

/// A connection outside the pools. Dropping it cancels its statement and ends the session.
pub(crate) struct Detached {
    client: Client,
    server: Arc<Server>,
    runtime: Handle,
}

impl Deref for Detached {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Detached {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if !self.client.is_closed() {
            // The driver ends the session as soon as the answer to the last statement is there. The
            // first request may reach the server before that statement does; one for a session that
            // has ended has no effect.
            let [first, second] = [(); 2].map(|()| self.server.cancel(&self.client));
            self.runtime.spawn(async {
                first.await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                second.await;
            });
        }
    }
}

/// Retries until an attempt succeeds, fails permanently, or the deadline has passed.
pub(crate) async fn retrying<T, F>(
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut pause = Duration::from_millis(10);
    loop {
        match attempt().await {
            Err(failure) if failure.retry && Instant::now() + pause < deadline => {
                log::debug!("tries again in {pause:?}: {}", failure.error);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            done => return done,
        }
    }
}

/// Tracks whether an attempt may have committed without a confirmation by the server.
#[derive(Default)]
pub(crate) struct CommitTracker(AtomicBool);

impl CommitTracker {
    /// Waits for the answer to a commit. If the answer is lost or the future dropped, the commit is
    /// unconfirmed.
    pub(crate) async fn track<T>(
        &self,
        commit: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let before = self.0.swap(true, Ordering::Relaxed);
        let answer = commit.await;
        let answered = match &answer {
            Ok(_) => true,
            Err(error) => error.code().is_some_and(|code| {
                // 57P: a commit that is terminated while it waits for replicas stays committed. 08 and
                // 58: a pooler in between reports a lost server.
                let open = ["57P", "08", "58"];
                !open.iter().any(|class| code.code().starts_with(class))
            }),
        };
        if answered {
            self.0.store(before, Ordering::Relaxed);
        }
        answer
    }

    /// Returns whether an attempt may have stored its entries.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Marks the failure of the last attempt as unconfirmed if an earlier one may have committed.
    pub(crate) fn mark(&self, failure: Failure, location: &str) -> Failure {
        // A failure of the content itself applied to the earlier attempts, too.
        if !self.is_unconfirmed() || failure.concerns_content() {
            return failure;
        }
        Failure {
            error: failure.error.unconfirmed(location),
            ..failure
        }
    }
}

/// A connection for one attempt. Dropping it before the attempt is finished cancels its statement
/// and closes it; only then can the pool open another one.
pub(crate) struct Connection {
    object: Option<Object>,
    connections: Connections,
    runtime: Handle,
}

impl Connection {
    /// Ends an attempt. A connection that failed as such does not return to its pool.
    pub(crate) fn finish<T>(
        mut self,
        result: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, Failure> {
        let location = Arc::clone(&self.connections.location);
        match result {
            Ok(Ok(value)) => {
                drop(self.object.take());
                Ok(value)
            }
            Ok(Err(error)) => {
                let failure = Failure::from_driver(&location, &error);
                if failure.retry && matches!(failure.error, StoreError::Io { .. }) {
                    // It is lost; the server notices by itself.
                    close(self.object.take());
                } else if error.as_db_error().is_some() {
                    drop(self.object.take());
                }
                Err(failure)
            }
            Err(_) => Err(Failure::timeout(
                &location,
                "the server did not respond within the limit of the statement: check the network",
            )),
        }
    }

    /// Ends an attempt to copy rows. After most errors the connection is closed: if the server refuses a copy before
    /// the first row, the driver (0.7.18, `copy_in.rs`) has sent one message more than it reads responses of, and the
    /// next statement would read the wrong one.
    pub(crate) fn finish_copy<T>(
        mut self,
        result: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, Failure> {
        match &result {
            // Found in a row.
            Ok(Err(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
            Ok(Err(error)) => {
                let failure = Failure::from_driver(&self.connections.location, error);
                close(self.object.take());
                return Err(failure);
            }
            _ => {}
        }
        self.finish(result)
    }

    /// The time limit of the attempt.
    pub(crate) fn limit(&self) -> Duration {
        self.connections.limit
    }
}

impl Deref for Connection {
    type Target = Object;

    fn deref(&self) -> &Object {
        match &self.object {
            Some(object) => object,
            None => unreachable!("a connection is present until it is finished"),
        }
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Object {
        match &mut self.object {
            Some(object) => object,
            None => unreachable!("a connection is present until it is finished"),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        if object.is_closed() {
            return close(Some(object));
        }
        let server = Arc::clone(&self.connections.server);
        let ending = self.runtime.spawn(async move {
            server.stop(&object).await;
            close(Some(object));
        });
        let mut all = self.connections.ending();
        all.retain(|ending| !ending.is_finished());
        all.push(ending);
    }
}

/// Closes a connection instead of giving it back to its pool.
fn close(object: Option<Object>) {
    drop(object.map(Object::take));
}
