//! Connections that the calling thread drives.
//!
//! A thread outside any runtime reads from a connection of its own: to hand a question to the
//! store's thread and the answer back takes longer than a small answer does.
//!
//! The rows `postgres/object-history` to `postgres/correlation-id` of `audit-bench` measure what it
//! is for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit_core::StoreError;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::connection::{Connections, Runtimes};
use crate::options::PostgresOptions;
use crate::server::Server;

/// The connections of a store that calling threads drive, up to its `pool_size`, opened as needed.
pub(crate) struct LocalPool {
    server: Arc<Server>,
    options: PostgresOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<LocalConnection>,
    opened: usize,
    closed: bool,
}

impl LocalPool {
    pub(crate) fn new(server: Arc<Server>, options: PostgresOptions) -> Self {
        Self {
            server,
            options,
            state: Mutex::default(),
        }
    }

    /// Returns a connection for this thread, or `None` if all are in use or the thread is in a
    /// runtime, in which it must not drive another one.
    ///
    /// # Errors
    /// Returns an error if none can be opened.
    pub(crate) fn get(&self, location: &str) -> Result<Option<PooledGuard<'_>>, StoreError> {
        if Handle::try_current().is_ok() {
            return Ok(None);
        }
        let mut state = self.state();
        let connection = match state.idle.pop() {
            Some(connection) => connection,
            None if state.closed || state.opened >= self.options.pool_size => return Ok(None),
            None => {
                let connection = LocalConnection::new(&self.server, &self.options, location)?;
                state.opened += 1;
                connection
            }
        };
        Ok(Some(PooledGuard {
            pool: self,
            connection: Some(connection),
        }))
    }

    /// Closes idle connections now, and the others when they are returned.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.idle.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, and the runtime that it needs.
struct LocalConnection {
    connections: Connections,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl LocalConnection {
    /// Connects when it is first used.
    fn new(
        server: &Arc<Server>,
        options: &PostgresOptions,
        location: &str,
    ) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| StoreError::Io {
            location: "the runtime of a thread that reads".to_owned(),
            source: source.into(),
        })?;
        let options = options.clone().pool_size(1);
        let runtimes = Runtimes {
            reads: runtime.handle().clone(),
            writes: runtime.handle().clone(),
        };
        Ok(Self {
            connections: Connections::new(Arc::clone(server), &options, location, runtimes)?,
            runtime: Some(runtime),
        })
    }
}

impl Drop for LocalConnection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            if Handle::try_current().is_ok() {
                // A runtime must not wait for the end of another one.
                runtime.shutdown_background();
            } else {
                // A thread that is detached while it ends can crash the process (glibc 2.36, `pthread_detach`).
                runtime.shutdown_timeout(Duration::from_secs(1));
            }
        }
    }
}

/// A connection in use, returned to its pool on drop.
pub(crate) struct PooledGuard<'p> {
    pool: &'p LocalPool,
    connection: Option<LocalConnection>,
}

impl PooledGuard<'_> {
    /// Runs work on this thread.
    ///
    /// # Errors
    /// Returns the errors of the work.
    pub(crate) fn run<T>(
        &self,
        work: impl AsyncFnOnce(Connections) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(LocalConnection {
            connections,
            runtime: Some(runtime),
        }) = &self.connection
        else {
            return Err(StoreError::Closed);
        };
        runtime.block_on(async {
            let done = work(connections.clone()).await;
            // The runtime stands still between two calls: aborted statements end now, and a failed
            // transaction is rolled back.
            connections.ended().await;
            if done.is_err() {
                tokio::task::yield_now().await;
            }
            done
        })
    }
}

impl Drop for PooledGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if !state.closed {
            state.idle.extend(self.connection.take());
        }
    }
}
