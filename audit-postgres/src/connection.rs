//! Connections: two pools, and what one attempt to use a connection comes to.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use audit_core::StoreError;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::tls;

/// How much longer than the server's own limit a client waits for an answer, before it takes
/// the server for dead.
const GRACE: Duration = Duration::from_secs(2);

/// Where and how sessions are opened.
struct Server {
    config: tokio_postgres::Config,
    connector: MakeRustlsConnect,
}

/// The connections of a store.
///
/// Writing has a connection of its own, so that readers never keep entries waiting.
#[derive(Clone)]
pub(crate) struct Connections {
    reads: Pool,
    writes: Pool,
    server: Arc<Server>,
    /// Where the server is, for errors.
    pub(crate) place: Arc<str>,
    limit: Duration,
    retry_timeout: Duration,
}

impl Connections {
    pub(crate) fn new(
        config: &tokio_postgres::Config,
        options: &PostgresOptions,
        place: &str,
    ) -> Result<Self, StoreError> {
        let connector = tls::connector(config, options)?;
        let pool = |size: usize, settings: String| {
            let manager = Manager::from_config(
                config.clone(),
                connector.clone(),
                ManagerConfig {
                    recycling_method: RecyclingMethod::Fast,
                },
            );
            Pool::builder(manager)
                .max_size(size)
                .runtime(deadpool_postgres::Runtime::Tokio1)
                .wait_timeout(Some(options.pool_timeout))
                .create_timeout(Some(options.connect_timeout))
                .post_create(Hook::async_fn(move |client, _| {
                    let settings = settings.clone();
                    Box::pin(async move {
                        client
                            .batch_execute(&settings)
                            .await
                            .map_err(HookError::Backend)
                    })
                }))
                .build()
                .map_err(|error| StoreError::backend(place, error))
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
            reads: pool(options.pool_size.max(1), reading)?,
            writes: pool(1, limits)?,
            server: Arc::new(Server {
                config: config.clone(),
                connector,
            }),
            place: place.into(),
            limit: options.statement_timeout + GRACE,
            retry_timeout: options.retry_timeout,
        })
    }

    /// Names the place anew, now that the schema is known.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.place = place.into();
        self
    }

    pub(crate) async fn read(&self) -> Result<Connection, Failure> {
        self.get(&self.reads).await
    }

    pub(crate) async fn write(&self) -> Result<Connection, Failure> {
        self.get(&self.writes).await
    }

    /// Opens a connection outside of the pools, whose statements may take any time.
    ///
    /// It lives in the runtime that this is called in.
    #[expect(dead_code, reason = "for indexes that are made while others write")]
    pub(crate) async fn detached(&self) -> Result<Detached, Failure> {
        let failed = |error| Failure::of(&self.place, &error);
        let connector = self.server.connector.clone();
        let opened = self.server.config.connect(connector).await;
        let (client, connection) = opened.map_err(failed)?;
        let runtime = Handle::current();
        let place = Arc::clone(&self.place);
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                log::debug!("{place}: a connection ended: {error}");
            }
        });
        let detached = Detached {
            client,
            server: Arc::clone(&self.server),
            runtime,
        };
        let settings = "SET statement_timeout = 0; SET lock_timeout = 0; \
                        SET idle_in_transaction_session_timeout = 0; \
                        SET client_min_messages = warning";
        detached.batch_execute(settings).await.map_err(failed)?;
        Ok(detached)
    }

    async fn get(&self, pool: &Pool) -> Result<Connection, Failure> {
        match pool.get().await {
            Ok(object) => Ok(Connection {
                object: Some(object),
                place: Arc::clone(&self.place),
                limit: self.limit,
            }),
            Err(error) => Err(Failure::of_pool(&self.place, &error)),
        }
    }

    /// Returns until when a call that begins now goes on trying.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.retry_timeout
    }

    pub(crate) fn close(&self) {
        self.reads.close();
        self.writes.close();
    }
}

/// A connection of its own. When it is dropped, what it is busy with is cancelled, and the
/// session ends.
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
        if self.client.is_closed() {
            return;
        }
        let token = self.client.cancel_token();
        let connector = self.server.connector.clone();
        // The driver ends the session as soon as the answer to the last statement is there.
        self.runtime.spawn(async move {
            let cancelled = timeout(GRACE, token.cancel_query(connector)).await;
            if !matches!(cancelled, Ok(Ok(()))) {
                log::debug!("a statement that nobody waits for could not be cancelled");
            }
        });
    }
}

/// Tries until an attempt succeeds, or fails for good, or the time is up.
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

/// Whether one of the attempts may have committed, although none of them was told so.
#[derive(Default)]
pub(crate) struct Doubt(AtomicBool);

impl Doubt {
    /// Waits for the answer to a commit, which may be lost, as may be who waits.
    pub(crate) async fn commit<T>(
        &self,
        commit: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let before = self.0.swap(true, Ordering::Relaxed);
        let answer = commit.await;
        let answered = match &answer {
            Ok(_) => true,
            Err(error) => error.code().is_some_and(|code| {
                // Of one that is ended while it waits for replicas the commit stays, and a
                // pooler in between says the others where it lost the server.
                let open = ["57P", "08", "58"];
                !open.iter().any(|class| code.code().starts_with(class))
            }),
        };
        if answered {
            self.0.store(before, Ordering::Relaxed);
        }
        answer
    }

    /// Says of the last attempt's failure what it means for all of them.
    pub(crate) fn about(&self, failure: Failure, place: &str) -> Failure {
        // What stands in the way of these entries did so before, too.
        if !self.0.load(Ordering::Relaxed) || failure.concerns_content() {
            return failure;
        }
        Failure {
            error: failure.error.unconfirmed(place),
            ..failure
        }
    }
}

/// A connection for one attempt. Unless the attempt is settled it is closed when dropped:
/// nobody knows what it is still busy with.
pub(crate) struct Connection {
    object: Option<Object>,
    place: Arc<str>,
    limit: Duration,
}

impl Connection {
    /// Ends an attempt. A connection that failed as such does not return to its pool.
    pub(crate) fn settle<T>(
        mut self,
        result: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, Failure> {
        match result {
            Ok(Ok(value)) => {
                drop(self.object.take());
                Ok(value)
            }
            Ok(Err(error)) => {
                let failure = Failure::of(&self.place, &error);
                let usable = error.as_db_error().is_some()
                    && !matches!(failure.error, StoreError::Io { .. });
                if usable {
                    drop(self.object.take());
                }
                Err(failure)
            }
            Err(_) => Err(Failure::timeout(
                &self.place,
                "the server did not answer in time",
            )),
        }
    }

    /// How long the whole attempt may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

impl Deref for Connection {
    type Target = Object;

    fn deref(&self) -> &Object {
        match &self.object {
            Some(object) => object,
            None => unreachable!("a connection is there until it is settled"),
        }
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Object {
        match &mut self.object {
            Some(object) => object,
            None => unreachable!("a connection is there until it is settled"),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
