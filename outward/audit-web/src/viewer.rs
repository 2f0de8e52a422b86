//! The service: makes the page of a request on a thread, and returns the response.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use audit_core::{AuditLog, Cancellation, Position};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tower_service::Service;

use crate::access::Grant;
use crate::body::Body;
use crate::builder::Decide;
use crate::checks::Checks;
use crate::error::Failure;
use crate::exports::Exports;
use crate::html::{self, Frame};
use crate::live::Live;
use crate::mount::Mount;
use crate::pages::{self, Content};
use crate::pool::{Admission, Job, Pool};
use crate::reader::Reader;
use crate::record;
use crate::request::{self, Format, PageRequest, Route};
use crate::response::{self, HTML, JSON};
use crate::route::Routed;
use crate::texts::Selected;

/// The viewer of a trail: a service for requests of any body type.
///
/// It never fails; errors are pages. Clones share the threads, which end when the last one is
/// dropped.
#[derive(Clone)]
pub struct Viewer {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) log: AuditLog,
    pub(crate) title: String,
    pub(crate) mount: Mount,
    pub(crate) is_recorded: bool,
    pub(crate) decide: Arc<Decide>,
    pub(crate) pool: Pool,
    pub(crate) exports: Exports,
    pub(crate) followers: Vec<Follower>,
    pub(crate) checks: Arc<Checks>,
    pub(crate) live: Live,
}

/// A follower of the trail, whose position is shown.
pub(crate) struct Follower {
    pub(crate) name: String,
    pub(crate) position: Box<ReadPosition>,
}

/// Reads the position of a follower.
pub(crate) type ReadPosition =
    dyn Fn() -> Result<Position, Box<dyn Error + Send + Sync>> + Send + Sync;

impl Viewer {
    pub(crate) fn of(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn shared(&self) -> Arc<Inner> {
        Arc::clone(&self.inner)
    }

    fn respond(&self, parts: &Parts) -> Responding {
        let inner = &self.inner;
        let format = request::format(parts);
        let selected = request::language(parts);
        let (format, state) = match selected.make(|| inner.route(parts)) {
            Ok(Routed::Response(response)) => (format, State::Ready(Some(Box::new(response)))),
            Ok(Routed::Page(grant, page)) => {
                let shared = Arc::clone(inner);
                let format = page.format;
                let reader = grant.reader.id.clone();
                let name = page.route.name();
                let job = move |cancellation: &Cancellation| {
                    selected.make(|| shared.respond(&grant, &page, cancellation))
                };
                (
                    format,
                    State::Running(inner.pool.run(Admission::Limited, &reader, name, job)),
                )
            }
            Err(refusal) => {
                let response = selected.make(|| inner.refusal(&refusal, format));
                (format, State::Ready(Some(Box::new(response))))
            }
        };
        Responding {
            inner: Arc::clone(inner),
            format,
            selected,
            is_head: parts.method == Method::HEAD,
            state,
        }
    }
}

impl<B> Service<Request<B>> for Viewer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Responding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Responding {
        let (parts, _body) = request.into_parts();
        self.respond(&parts)
    }
}

impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewer")
            .field("log", &self.inner.log)
            .field("title", &self.inner.title)
            .field("is_recorded", &self.inner.is_recorded)
            .finish_non_exhaustive()
    }
}

/// A response that is being made. Dropping it cancels its job.
#[must_use = "a future does nothing unless it is polled"]
pub struct Responding {
    inner: Arc<Inner>,
    format: Format,
    selected: Selected,
    is_head: bool,
    state: State,
}

enum State {
    Ready(Option<Box<Response<Body>>>),
    Running(Job<Response<Body>>),
}

impl Future for Responding {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = match &mut self.state {
            State::Ready(response) => match response.take() {
                Some(response) => *response,
                None => return Poll::Pending,
            },
            State::Running(job) => match Pin::new(job).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(response)) => response,
                Poll::Ready(Err(error)) => self
                    .selected
                    .make(|| self.inner.job_error(error, self.format)),
            },
        };
        self.state = State::Ready(None);
        if self.is_head {
            response.body_mut().finish();
            *response.body_mut() = Body::empty();
        }
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for Responding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responding").finish_non_exhaustive()
    }
}

impl Inner {
    /// Makes the response, on a thread of the pool.
    fn respond(
        self: &Arc<Self>,
        grant: &Grant,
        page: &PageRequest,
        cancellation: &Cancellation,
    ) -> Response<Body> {
        let mut frame = self.frame(grant, page);
        let content = self.content(grant, page, cancellation);
        match content.and_then(|content| render(&frame, content)) {
            Ok(response) => response,
            Err(failure) => {
                frame.json = None;
                self.failure(&frame, page.format, &failure)
            }
        }
    }

    fn content(
        self: &Arc<Self>,
        grant: &Grant,
        page: &PageRequest,
        cancellation: &Cancellation,
    ) -> Result<Content, Failure> {
        let reader = Reader::new(self.log.clone(), grant.clone(), cancellation);
        if !self.is_recorded || !page.route.has_record() {
            return pages::content(self, &reader, page);
        }
        let view = record::page(&self.log, grant, page);
        let store = || self.log.store().append(slice::from_ref(&view));
        // Exports and streams read further after this, and the page of the store may begin a check.
        if matches!(page.route, Route::Export | Route::Events | Route::Trust) {
            store().map_err(Failure::Unrecorded)?;
            return pages::content(self, &reader, page);
        }
        // The page is made while the view is stored, which waits for a disk, and is returned after both.
        let reader = reader.without(view.id);
        thread::scope(|scope| {
            let storing = thread::Builder::new().name("auditlog-view".to_owned());
            let storing = storing.spawn_scoped(scope, store);
            let content = pages::content(self, &reader, page);
            let stored = match storing {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => store(),
            };
            stored.map_err(Failure::Unrecorded)?;
            content
        })
    }

    fn frame<'f>(&'f self, grant: &'f Grant, page: &PageRequest) -> Frame<'f> {
        Frame {
            title: &self.title,
            reader: Some(&grant.reader),
            is_unrestricted: grant.is_unrestricted(),
            is_recorded: self.is_recorded,
            route: Some(page.route),
            json: Some(page.json_link()),
            languages: page.language_links(),
        }
    }
}

/// The title for requests without a reader.
pub(crate) const TITLE: &str = "Audit trail";

/// The largest page and the largest JSON, in bytes. Pages limit their rows and values, so that only
/// texts which consist of escapes reach them.
const MAX_PAGE: usize = 4 << 20;
const MAX_JSON: usize = 64 << 20;

fn render(frame: &Frame<'_>, content: Content) -> Result<Response<Body>, Failure> {
    let (kind, text, limit) = match content {
        Content::Html { title, main } => {
            let page = html::page(frame, &title, main).into_string();
            (HTML, page, MAX_PAGE)
        }
        Content::Json(text) => (JSON, text, MAX_JSON),
        Content::Export { export, first } => return Ok(export.response(first)),
        Content::Live(receiver) => return Ok(response::live(receiver)),
    };
    if text.len() > limit {
        return Err(Failure::TooLarge(
            "This page is too large to show. Narrow the query, or show fewer entries with limit:10.",
        ));
    }
    Ok(response::with_content(StatusCode::OK, kind, text))
}
