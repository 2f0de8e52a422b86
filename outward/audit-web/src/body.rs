//! The bodies of responses.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::exports::{Buffers, End};
use crate::live::Receiver;
use crate::pages::{Chunk, Export};
use crate::pool::JobError;

/// The body of a response: a page, a file, or an export or a live stream that is read as the client
/// takes it.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
}

enum Kind {
    Full(Option<Bytes>),
    Export(Box<Exporting>),
    Live(Receiver),
}

/// An export of which a part has been sent. Its permit has the rest.
struct Exporting {
    export: Export,
    /// The number of bytes that were sent.
    bytes: u64,
    is_done: bool,
}

/// The largest part of a chunk that is sent at once. The client has to take one in each minute.
const PART: usize = 256 * 1024;

/// An export ended before its last entry, or the client did not take the events of a live stream. The
/// reason is logged.
#[derive(Debug)]
#[non_exhaustive]
pub struct BodyError;

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response is incomplete; the log of the program has the reason")
    }
}

impl Error for BodyError {}

impl Body {
    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Full(None),
        }
    }

    /// Ends the body of a response to HEAD, which has none.
    pub(crate) fn finish(&mut self) {
        if let Kind::Export(exporting) = &mut self.kind {
            exporting.is_done = true;
        }
    }

    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Full(Some(bytes.into())),
        }
    }

    pub(crate) fn live(receiver: Receiver) -> Self {
        Self {
            kind: Kind::Live(receiver),
        }
    }

    pub(crate) fn export(export: Export, first: Chunk) -> Self {
        export.permit().begin(first);
        Self {
            kind: Kind::Export(Box::new(Exporting {
                export,
                bytes: 0,
                is_done: false,
            })),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Export(exporting) => exporting.poll(context),
            Kind::Live(receiver) => receiver
                .poll(context)
                .map(|events| events.map(|events| events.map(Frame::data).map_err(|()| BodyError))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Export(exporting) => exporting.is_done,
            Kind::Live(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Export(_) | Kind::Live(_) => SizeHint::default(),
        }
    }
}

impl Exporting {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let permit = self.export.permit();
        let taken = permit.take(Instant::now(), context.waker().clone(), |buffers| {
            next_part(&self.export, buffers, context)
        });
        match taken {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(None))) => {
                self.is_done = true;
                Poll::Ready(None)
            }
            Ok(Poll::Ready(Ok(Some(part)))) => {
                self.is_done = part.is_last;
                self.bytes += part.bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(part.bytes))))
            }
            Ok(Poll::Ready(Err(reason))) => self.end(&reason),
            Err(End::Idle) => {
                self.end("the client took nothing for a minute, and another export waited")
            }
            Err(End::Closed) => self.end("the service is shutting down"),
        }
    }

    /// Ends the export with an error, so that the client does not take it for a complete one.
    fn end(&mut self, reason: &str) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.is_done = true;
        self.export.log_end(self.bytes, true, reason);
        Poll::Ready(Some(Err(BodyError)))
    }
}

/// A part of an export that is sent at once.
struct Part {
    bytes: Bytes,
    is_last: bool,
}

/// Takes the next part, and starts to read the chunk after it. Returns the reason of an early end.
fn next_part(
    export: &Export,
    buffers: &mut Buffers,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Part>, String>> {
    while buffers.rest.is_empty() {
        let Some(pending) = &mut buffers.pending else {
            return Poll::Ready(Ok(None));
        };
        let chunk = match Pin::new(pending).poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Ok(chunk))) => chunk,
            Poll::Ready(Ok(Err(failure))) => return Poll::Ready(Err(format!("{failure:?}"))),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(reason(error).to_owned())),
        };
        (buffers.rest, buffers.next, buffers.pending) = (chunk.bytes, chunk.next, None);
    }
    // Read while the client takes this chunk, and no further: a slow client occupies no thread.
    if let Some(after) = buffers.next.take() {
        buffers.pending = Some(export.continue_after(after));
    }
    let part = buffers.rest.split_to(buffers.rest.len().min(PART));
    Poll::Ready(Ok(Some(Part {
        // A copy: a part that the connection holds would keep the memory of its chunk.
        bytes: Bytes::copy_from_slice(&part),
        is_last: buffers.rest.is_empty() && buffers.pending.is_none(),
    })))
}

fn reason(error: JobError) -> &'static str {
    match error {
        JobError::TimedOut => "the query timed out",
        JobError::Panicked => "the program panicked",
        JobError::Busy | JobError::ReaderBusy(_) => "the viewer is busy",
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        if !self.is_done {
            self.export
                .log_end(self.bytes, false, "the client disconnected");
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(bytes) => f
                .debug_tuple("Full")
                .field(&bytes.as_ref().map(Bytes::len))
                .finish(),
            Self::Export(_) => f.debug_struct("Export").finish_non_exhaustive(),
            Self::Live(receiver) => f.debug_tuple("Live").field(receiver).finish(),
        }
    }
}
