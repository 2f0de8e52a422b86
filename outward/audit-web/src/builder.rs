//! Builds a viewer.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use audit_core::{Actor, AuditLog, Position};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

use crate::access::{Access, Denial};
use crate::error::BuildError;
use crate::exports::Exports;
use crate::live::{Live, LiveLimits};
use crate::mount::Mount;
use crate::pool::{Limits, Pool};
use crate::record;
use crate::viewer::{Follower, Inner, TITLE, Viewer};

/// Builds a [`Viewer`]. [`build`](ViewerBuilder::build) exists after
/// [`authorize`](ViewerBuilder::authorize) or [`loopback_only`](ViewerBuilder::loopback_only) was
/// called.
#[must_use = "a builder does nothing until `build`"]
pub struct ViewerBuilder<A = Unprotected> {
    log: AuditLog,
    title: String,
    mount: Mount,
    limits: Limits,
    exports: usize,
    followers: Vec<Follower>,
    live: LiveLimits,
    is_recorded: bool,
    readers: Readers,
    access: A,
}

/// A builder without a decision about who may see the trail.
#[derive(Clone, Copy, Debug)]
pub struct Unprotected(());

/// A builder with a closure that decides who may see the trail.
#[derive(Clone)]
pub struct Authorizer(Arc<Decide>);

/// A builder of a viewer for this machine alone.
#[derive(Clone, Debug)]
pub struct Loopback {
    reader: Actor,
}

/// The number of readers that a viewer may have.
#[derive(Clone, Copy, Debug)]
enum Readers {
    One,
    Many,
}

impl Readers {
    /// Returns the part of a limit that one reader may use: with several readers half of it, rounded up.
    fn share(self, limit: usize) -> usize {
        match self {
            Self::One => limit,
            Self::Many => limit.div_ceil(2),
        }
    }
}

/// Decides what the reader of a request may see.
pub(crate) type Decide = dyn Fn(&Parts) -> Access + Send + Sync;

impl Viewer {
    /// Starts building a viewer of a log's trail.
    pub fn builder(log: AuditLog) -> ViewerBuilder {
        ViewerBuilder {
            log,
            title: TITLE.to_owned(),
            mount: Mount::Root,
            limits: Limits {
                threads: 4,
                waiting: 64,
                // Set by `build`.
                reader_threads: 0,
                reader_waiting: 0,
                timeout: Duration::from_secs(10),
            },
            exports: 4,
            followers: Vec::new(),
            live: LiveLimits::default(),
            is_recorded: true,
            readers: Readers::Many,
            access: Unprotected(()),
        }
    }
}

impl ViewerBuilder {
    /// Decides for each request who reads, and what the reader may see.
    ///
    /// The closure gets the request without its body. It usually reads an extension that the
    /// authentication of the service has set, and returns [`Access::denied`] without one.
    pub fn authorize(
        self,
        decide: impl Fn(&Parts) -> Access + Send + Sync + 'static,
    ) -> ViewerBuilder<Authorizer> {
        self.with_access(Authorizer(Arc::new(decide)))
    }

    /// Admits requests of this machine alone, with every entry, value and export.
    ///
    /// A request needs an extension of type [`SocketAddr`], the address of the peer, which must be
    /// a loopback address; without it, it is refused. The `Host` header must name `localhost` or a
    /// loopback address, so that no page of another site can read the viewer through a name of its
    /// own (DNS rebinding). Behind a proxy of this machine every request comes from this machine:
    /// use [`authorize`](Self::authorize) there.
    pub fn loopback_only(self) -> ViewerBuilder<Loopback> {
        self.with_access(Loopback {
            reader: Actor::user("loopback"),
        })
    }
}

impl ViewerBuilder<Loopback> {
    /// Sets the reader that views are recorded of: the user `loopback` by default. The id must not be
    /// empty, as that of [`Access::reader`].
    pub fn reader(mut self, reader: impl Into<Actor>) -> Self {
        self.access.reader = reader.into();
        self
    }

    /// Builds the viewer, starts its threads, and records its start.
    ///
    /// # Errors
    /// Returns a [`BuildError`], as after [`authorize`](ViewerBuilder::authorize).
    pub fn build(mut self) -> Result<Viewer, BuildError> {
        self.readers = Readers::One;
        let reader = self.access.reader.clone();
        let decide = move |request: &Parts| {
            if !is_local_peer(request) {
                Access::denied()
            } else if !has_local_host(request) {
                Access::refused(Denial::Host)
            } else {
                Access::reader(reader.clone()).allow_export()
            }
        };
        self.with_access(Authorizer(Arc::new(decide))).build()
    }
}

impl ViewerBuilder<Authorizer> {
    /// Builds the viewer, starts its threads, and records its start.
    ///
    /// # Errors
    /// - [`BuildError::Unrecorded`] if the store cannot be written, unless
    ///   [`unrecorded`](Self::unrecorded) was called.
    /// - [`BuildError::Prefix`] if the prefix is not a path.
    /// - [`BuildError::Threads`] if the threads could not be started.
    pub fn build(self) -> Result<Viewer, BuildError> {
        self.mount.check()?;
        let readers = self.readers;
        let limits = Limits {
            reader_threads: readers.share(self.limits.threads),
            reader_waiting: readers.share(self.limits.waiting),
            ..self.limits
        };
        let live = LiveLimits {
            reader_streams: readers.share(self.live.streams),
            ..self.live
        };
        let pool = Pool::start(limits).map_err(|source| BuildError::Threads { source })?;
        let live =
            Live::start(self.log.clone(), live).map_err(|source| BuildError::Threads { source })?;
        let inner = Inner {
            log: self.log,
            title: self.title,
            mount: self.mount,
            is_recorded: self.is_recorded,
            decide: self.access.0,
            pool,
            exports: Exports::new(self.exports, readers.share(self.exports)),
            followers: self.followers,
            checks: Arc::default(),
            live,
        };
        if inner.is_recorded {
            record::start(&inner.log).map_err(|source| BuildError::Unrecorded { source })?;
        }
        Ok(Viewer::of(inner))
    }
}

