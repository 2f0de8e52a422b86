//! Routes a request: to a page, to a file of the viewer, or to a refusal.

use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::access::{Denial, Grant};
use crate::assets;
use crate::body::Body;
use crate::failure::failure_text;
use crate::pages;
use crate::request::{self, PageRequest};
use crate::response;
use crate::texts::t;
use crate::viewer::Inner;

/// The result of routing a request.
pub(crate) enum Routed {
    Response(Response<Body>),
    Page(Box<Grant>, PageRequest),
}

/// Why a request is refused before the trail is read.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// Whether the reader is let in, and may see the title of the viewer.
    pub(crate) is_authorized: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            message: t(message).to_owned(),
            is_authorized: false,
        }
    }

    pub(crate) fn authorized(self) -> Self {
        Self {
            is_authorized: true,
            ..self
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let (status, message) = match denial {
            Denial::NoAccess => (
                StatusCode::FORBIDDEN,
                "You do not have access to this trail.",
            ),
            Denial::Unnamed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The service did not state who reads this page. The program's log has the reason.",
            ),
            // Without the name, which any site can choose.
            Denial::Host => (
                StatusCode::FORBIDDEN,
                "The host name of this address is not one that this viewer answers to. Open it at localhost or 127.0.0.1.",
            ),
        };
        Self::new(status, message)
    }
}

impl Inner {
    /// Checks a request in the order in which a stranger may learn something: the method and the
    /// path, then who reads, then the page and its parameters.
    pub(crate) fn route(&self, parts: &Parts) -> Result<Routed, Refusal> {
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
        let grant = (self.decide)(parts).grant.map_err(|denial| {
            denial.log();
            Refusal::from(denial)
        })?;
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
            Some(location) => Routed::Response(response::redirect(location.as_str())),
            None => Routed::Page(Box::new(grant), page),
        })
    }
}
