//! A connection between a store and its server that fails on demand.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use audit_core::StoreError;
use audit_postgres::PostgresStore;

use crate::scratch::Scratch;

pub(crate) fn kind(error: &StoreError) -> Option<std::io::ErrorKind> {
    match error {
        StoreError::Io { source, .. } => Some(source.kind()),
        StoreError::Unconfirmed { source, .. } => Some(source.downcast_ref::<io::Error>()?.kind()),
        _ => None,
    }
}

/// A network between a store and its server.
pub(crate) struct Network {
    pub(crate) port: u16,
    pub(crate) state: Arc<AtomicU8>,
    pub(crate) open: Arc<Mutex<Vec<TcpStream>>>,
}

pub(crate) const WORKS: u8 = 0;
/// Bytes of the server are lost.
pub(crate) const DEAF: u8 = 1;
/// Nothing arrives on either side.
pub(crate) const SILENT: u8 = 2;
/// New connections are refused.
pub(crate) const DOWN: u8 = 3;
/// Bytes of the server at the end of a COPY are lost.
pub(crate) const COPIED: u8 = 4;

impl Network {
    /// Forwards to the server of a URL; `None` if it is not one by TCP.
    pub(crate) fn to(url: &str) -> Option<Self> {
        let server = address(url)?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(WORKS));
        let open = Arc::new(Mutex::new(Vec::new()));
        let network = Self {
            port,
            state: Arc::clone(&state),
            open: Arc::clone(&open),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if state.load(Ordering::SeqCst) == DOWN {
                    continue;
                }
                let server = TcpStream::connect(&server).unwrap();
                let mut open = open.lock().unwrap();
                open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(open);
                forward(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    &state,
                    false,
                );
                forward(server, client, &state, true);
            }
        });
        Some(network)
    }

    pub(crate) fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    /// Cuts what is connected.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn url(&self, url: &str) -> String {
        let server = address(url).expect("as before");
        url.replacen(&server, &format!("127.0.0.1:{}", self.port), 1)
    }
}

/// Returns `host:port` of a URL.
pub(crate) fn address(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let address = authority.rsplit('@').next()?;
    address.contains(':').then(|| address.to_owned())
}

pub(crate) fn forward(
    mut from: TcpStream,
    mut to: TcpStream,
    state: &Arc<AtomicU8>,
    answers: bool,
) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let lost = match state.load(Ordering::SeqCst) {
                DEAF => answers,
                SILENT => true,
                COPIED => answers && buffer[..length].windows(5).any(|text| text == b"COPY "),
                _ => false,
            };
            if !lost && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Both);
    });
}

pub(crate) fn network(scratch: &Scratch) -> (Network, PostgresStore) {
    let network = Network::to(&scratch.url).expect("the server's URL has a host and a port");
    let store = scratch
        .options()
        .connect_timeout(Duration::from_secs(1))
        .statement_timeout(Duration::from_secs(1))
        .retry_timeout(Duration::from_secs(4))
        .connect(&network.url(&scratch.url))
        .unwrap();
    (network, store)
}