impl<A> ViewerBuilder<A> {
    /// Sets the title in the head of every page: `Audit trail` by default. Every reader with
    /// access sees it, also with a scope; requests that are refused have the default.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the path below which requests arrive, such as `/audit`, for servers that pass the full
    /// path to the viewer. A request outside of it has status 404.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.mount = Mount::Prefix(prefix.into());
        self
    }

    /// Sets the path at which a router mounts the viewer, such as `/audit`, for routers that remove
    /// it from the requests, as `nest_service` of axum does. Only the redirect from that path to the
    /// first page needs it; all links are relative.
    pub fn mounted_at(mut self, prefix: impl Into<String>) -> Self {
        self.mount = Mount::Stripped(prefix.into());
        self
    }

    /// Sets the request timeout: 10 s by default. A later response has status 504. In an export, the
    /// timeout applies to each chunk of 4 MB.
    pub fn deadline(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Sets the number of worker threads, which call the store: 4 by default, at least 1. Half of them,
    /// rounded up, run the requests of one reader; with [`loopback_only`](ViewerBuilder::loopback_only), all.
    pub fn concurrency(mut self, threads: usize) -> Self {
        self.limits.threads = threads;
        self
    }

    /// Sets the queue length: the number of requests that wait while all worker threads are busy, 64
    /// by default. The viewer answers further requests with 503, or 429 if the reader already has half
    /// of the queue, rounded up.
    pub fn waiting(mut self, requests: usize) -> Self {
        self.limits.waiting = requests;
        self
    }

    /// Sets the number of exports that are open at the same time: 4 by default. The viewer answers
    /// further requests with 503, or 429 if the reader already has half of the exports, rounded up.
    /// An export whose client has taken nothing for a minute ends if another one starts.
    pub fn exports(mut self, exports: usize) -> Self {
        self.exports = exports;
        self
    }

    /// Shows a follower of the trail, such as a stream or an archive, on the page *Store*: its
    /// position, and how many entries were committed after it. `position` is called for each view of
    /// the page, on a worker thread.
    ///
    /// # Example: a follower that keeps its position in a file
    /// ```no_run
    /// use audit_core::{AuditLog, MemoryStore};
    /// use audit_web::{Access, Viewer};
    ///
    /// let log = AuditLog::builder().store(MemoryStore::new()).build();
    /// let viewer = Viewer::builder(log)
    ///     .authorize(|_| Access::denied())
    ///     .follower("search index", || Ok(std::fs::read_to_string("index.position")?.trim().parse()?))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn follower(
        mut self,
        name: impl Into<String>,
        position: impl Fn() -> Result<Position, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.followers.push(Follower {
            name: name.into(),
            position: Box::new(position),
        });
        self
    }

    /// Sets the number of live streams that are open at the same time: 16 by default. The viewer
    /// answers further requests with 503, or 429 if the reader already has half of the streams, rounded
    /// up.
    ///
    /// All streams share one thread, which reads the store once a second while a stream is open.
    pub fn live_streams(mut self, streams: usize) -> Self {
        self.live.streams = streams;
        self
    }

    /// Shows the trail without recording its views, as for a store that cannot be written. The head
    /// of every page states it.
    pub fn unrecorded(mut self) -> Self {
        self.is_recorded = false;
        self
    }

    fn with_access<B>(self, access: B) -> ViewerBuilder<B> {
        ViewerBuilder {
            log: self.log,
            title: self.title,
            mount: self.mount,
            limits: self.limits,
            exports: self.exports,
            followers: self.followers,
            live: self.live,
            is_recorded: self.is_recorded,
            readers: self.readers,
            access,
        }
    }
}

impl<A> fmt::Debug for ViewerBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewerBuilder")
            .field("log", &self.log)
            .field("title", &self.title)
            .field("is_recorded", &self.is_recorded)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").finish_non_exhaustive()
    }
}

/// Returns whether a request comes from this machine.
fn is_local_peer(request: &Parts) -> bool {
    let peer = request.extensions.get::<SocketAddr>();
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// Returns whether a request names this machine as the host.
fn has_local_host(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().unwrap_or_default());
    let authority = request.uri.authority().map(Authority::as_str);
    let names: Vec<&str> = host.into_iter().chain(authority).collect();
    hosts.next().is_none() && !names.is_empty() && names.into_iter().all(is_local_name)
}

/// Returns whether an authority is this machine, with or without a port.
fn is_local_name(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<Authority>() else {
        return false;
    };
    let host = parsed.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    !authority.contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || address
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:80",
        ] {
            assert!(is_local_name(name), "{name}");
        }
        for name in [
            "",
            "localhost.evil.example",
            "evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[2001:db8::1]",
            "0.0.0.0",
        ] {
            assert!(!is_local_name(name), "{name}");
        }
    }
}
