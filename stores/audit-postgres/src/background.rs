//! The two threads of a store: one writes, one reads.
//!
//! Each drives a runtime of its own. Callers spawn work on it and wait for the result, from threads
//! and from futures of any runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle, ThreadId};

use audit_core::StoreError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task;

/// A thread that drives a runtime until its main task ends.
pub(crate) struct Background {
    handle: Handle,
    id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts a thread, which ends when the main task that is sent to it does.
    pub(crate) fn start(name: &str) -> Result<(Self, oneshot::Sender<MainTask>), StoreError> {
        let failed = |source| StoreError::Io {
            location: "the thread of the PostgreSQL store".to_owned(),
            source: Arc::new(source),
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (main, received) = oneshot::channel::<MainTask>();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    if let Ok(main) = received.await {
                        main.await;
                    }
                });
            })
            .map_err(failed)?;
        let background = Self {
            handle,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        };
        Ok((background, main))
    }

    /// Returns the thread's runtime.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.handle
    }

    /// Runs work on the thread. Dropping the future aborts the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.spawn(work).await
    }

    /// Spawns work on the thread. Dropping the handle aborts the work.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> AbortOnDrop<T> {
        AbortOnDrop(self.handle.spawn(work))
    }

    /// Returns an error on the thread itself, where waiting would be a deadlock, as in a logger that
    /// records.
    pub(crate) fn check_thread(&self) -> Result<(), StoreError> {
        if thread::current().id() == self.id {
            return Err(StoreError::Unsupported {
                operation: "be called on its own thread, such as by a logger that records the log \
                            records of the store",
            });
        }
        Ok(())
    }

    /// Waits for the end of the thread, unless it is the calling thread.
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

/// The future whose end is the end of a thread.
pub(crate) type MainTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handle that aborts its task on drop.
pub(crate) struct AbortOnDrop<T>(task::JoinHandle<Result<T, StoreError>>);

impl<T> Future for AbortOnDrop<T> {
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

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a future on this thread, inside a runtime or outside.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    // Inside a task of tokio, an exhausted budget would never let it complete.
    pollster::block_on(task::unconstrained(future))
}
