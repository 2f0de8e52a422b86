//! The service: checks a request, makes the page on a thread, and returns the response.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use audit_core::{AuditLog, Cancellation, Position, StoreError};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use maud::Markup;
use serde_json::{Map, Value, json};
use tower_service::Service;

use crate::access::Grant;
use crate::assets;
use crate::body::Body;
use crate::builder::Decide;
use crate::checks::Checks;
use crate::error::{BuildError, Failure};
use crate::exports::Exports;
use crate::html::{self, Frame};
use crate::live::{Live, NotOpened};
use crate::pages::{self, Content};
use crate::pool::{Admission, Job, JobError, Pool};
use crate::reader::Reader;
use crate::record::access_entry;
use crate::request::{self, Format, PageRequest, Route};
use crate::response::{self, HTML, JSON};
use crate::texts::{Selected, t};

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

/// The path at which the viewer is mounted.
#[derive(Clone, Debug)]
pub(crate) enum Mount {
    /// `/`, or unknown.
    Root,
    /// Requests have the full path.
    Prefix(String),
    /// Requests have the path below it.
    Stripped(String),
}

impl Mount {
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let (Self::Prefix(prefix) | Self::Stripped(prefix)) = self else {
            return Ok(());
        };
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/-_.~".contains(&c);
        let has_empty_part = prefix.split('/').skip(1).any(str::is_empty);
        if prefix.starts_with('/') && !has_empty_part && prefix.bytes().all(is_plain) {
            return Ok(());
        }
        Err(BuildError::Prefix {
            prefix: prefix.clone(),
        })
    }

    /// Returns the part of a path below the viewer, without its first `/`.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = match self {
            Self::Prefix(prefix) => {
                let (start, below) = path.split_at_checked(prefix.len())?;
                if !is_equal(start.as_bytes(), prefix.as_bytes()) {
                    return None;
                }
                below
            }
            Self::Root | Self::Stripped(_) => path,
        };
        if below.is_empty() {
            return Some("");
        }
        below.strip_prefix('/')
    }

    /// Returns the path below which the pages are.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Root => "",
            Self::Prefix(prefix) | Self::Stripped(prefix) => prefix,
        }
    }

    /// Returns the location of the first page, for a request of the viewer's own path.
    fn first_page(&self) -> String {
        match self {
            Self::Root => Route::Search.name().to_owned(),
            Self::Prefix(prefix) | Self::Stripped(prefix) => {
                format!("{prefix}/{}", Route::Search.name())
            }
        }
    }
}

/// Compares in a time that does not depend on the content, since a prefix may be a secret.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

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
        let format = request::accepted_format(&parts.headers);
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

/// The result of routing a request.
enum Routed {
    Response(Response<Body>),
    Page(Box<Grant>, PageRequest),
}

/// Why a request is refused before the trail is read.
struct Refusal {
    status: StatusCode,
    message: String,
    /// Whether the reader is let in, and may see the title of the viewer.
    is_authorized: bool,
}

