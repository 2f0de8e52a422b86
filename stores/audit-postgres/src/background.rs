//! The threads that talk to the server: one writes, one reads.
//!
//! Each has a small runtime of its own. Callers, be they threads or futures of any runtime,
//! hand work over and wait for the answer, so that the store neither needs a runtime of the
//! caller's nor minds one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle, ThreadId};

use audit_core::StoreError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task;

/// A thread with a runtime, until what it was started with ends.
pub(crate) struct Background {
    handle: Handle,
    id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts a thread; it ends when the future that is sent to it does.
    pub(crate) fn start(name: &str) -> Result<(Self, oneshot::Sender<Life>), StoreError> {
        let failed = |source| StoreError::Io {
            location: "the thread of the PostgreSQL store".to_owned(),
            source: Arc::new(source),
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (life, begun) = oneshot::channel::<Life>();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    if let Ok(life) = begun.await {
                        life.await;
                    }
                });
            })
            .map_err(failed)?;
        let background = Self {
            handle,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        };
        Ok((background, life))
    }

    /// Returns the thread's runtime.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.handle
    }

    /// Runs work on the thread. The work is given up when the caller is no longer interested.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.begin(work).await
    }

    /// Begins work on the thread, and returns what waits for it and gives it up when dropped.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> GivenUp<T> {
        GivenUp(self.handle.spawn(work))
    }

    /// Refuses to wait for the thread on the thread itself, as from a logger that records.
    pub(crate) fn check_thread(&self) -> Result<(), StoreError> {
        if thread::current().id() == self.id {
            return Err(StoreError::Unsupported {
                operation: "be used on its own thread, such as by a logger that records what \
                            the store logs",
            });
        }
        Ok(())
    }

    /// Waits for the end of the thread, unless this is the thread.
    pub(crate) fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread::current().id() != self.id
            && thread.join().is_err()
        {
            log::error!("the thread of the PostgreSQL store panicked");
        }
    }
}

/// What a thread lives for.
pub(crate) type Life = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that is aborted when nobody waits for it.
pub(crate) struct GivenUp<T>(task::JoinHandle<Result<T, StoreError>>);

impl<T> Future for GivenUp<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|done| match done {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(StoreError::backend(
                "the PostgreSQL store",
                "its thread panicked",
            )),
            Err(_) => Err(StoreError::Closed),
        })
    }
}

impl<T> Drop for GivenUp<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a future on this thread, whatever runtime the thread may belong to.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    // Inside a task of tokio its budget would end the waiting too early, for ever.
    pollster::block_on(task::unconstrained(future))
}
