//! The responses to requests that are refused, and for pages that cannot be shown.

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use maud::Markup;
use serde_json::json;

use crate::body::Body;
use crate::error::Failure;
use crate::html::{self, Frame};
use crate::not_opened::NotOpened;
use crate::pages;
use crate::pool::JobError;
use crate::request::Format;
use crate::response::{self, HTML, JSON};
use crate::route::Refusal;
use crate::texts::t;
use crate::viewer::{Inner, TITLE};

impl Inner {
    /// Returns the response for a page that cannot be shown.
    pub(crate) fn failure(
        &self,
        frame: &Frame<'_>,
        format: Format,
        failure: &Failure,
    ) -> Response<Body> {
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
            _ if format == Format::Json => error_json(status, &message, failure.column()),
            Failure::Query {
                text,
                column,
                message,
            } => error_page(frame, status, pages::invalid_query(text, *column, message)),
            _ => error_page(frame, status, html::error(status, &message)),
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

    pub(crate) fn refusal(&self, refusal: &Refusal, format: Format) -> Response<Body> {
        let Refusal {
            status, message, ..
        } = refusal;
        let mut response = if format == Format::Json {
            error_json(*status, message, None)
        } else {
            let frame = Frame {
                title: if refusal.is_authorized {
                    &self.title
                } else {
                    TITLE
                },
                ..Frame::default()
            };
            error_page(&frame, *status, html::error(*status, message))
        };
        if *status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }

    pub(crate) fn job_error(&self, error: JobError, format: Format) -> Response<Body> {
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

/// Returns the status and the text of a failure.
pub(crate) fn failure_text(failure: &Failure) -> (StatusCode, String) {
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

/// `column` is that of the error in the query, in characters from 1, which a page marks.
fn error_json(status: StatusCode, message: &str, column: Option<usize>) -> Response<Body> {
    let mut error = json!({"error": message, "status": status.as_u16()});
    if let Some(column) = column {
        error["column"] = json!(column);
    }
    response::with_content(status, JSON, error.to_string())
}

fn error_page(frame: &Frame<'_>, status: StatusCode, main: Markup) -> Response<Body> {
    let title = t(status.canonical_reason().unwrap_or("Error"));
    let page = html::page(frame, title, main);
    response::with_content(status, HTML, page.into_string())
}