impl Refusal {
    fn new(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            message: t(message).to_owned(),
            is_authorized: false,
        }
    }

    fn authorized(self) -> Self {
        Self {
            is_authorized: true,
            ..self
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
    /// Checks a request in the order in which a stranger may learn something: the method and the
    /// path, then who reads, then the page and its parameters.
    fn route(&self, parts: &Parts) -> Result<Routed, Refusal> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "The viewer supports GET and HEAD only.",
            ));
        }
        let not_found = || Refusal::new(StatusCode::NOT_FOUND, "There is no such page.");
        let path = self.mount.below(parts.uri.path()).ok_or_else(not_found)?;
        // The same for all, so that the page of a refusal has them, too.
        if let Some(asset) = assets::find(path) {
            return Ok(Routed::Response(asset));
        }
        if request::is_embedded_elsewhere(&parts.headers) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "Another site may link to this page, but not load it.",
            ));
        }
        let Some(grant) = (self.decide)(parts).grant else {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "You do not have access to this trail.",
            ));
        };
        if path.is_empty() {
            let location = self.mount.first_page();
            return Ok(Routed::Response(response::redirect(&location)));
        }
        let query = parts.uri.query();
        if query.is_some_and(|query| query.len() > request::MAX_QUERY_STRING) {
            let message = "The query string of this URL is longer than 8 KB.";
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, message).authorized());
        }
        let page = PageRequest::read(path, query, &parts.headers).map_err(|failure| {
            let (status, message) = failure_text(&failure);
            Refusal::new(status, &message).authorized()
        })?;
        let page = page.ok_or_else(|| not_found().authorized())?;
        Ok(match pages::redirect(&page) {
            Some(location) => Routed::Response(response::redirect(&location)),
            None => Routed::Page(Box::new(grant), page),
        })
    }

    /// Records that the viewer starts, so that it does not start on a store that cannot be written.
    pub(crate) fn record_start(&self) -> Result<(), BuildError> {
        if !self.is_recorded {
            return Ok(());
        }
        let mut entry = access_entry("web start");
        entry.actor = Some(audit_core::Actor::service("auditlog web"));
        let appended = self.log.store().append(&[entry]);
        appended.map_err(|source| BuildError::Unrecorded { source })
    }

    /// Records that a reader sees a page.
    fn record_view(&self, grant: &Grant, page: &PageRequest) -> Result<(), StoreError> {
        let mut entry = access_entry(&format!("web {}", page.route.name()));
        entry.actor = Some(grant.reader.clone());
        let parameters: Map<String, Value> = page
            .params
            .iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let format = if page.is_json() { "json" } else { "html" };
        let data = &mut entry.additional_data;
        data.insert("parameters".to_owned(), parameters.into());
        data.insert("format".to_owned(), format.into());
        if let Some(id) = page.last_event {
            data.insert("last_event_id".to_owned(), id.to_string().into());
        }
        self.log.store().append(&[entry])
    }

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
        if self.is_recorded && page.route.reads_the_trail() {
            self.record_view(grant, page).map_err(Failure::Unrecorded)?;
        }
        let reader = Reader::new(self.log.clone(), grant.clone(), cancellation);
        pages::content(self, &reader, page)
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

    /// Returns the response for a page that cannot be shown.
    fn failure(&self, frame: &Frame<'_>, format: Format, failure: &Failure) -> Response<Body> {
        match failure {
            Failure::Cancelled => return self.job_error(JobError::TimedOut, format),
            Failure::Trail(error) => {
                log::error!(target: "auditlog::web", "the trail could not be read: {error}");
            }
            Failure::Unrecorded(error) => {
                log::error!(target: "auditlog::web", "a view could not be recorded: {error}");
            }
            Failure::Output(error) => {
                log::error!(target: "auditlog::web", "a page could not be written: {error}");
            }
            _ => {}
        }
        let (status, message) = failure_text(failure);
        let mut response = match failure {
            _ if format == Format::Json => error_json(status, &message),
            Failure::Query {
                text,
                column,
                message,
            } => error_page(frame, status, &pages::invalid_query(text, *column, message)),
            _ => error_page(frame, status, &html::error(status, &message)),
        };
        let is_limit = matches!(
            failure,
            Failure::Busy(_)
                | Failure::ReaderLimit { .. }
                | Failure::NoStream(NotOpened::Full | NotOpened::ReaderFull(_))
        );
        if is_limit {
            let seconds = HeaderValue::from_static("60");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn refusal(&self, refusal: &Refusal, format: Format) -> Response<Body> {
        let Refusal {
            status, message, ..
        } = refusal;
        let mut response = if format == Format::Json {
            error_json(*status, message)
        } else {
            let frame = Frame {
                title: if refusal.is_authorized {
                    &self.title
                } else {
                    TITLE
                },
                ..Frame::default()
            };
            error_page(&frame, *status, &html::error(*status, message))
        };
        if *status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }

    fn job_error(&self, error: JobError, format: Format) -> Response<Body> {
        let (status, message) = match error {
            JobError::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The viewer is busy. Try again.",
            ),
            JobError::ReaderBusy(_) => (StatusCode::TOO_MANY_REQUESTS, READER_BUSY),
            JobError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, TIMED_OUT),
            JobError::Panicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The page could not be made. The program's log has the reason.",
            ),
        };
        let mut refusal = Refusal::new(status, message).authorized();
        if let JobError::ReaderBusy(limit) = error {
            refusal.message = with_number(&refusal.message, limit);
        }
        let mut response = self.refusal(&refusal, format);
        if matches!(error, JobError::Busy | JobError::ReaderBusy(_)) {
            let seconds = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// The message of a request whose deadline is over.
const TIMED_OUT: &str =
    "This page took too long. Narrow the query by model, actor or time, or try again later.";

/// The message of a request of a reader who has too many.
const READER_BUSY: &str =
    "At most {} requests of one reader run or wait at the same time. Try again.";

/// Returns a message with a number.
fn with_number(message: &str, number: usize) -> String {
    message.replace("{}", &html::grouped(number))
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
            let page = html::page(frame, &title, &main).into_string();
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

/// Returns the status and the text of a failure.
fn failure_text(failure: &Failure) -> (StatusCode, String) {
    let (status, message) = match failure {
        Failure::NotFound(thing) => {
            let message = t("There is no such {}, or you may not see it.");
            let message = message.replace("{}", t(thing));
            return (StatusCode::NOT_FOUND, message);
        }
        Failure::Query { message, .. } => {
            return (
                StatusCode::BAD_REQUEST,
                format!("{} {message}", t("Invalid query:")),
            );
        }
        Failure::Parameter { name, message } => {
            let message = format!("The parameter `{name}` {message}.");
            return (StatusCode::BAD_REQUEST, message);
        }
        Failure::Url(message) => (StatusCode::BAD_REQUEST, *message),
        Failure::Forbidden(message) => (StatusCode::FORBIDDEN, *message),
        Failure::Unsupported(message) => (StatusCode::NOT_IMPLEMENTED, *message),
        Failure::TooLarge(message) => (StatusCode::UNPROCESSABLE_ENTITY, *message),
        Failure::Busy(message) => (StatusCode::SERVICE_UNAVAILABLE, *message),
        Failure::ReaderLimit { message, limit } => {
            let message = with_number(t(message), *limit);
            return (StatusCode::TOO_MANY_REQUESTS, message);
        }
        Failure::Cancelled => (StatusCode::GATEWAY_TIMEOUT, TIMED_OUT),
        Failure::NoStream(NotOpened::Full) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many live streams are open. Try again later.",
        ),
        Failure::NoStream(NotOpened::ReaderFull(limit)) => {
            let message = "At most {} live streams of one reader are open at the same time. Close a live page, or try again later.";
            return (
                StatusCode::TOO_MANY_REQUESTS,
                with_number(t(message), *limit),
            );
        }
        Failure::NoStream(NotOpened::Closed) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is shutting down.",
        ),
        Failure::Trail(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The trail could not be read. The program's log has the reason.",
        ),
        Failure::Unrecorded(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This view could not be recorded, so it is not shown. The program's log has the reason.",
        ),
        Failure::Output(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page could not be written. The program's log has the reason.",
        ),
    };
    (status, t(message).to_owned())
}

fn error_json(status: StatusCode, message: &str) -> Response<Body> {
    let error = json!({"error": message, "status": status.as_u16()});
    response::with_content(status, JSON, error.to_string())
}

fn error_page(frame: &Frame<'_>, status: StatusCode, main: &Markup) -> Response<Body> {
    let title = t(status.canonical_reason().unwrap_or("Error"));
    let page = html::page(frame, title, main);
    response::with_content(status, HTML, page.into_string())
}
