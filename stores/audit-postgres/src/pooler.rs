//! Detects a pooler that gives each transaction another session, such as `PgBouncer` with
//! `pool_mode = transaction`.
//!
//! The store prepares statements and sets limits once for each session. Behind such a pooler the
//! statements are missing or of another client, and the limits stay on the application's sessions.

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::server::failed;

/// The time limit for a second session. An exhausted pool of sessions opens none.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pooler pools by transaction.
#[derive(Debug)]
pub(crate) struct Pooled;

impl fmt::Display for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a pooler between the store and the server pools by transaction; the store needs \
             sessions of its own: connect to the server itself, or to a pool that pools by session \
             (`pool_mode = session`)",
        )
    }
}

impl std::error::Error for Pooled {}

/// Makes the driver's error of it.
pub(crate) async fn error() -> Error {
    failed(|| io::Error::other(Pooled)).await
}

/// Returns whether two sessions share a process of the server between their transactions. Sets
/// nothing in the session.
///
/// # Errors
/// Returns an error if the session cannot be asked.
pub(crate) async fn pools_by_transaction(
    client: &Client,
    config: &Config,
    connector: &MakeRustlsConnect,
) -> Result<bool, Error> {
    let first = process(client).await?;
    if said(client).await == Some(first) {
        // The session is the server's own.
        return Ok(false);
    }
    let other = async {
        let (other, connection) = config.connect(connector.clone()).await?;
        let driver = tokio::spawn(connection);
        other.batch_execute("BEGIN").await?;
        let held = process(&other).await?;
        Ok::<_, Error>((other, driver, held))
    };
    // A pool of sessions may have no other one to give.
    let Ok(Ok((other, driver, held))) = timeout(PATIENCE, other).await else {
        return Ok(false);
    };
    // While the other one holds a process, this session still has its own, unless it had none.
    let shared = held == first
        || match timeout(PATIENCE, process(client)).await {
            Ok(now) => now? != first,
            Err(_) => true,
        };
    let _ended = timeout(PATIENCE, other.batch_execute("ROLLBACK")).await;
    drop(other);
    let _closed = timeout(PATIENCE, driver).await;
    Ok(shared)
}

/// Returns the number of the server's process that answers.
async fn process(client: &Client) -> Result<i32, Error> {
    let rows = client
        .simple_query("SELECT pg_catalog.pg_backend_pid()")
        .await?;
    let number = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(number.unwrap_or_default())
}

/// Returns the number of the process that the session got when it started, which a pooler makes
/// up. The driver shows it only in a request to cancel, which goes nowhere here.
async fn said(client: &Client) -> Option<i32> {
    let sent = Arc::<Mutex<Vec<u8>>>::default();
    let stream = Recorder {
        sent: Arc::clone(&sent),
    };
    client
        .cancel_token()
        .cancel_query_raw(stream, Plain)
        .await
        .ok()?;
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    // Its length, its code, the process and the key.
    let request = sent.last_chunk::<16>()?;
    let (_, number) = request[..12].split_last_chunk::<4>()?;
    Some(i32::from_be_bytes(*number))
}

/// A stream that keeps what is sent, and agrees to encryption.
struct Recorder {
    sent: Arc<Mutex<Vec<u8>>>,
}

/// Encryption that does nothing.
struct Plain;

impl TlsConnect<Recorder> for Plain {
    type Stream = Recorder;
    type Error = io::Error;
    type Future = Ready<io::Result<Recorder>>;

    fn connect(self, stream: Recorder) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for Recorder {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
