//! `web`: shows the trail in a browser.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use audit_web::{BuildError, Viewer};
use clap::Args;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt;
use crate::number;
use crate::session::Session;
use crate::store::AccessMode;
use crate::trail::{self, Trail};

/// The number of connections at the same time. Browsers open up to six.
const CONNECTIONS: usize = 64;
/// The time in which a client sends the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// The time in which a client takes a part of a response: a response is in memory until the client has taken it.
const WRITE: Duration = Duration::from_secs(60);
/// The time between two looks at whether Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(100);

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog web
  auditlog web --port 8080 --store postgres://reader@db/app --unrecorded";

/// Show the trail in a browser, to the users of this machine who know the printed URL
///
/// The viewer listens on 127.0.0.1 alone, under a path that is new each time and that only its
/// output contains, until Ctrl-C. It records its start and each page that is read, with the name
/// of --as, before it shows them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WebArgs {
    /// The port; 0 for a free one
    #[arg(long, short, value_name = "NUMBER", default_value_t = 0, value_parser = number::parse::<u16>, allow_negative_numbers = true)]
    port: u16,
    /// Record nothing, as for a trail that cannot be written
    #[arg(long)]
    unrecorded: bool,
}

/// The output as JSON.
#[derive(Serialize)]
struct Line<'l> {
    url: &'l str,
}

pub(crate) fn run(args: &WebArgs, session: &mut Session) -> Result<Exit, Error> {
    let mode = if args.unrecorded {
        AccessMode::Read
    } else {
        AccessMode::Write
    };
    let trail = Trail::open_with_archive(&session.global, mode)?;
    let prefix = format!("/{}", token()?);
    let viewer = viewer(&trail, args, &prefix, session)?;
    interrupt::watch()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Serve { source })?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Error::Serve { source })?;
        let address = listener
            .local_addr()
            .map_err(|source| Error::Serve { source })?;
        let url = format!("http://{address}{prefix}/");
        if session.out.is_json() {
            session.out.json(&Line { url: &url })?;
        } else {
            session.out.line(&url)?;
        }
        session.out.flush()?;
        serve(&listener, &viewer).await;
        Ok(Exit::Done)
    })
}

fn viewer(trail: &Trail, args: &WebArgs, prefix: &str, session: &Session) -> Result<Viewer, Error> {
    let reader = trail::actor_or_user_id(&session.global)?;
    let file = trail.store.file().and_then(|file| file.file_name());
    let title = match file {
        Some(name) => format!("Audit trail {}", name.display()),
        None => "Audit trail".to_owned(),
    };
    let builder = Viewer::builder(trail.log.clone()).loopback_only();
    let builder = builder.reader(reader).prefix(prefix).title(title);
    #[cfg(feature = "archive")]
    let builder = match crate::store::archive_position(&session.global)? {
        Some((name, position)) => builder.follower(name, position),
        None => builder,
    };
    let viewer = if args.unrecorded {
        builder.unrecorded().build()
    } else {
        builder.build()
    };
    viewer.map_err(|error| match error {
        BuildError::Unrecorded { source } => Error::Store(source),
        BuildError::Threads { source } => Error::Serve { source },
        error => Error::Serve {
            source: io::Error::other(error),
        },
    })
}

/// Returns 128 random bits as text.
fn token() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Serve {
        source: io::Error::other(error),
    })?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// Serves connections until Ctrl-C.
async fn serve(listener: &TcpListener, viewer: &Viewer) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut permit = None;
    let mut is_failing = false;
    while !interrupt::is_requested() {
        if permit.is_none() {
            let acquired = Arc::clone(&connections).acquire_owned();
            // The semaphore is never closed.
            permit = tokio::time::timeout(TICK, acquired)
                .await
                .ok()
                .and_then(Result::ok);
            continue;
        }
        match tokio::time::timeout(TICK, listener.accept()).await {
            Err(_elapsed) => {}
            Ok(Ok((stream, peer))) => {
                is_failing = false;
                let (viewer, permit) = (viewer.clone(), permit.take());
                tokio::spawn(async move {
                    serve_connection(stream, peer, viewer, WRITE).await;
                    drop(permit);
                });
            }
            // A client that has disconnected, or no free file descriptor: the next attempt waits,
            // since the connection that failed may still be the first one in the queue.
            Ok(Err(error)) => {
                if !is_failing {
                    log::warn!("a connection could not be accepted: {error}");
                }
                is_failing = true;
                tokio::time::sleep(TICK).await;
            }
        }
    }
}

/// Serves a connection until its end, or until the client takes nothing for some time.
async fn serve_connection(stream: TcpStream, peer: SocketAddr, viewer: Viewer, write: Duration) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write));
    let stream = TokioIo::new(Box::pin(stream));
    let service = service_fn(move |mut request| {
        let mut viewer = viewer.clone();
        // `loopback_only` checks it.
        hyper::Request::extensions_mut(&mut request).insert::<SocketAddr>(peer);
        async move { viewer.call(request).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        log::debug!("a connection ended with an error: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use audit_core::{AuditLog, LogEntry, MemoryStore, Store};

    use super::*;

    #[test]
    fn a_client_that_takes_nothing_is_disconnected() {
        let store = MemoryStore::new();
        for _ in 0..64 {
            let mut entry = LogEntry::new("update", "User", "42", "bob");
            entry.reason = Some("x".repeat(1 << 20));
            store.append(&[entry]).unwrap();
        }
        let log = AuditLog::builder().store(store).build();
        let viewer = Viewer::builder(log).loopback_only().build().unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = std::net::TcpStream::connect(address).unwrap();
            // More than the buffers of the system hold.
            let request = "GET /export?q=&as=jsonl HTTP/1.1\r\nhost: localhost\r\n\r\n";
            client.write_all(request.as_bytes()).unwrap();
            let (stream, peer) = listener.accept().await.unwrap();
            // Otherwise this never ends.
            serve_connection(stream, peer, viewer, Duration::from_millis(200)).await;
            drop(client);
        });
    }
}
