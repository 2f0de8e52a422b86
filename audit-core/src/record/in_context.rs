//! Futures and streams that run in a context.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_core::Stream;

use super::staging::Staging;
use crate::context::ambient::{Ambient, Frames};
use crate::context::{Context, ContextData};
use crate::log::AuditLog;

/// Carries a context through the life of a future.
pub trait FutureExt: Future + Sized {
    /// Runs the future in `context`: on every poll, on any thread, and while it is dropped, so that
    /// entries that a cancelled future records in a `Drop` still have its actor.
    ///
    /// The future also keeps the log that is entered now (as by
    /// [`testing::capture`](crate::testing::capture)). Needs no particular runtime.
    ///
    /// # Example: two requests on one thread
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// async fn request() -> auditlog::Result<Receipt> {
    ///     auditlog::event("asked").submit().await
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// let ann = request().in_audit_context(auditlog::context().actor("ann"));
    /// let bob = request().in_audit_context(auditlog::context().actor("bob"));
    /// futures::executor::block_on(futures::future::try_join(ann, bob))?;
    ///
    /// assert_eq!(audit.matching().by("ann").times(1).len(), 1);
    /// assert_eq!(audit.matching().by("bob").times(1).len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    fn in_audit_context(self, context: Context) -> InContext<Self> {
        InContext {
            inner: Some(Box::pin(self)),
            frames: Carried::of(context),
        }
    }
}

impl<F: Future> FutureExt for F {}

/// A future or a stream that runs in a context; see [`FutureExt::in_audit_context`].
#[must_use = "a future does nothing until it is polled"]
pub struct InContext<F> {
    // Boxed, so that it can be polled and dropped where it is without unsafe code.
    inner: Option<Pin<Box<F>>>,
    frames: Carried,
}

/// The state that goes along with a future or a stream: its context, the log of its maker, and the
/// guards that it holds itself.
struct Carried {
    contexts: Frames<Arc<ContextData>>,
    logs: Frames<AuditLog>,
    transactions: Frames<Arc<Staging>>,
}

impl Carried {
    fn of(context: Context) -> Self {
        Self {
            contexts: Frames::with(context.data),
            logs: AuditLog::entered().map_or_else(Frames::new, Frames::with),
            transactions: Frames::new(),
        }
    }

    fn run<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let _log = AuditLog::resume(&mut self.logs);
        let _contexts = Arc::<ContextData>::swap(&mut self.contexts);
        let _transactions = Arc::<Staging>::resume(&mut self.transactions);
        run()
    }
}

impl<F> fmt::Debug for InContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InContext").finish_non_exhaustive()
    }
}

// What is pinned is behind the box.
impl<F> Unpin for InContext<F> {}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let Self { inner, frames } = &mut *self;
        frames.run(|| match inner {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        })
    }
}

/// Carries a context through the life of a stream.
pub trait StreamExt: Stream + Sized {
    /// Runs the stream in `context` as [`FutureExt::in_audit_context`] runs a future: whenever it is
    /// asked for an item, and while it is dropped. For what is read after the function that made it
    /// has returned, such as the body of a response.
    ///
    /// # Example: rows that are sent later
    /// ```
    /// use auditlog::StreamExt as _;
    /// use futures::{StreamExt as _, stream};
    ///
    /// let audit = auditlog::testing::capture();
    /// let rows = stream::iter(0..2).inspect(|row| {
    ///     auditlog::event("row sent").extra("row", *row).record().expect("recorded");
    /// });
    /// let body = rows.in_audit_context(auditlog::context().actor("reader"));
    /// assert_eq!(futures::executor::block_on(body.collect::<Vec<u32>>()), [0, 1]);
    /// assert!(audit.entries().iter().all(|entry| entry.actor() == "reader"));
    /// ```
    fn in_audit_context(self, context: Context) -> InContext<Self> {
        InContext {
            inner: Some(Box::pin(self)),
            frames: Carried::of(context),
        }
    }
}

impl<S: Stream> StreamExt for S {}

impl<S: Stream> Stream for InContext<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<S::Item>> {
        let Self { inner, frames } = &mut *self;
        frames.run(|| match inner {
            Some(stream) => stream.as_mut().poll_next(cx),
            None => Poll::Ready(None),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.inner {
            Some(stream) => stream.size_hint(),
            None => (0, Some(0)),
        }
    }
}

impl<F> Drop for InContext<F> {
    fn drop(&mut self) {
        let Self { inner, frames } = self;
        frames.run(|| *inner = None);
    }
}
