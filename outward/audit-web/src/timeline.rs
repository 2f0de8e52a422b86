//! The timeline of an object, for pages of the application.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use audit_core::{Cancellation, ObjectRef, StoreError};
use http::request::Parts;
use maud::{Markup, html};
use serde_json::Map;

use crate::access::{Denial, Grant};
use crate::error::Failure;
use crate::html::{Labels, Shown, entry_table, object_href};
use crate::pool::{Admission, JobError};
use crate::reader::{Bound, Reader, of_object};
use crate::record;
use crate::request::Route;
use crate::texts::{Selected, t};
use crate::viewer::{Inner, Viewer};

/// The name of a timeline in records and in the log.
const TIMELINE: &str = "object_timeline";
/// The entries of a timeline.
const ENTRIES: Bound = Bound {
    first: 50,
    entries: 50,
    bytes: 4 << 20,
};

/// Why a timeline is not available.
#[derive(Debug)]
#[non_exhaustive]
pub enum TimelineError {
    /// The reader may not see the trail.
    Denied,
    /// The view could not be recorded.
    Unrecorded {
        /// The error of the store.
        source: StoreError,
    },
    /// The trail could not be read.
    Trail {
        /// The error of the log.
        source: audit_core::Error,
    },
    /// The queue of the viewer is full, or the reader has too many requests in it.
    Busy,
    /// The trail was not read within the timeout of the viewer.
    TimedOut,
    /// The code that reads the trail panicked.
    Panicked,
    /// The timeline could not be made for another reason.
    Unavailable {
        /// The reason.
        reason: Cow<'static, str>,
    },
}

impl fmt::Display for TimelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the reader of the request may not see the trail"),
            Self::Unrecorded { source } => write!(f, "the view could not be recorded: {source}"),
            Self::Trail { source } => write!(f, "the trail could not be read: {source}"),
            Self::Busy => f.write_str("the viewer is busy; try again"),
            Self::TimedOut => f.write_str("the query timed out"),
            Self::Panicked => f.write_str("the code that reads the trail panicked"),
            Self::Unavailable { reason } => write!(f, "the timeline could not be made: {reason}"),
        }
    }
}

impl Error for TimelineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unrecorded { source } => Some(source),
            Self::Trail { source } => Some(source),
            Self::Denied
            | Self::Busy
            | Self::TimedOut
            | Self::Panicked
            | Self::Unavailable { .. } => None,
        }
    }
}

impl From<Denial> for TimelineError {
    fn from(denial: Denial) -> Self {
        denial.log();
        match denial {
            Denial::NoAccess | Denial::Host => Self::Denied,
            Denial::Unnamed => Self::Unavailable {
                reason: "the reader of the request has no id".into(),
            },
        }
    }
}

impl From<JobError> for TimelineError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Busy | JobError::ReaderBusy(_) => Self::Busy,
            JobError::TimedOut => Self::TimedOut,
            JobError::Panicked => Self::Panicked,
        }
    }
}

impl From<Failure> for TimelineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Trail(source) => Self::Trail { source },
            Failure::Unrecorded(source) => Self::Unrecorded { source },
            Failure::Cancelled => Self::TimedOut,
            Failure::Busy(_) | Failure::ReaderLimit { .. } => Self::Busy,
            // Of requests with parameters, of which a timeline has none.
            Failure::NotFound(thing) => Self::unavailable(format!("there is no such {thing}")),
            Failure::Query { message, .. } => Self::unavailable(message),
            Failure::Parameter { name, message } => {
                Self::unavailable(format!("the parameter `{name}` {message}"))
            }
            Failure::Url(reason)
            | Failure::Forbidden(reason)
            | Failure::Unsupported(reason)
            | Failure::TooLarge(reason) => Self::unavailable(reason),
            Failure::NoStream(reason) => Self::unavailable(format!("{reason:?}")),
            Failure::Output(error) => Self::unavailable(error.to_string()),
        }
    }
}

impl TimelineError {
    fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
        }
    }
}

