//! The viewer as a handler of actix-web, which has types of its own for requests and responses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::error::{ErrorBadRequest, ErrorInternalServerError};
use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, Result, web};
use auditlog::web::{Body, BodyError, Viewer};
use http_body::Body as _;
use tower_service::Service as _;

use crate::SignedIn;

/// Passes a request to the viewer, with the user that the authentication found.
pub(crate) async fn view(
    viewer: web::Data<Viewer>,
    request: HttpRequest,
) -> Result<HttpResponse<ViewerBody>> {
    let mut converted = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        converted = converted.header(name.as_str(), value.as_bytes());
    }
    let mut converted = converted.body(()).map_err(ErrorBadRequest)?;
    if let Some(user) = request.extensions().get::<SignedIn>() {
        converted.extensions_mut().insert(user.clone());
    }
    let Ok(response) = viewer.get_ref().clone().call(converted).await;
    let status = StatusCode::from_u16(response.status().as_u16());
    let mut reply = HttpResponseBuilder::new(status.map_err(ErrorInternalServerError)?);
    for (name, value) in response.headers() {
        reply.append_header((name.as_str(), value.as_bytes()));
    }
    reply.message_body(ViewerBody(response.into_body()))
}

/// The body of a response, which actix-web sends as the viewer makes it.
pub(crate) struct ViewerBody(Body);

impl MessageBody for ViewerBody {
    type Error = BodyError;

    fn size(&self) -> BodySize {
        let exact = self.0.size_hint().exact();
        exact.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<bytes::Bytes, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }
}