impl Viewer {
    /// Returns the newest 50 entries of an object as HTML, for a page of the application.
    ///
    /// The reader and the scope are those that [`authorize`](crate::ViewerBuilder::authorize) returns
    /// for the request of that page, and the view is recorded as the view of a page is. Links lead
    /// to the viewer, at the path of [`prefix`](crate::ViewerBuilder::prefix) or
    /// [`mounted_at`](crate::ViewerBuilder::mounted_at).
    ///
    /// The HTML is a `section` of class `auditlog` with a table and a link to the complete history. It
    /// has no script and no style: the style sheet of the application applies. Every stored text is
    /// escaped.
    ///
    /// # Errors
    /// - Returns [`TimelineError::Denied`] if the reader may not see the trail.
    /// - Returns [`TimelineError::Unrecorded`] if the view could not be recorded.
    /// - Returns [`TimelineError::Trail`] if the trail could not be read.
    /// - Returns [`TimelineError::Busy`] or [`TimelineError::TimedOut`] at the limits of the viewer.
    /// - Returns [`TimelineError::Panicked`] or [`TimelineError::Unavailable`] if it could not be made.
    ///
    /// # Example: the history of a user beside the user's own page
    /// ```
    /// use audit_core::{AuditLog, LogEntry, MemoryStore, ObjectRef, Store};
    /// use audit_web::{Access, Viewer};
    ///
    /// let store = MemoryStore::new();
    /// store.append(&[LogEntry::new("create", "User", "42", "bob")])?;
    /// let viewer = Viewer::builder(AuditLog::builder().store(store).build())
    ///     .authorize(|_| Access::reader("alice"))
    ///     .mounted_at("/audit")
    ///     .build()?;
    ///
    /// let (request, ()) = http::Request::get("/users/42").body(())?.into_parts();
    /// let timeline = viewer.object_timeline(&request, ObjectRef::new("User", "42"));
    /// let html = futures::executor::block_on(timeline)?;
    /// assert!(html.contains("href=\"/audit/object?model=User&amp;key=42\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn object_timeline(
        &self,
        request: &Parts,
        object: ObjectRef,
    ) -> impl Future<Output = Result<String, TimelineError>> + Send + use<> {
        let inner = self.shared();
        let grant = (inner.decide)(request).grant;
        let markup = grant.map(|grant| {
            let shared = inner.clone();
            let selected = Selected::of(None, &request.headers);
            let reader = grant.reader.id.clone();
            let work = move |cancellation: &Cancellation| {
                selected.make(|| shared.timeline(grant, &object, cancellation))
            };
            inner.pool.run(Admission::Limited, &reader, TIMELINE, work)
        });
        async move {
            let markup = markup.map_err(TimelineError::from)?.await??;
            Ok(with_prefix(&markup, inner.mount.prefix()))
        }
    }
}

impl Inner {
    fn timeline(
        &self,
        grant: Grant,
        object: &ObjectRef,
        cancellation: &Cancellation,
    ) -> Result<Markup, TimelineError> {
        if self.is_recorded {
            let parameters = [("model", &*object.model), ("key", &*object.object_pk)];
            let view = record::view(&self.log, &grant, TIMELINE, parameters, Map::new());
            let recorded = self.log.store().append(&[view]);
            recorded.map_err(|source| TimelineError::Unrecorded { source })?;
        }
        let reader = Reader::new(self.log.clone(), grant, cancellation);
        let query = of_object(object);
        let terms = reader.terms(&query);
        let mut entries = Vec::new();
        reader.read(&query.newest_first(), ENTRIES, |entry| {
            entries.push(entry);
            Ok(true)
        })?;
        let labels = Labels::of(&self.log);
        let shown = Shown {
            caption: t("The newest entries of the object"),
            terms: &terms,
            labels: &labels,
            object: false,
        };
        Ok(html! {
            section.auditlog aria-label=(t("History")) {
                @if entries.is_empty() {
                    p { (t("No entry of this object.")) }
                } @else {
                    (entry_table(&entries, &shown))
                    p { a href=[object_href(Route::Object.name(), object, &[])] { (t("Complete history")) } }
                }
            }
        })
    }
}

/// Puts the path of the viewer before each link.
fn with_prefix(markup: &Markup, prefix: &str) -> String {
    // Quotes in stored texts are escaped, so that each match is an attribute of the viewer's own.
    let link = format!(" href=\"{prefix}/");
    markup.0.replace(" href=\"", &link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_permission_is_denied() {
        let failures = [
            Failure::NotFound("object"),
            Failure::Url("The URL is invalid."),
            Failure::Unsupported("The store does not support it."),
            Failure::TooLarge("It is too large."),
            Failure::Output("the disk is full".into()),
            Failure::Cancelled,
            Failure::Trail(StoreError::Closed.into()),
        ];
        let messages = failures.map(|failure| TimelineError::from(failure).to_string());
        let denied = TimelineError::Denied.to_string();
        for (index, message) in messages.iter().enumerate() {
            assert_ne!(*message, denied);
            assert!(!messages[..index].contains(message), "{message}");
        }
        assert!(messages[4].contains("the disk is full"), "{}", messages[4]);
    }
}
