//! The server's hosts, opening a session, and cancelling its statement.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use audit_core::StoreError;
use deadpool_postgres::Connect;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::options::PostgresOptions;
use crate::{pooler, tls};

/// The time that a session has to cancel a statement before it is closed.
const GRACE: Duration = Duration::from_secs(2);
/// The first pause before a statement that still runs is cancelled again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The hosts that a connection's settings name, any of which will do.
pub(crate) struct Server {
    /// Settings with one host each.
    hosts: Vec<Config>,
    shuffled: bool,
    connector: MakeRustlsConnect,
    /// The time limit of each address of a host.
    address_timeout: Duration,
    /// Whether no pooler in between pools by transaction, once this was checked.
    is_pooler_checked: AtomicBool,
    /// Whether the store may not, or need not any more, look for entries of another server.
    adopted: AtomicBool,
}

impl Server {
    pub(crate) fn new(config: &Config, options: &PostgresOptions) -> Result<Self, StoreError> {
        Ok(Self {
            hosts: hosts(config),
            shuffled: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            connector: tls::connector(config, options)?,
            address_timeout: options.connect_timeout,
            is_pooler_checked: AtomicBool::new(false),
            adopted: AtomicBool::new(options.read_only),
        })
    }

    /// Returns whether this is the first call, of a store that may write.
    pub(crate) fn begin_adoption(&self) -> bool {
        !self.adopted.swap(true, Ordering::Relaxed)
    }

    /// Opens a session at the first address that answers in its time, and runs statements that
    /// set it up. Its driver is a task of the runtime that this is called in.
    ///
    /// # Errors
    /// Returns the error of the address that was tried last; a [`pooler::Pooled`] if a pooler in between pools by
    /// transaction.
    pub(crate) async fn open(&self, settings: &str) -> Result<(Client, JoinHandle<()>), Error> {
        let mut last = None;
        for host in in_order(self.hosts.iter(), self.shuffled) {
            let configs = match timeout(self.address_timeout, addresses(host)).await {
                Ok(Some(addresses)) => in_order(addresses, self.shuffled)
                    .into_iter()
                    .map(|address| at(host, address))
                    .collect(),
                // The driver does the same, and has the error for it.
                Ok(None) => vec![host.clone()],
                Err(_) => {
                    last = Some(timed_out().await);
                    continue;
                }
            };
            for config in configs {
                match timeout(self.address_timeout, self.open_at(&config, settings)).await {
                    Ok(Ok(session)) => return Ok(session),
                    Ok(Err(error)) => last = Some(error),
                    Err(_) => last = Some(timed_out().await),
                }
            }
        }
        match last {
            Some(error) => Err(error),
            None => Err(timed_out().await),
        }
    }

    async fn open_at(
        &self,
        config: &Config,
        settings: &str,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = config.connect(self.connector.clone()).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                log::debug!("a connection to PostgreSQL ended: {error}");
            }
        });
        let mut driver = Driver(Some(driver));
        if !self.is_pooler_checked.load(Ordering::Relaxed) {
            // Before anything is set: what is set there belongs to the application's sessions.
            if pooler::pools_by_transaction(&client, config, &self.connector).await? {
                return Err(pooler::error().await);
            }
            self.is_pooler_checked.store(true, Ordering::Relaxed);
        }
        client.batch_execute(settings).await?;
        match driver.0.take() {
            Some(driver) => Ok((client, driver)),
            None => unreachable!("it was there"),
        }
    }

    /// Cancels the statement of a session until the session is idle, for up to [`GRACE`]. The session
    /// must not be used again: a request to cancel may reach the server late and end another
    /// statement.
    pub(crate) async fn stop(&self, client: &Client) {
        let deadline = Instant::now() + GRACE;
        // Answered when the statement has ended; an error is an answer, too.
        let mut idle = pin!(client.batch_execute(""));
        let mut pause = FIRST_PAUSE;
        // A request that reaches the server before the statement does cancels nothing.
        while Instant::now() < deadline {
            let _late = timeout_at(deadline, self.cancel(client)).await;
            let again = deadline.min(Instant::now() + pause);
            if timeout_at(again, idle.as_mut()).await.is_ok() {
                return;
            }
            pause *= 2;
        }
    }

    /// Cancels the statement of a session, and returns when the server has the request.
    pub(crate) fn cancel(&self, client: &Client) -> impl Future<Output = ()> + Send + 'static {
        let (token, connector) = (client.cancel_token(), self.connector.clone());
        async move {
            let cancelled = timeout(GRACE, token.cancel_query(connector)).await;
            if !matches!(cancelled, Ok(Ok(()))) {
                log::debug!("a statement without a waiting caller could not be cancelled");
            }
        }
    }
}

/// The driver of a session that may not come to be: of a server that is silent it would wait
/// for ever.
struct Driver(Option<JoinHandle<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

/// Opens the sessions of a pool.
pub(crate) struct Opener {
    pub(crate) server: Arc<Server>,
    pub(crate) settings: String,
}

impl Connect for Opener {
    fn connect(
        &self,
        // The hosts are of it.
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.server.open(&self.settings))
    }
}

/// Returns settings for each host alone, or those given if they do not go together: then the
/// driver says so.
fn hosts(config: &Config) -> Vec<Config> {
    let (names, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let number = names.len().max(addresses.len());
    let one_each = |length| length == 0 || length == number;
    let ports = config.get_ports().len();
    if !(one_each(names.len()) && one_each(addresses.len()) && (ports == 1 || one_each(ports))) {
        return vec![config.clone()];
    }
    (0..number)
        .map(|at| only(config, names.get(at), addresses.get(at).copied(), at))
        .collect()
}

/// Returns settings with one host.
fn only(config: &Config, name: Option<&Host>, address: Option<IpAddr>, at: usize) -> Config {
    let mut one = Config::new();
    match name {
        Some(Host::Tcp(name)) => _ = one.host(name),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => _ = one.host_path(folder),
        None => {}
    }
    if let Some(address) = address {
        one.hostaddr(address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(at).or(ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    one
}

/// Looks the addresses of a host up, if it is known by its name alone.
async fn addresses(config: &Config) -> Option<Vec<IpAddr>> {
    let ([Host::Tcp(name)], []) = (config.get_hosts(), config.get_hostaddrs()) else {
        return None;
    };
    let found = tokio::net::lookup_host((name.as_str(), 0)).await.ok()?;
    let addresses: Vec<_> = found.map(|address: SocketAddr| address.ip()).collect();
    (!addresses.is_empty()).then_some(addresses)
}

fn at(config: &Config, address: IpAddr) -> Config {
    let mut config = config.clone();
    config.hostaddr(address);
    config
}

fn in_order<T>(items: impl IntoIterator<Item = T>, shuffled: bool) -> Vec<T> {
    let mut items: Vec<_> = items.into_iter().collect();
    if shuffled {
        items.sort_by_cached_key(|_| RandomState::new().hash_one(()));
    }
    items
}

/// Makes the driver's error of a session that was not opened in time.
async fn timed_out() -> Error {
    let error = || io::Error::new(io::ErrorKind::TimedOut, crate::error::NO_SESSION);
    failed(error).await
}

/// Makes an error of the driver's from one of the system's.
pub(crate) async fn failed(error: fn() -> io::Error) -> Error {
    let mut config = Config::new();
    config.user("nobody");
    match config.connect_raw(Failing(error), NoTls).await {
        Err(error) => error,
        Ok(_) => unreachable!("the stream always fails"),
    }
}

/// A stream that fails.
struct Failing(fn() -> io::Error);

impl AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.0()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.0()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.0()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_all_of_the_settings() {
        let settings = "user=u password=p dbname=d options='-c a=b' application_name=n \
                        sslmode=require sslnegotiation=direct connect_timeout=3 \
                        tcp_user_timeout=4 keepalives=0 keepalives_idle=5 \
                        keepalives_interval=6 keepalives_retries=7 \
                        target_session_attrs=read-write channel_binding=require \
                        load_balance_hosts=random";
        let config = |hosts: &str| format!("{hosts} {settings}").parse::<Config>().unwrap();
        assert_eq!(
            hosts(&config("host=a,b hostaddr=192.0.2.1,192.0.2.2 port=1,2")),
            [
                config("host=a hostaddr=192.0.2.1 port=1"),
                config("host=b hostaddr=192.0.2.2 port=2"),
            ]
        );
        assert_eq!(
            hosts(&config("host=/run,b port=1")),
            [config("host=/run port=1"), config("host=b port=1")]
        );
        for whole in [config("hostaddr=192.0.2.1"), config("host=a,b port=1,2,3")] {
            assert_eq!(hosts(&whole), std::slice::from_ref(&whole));
        }
    }

    #[test]
    fn random_order_is_random_and_complete() {
        let mut orders = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let order = in_order(0..3, true);
            assert_eq!(order.iter().sum::<i32>(), 3);
            orders.insert(order);
        }
        assert_eq!(orders.len(), 6);
        assert_eq!(in_order(0..3, false), [0, 1, 2]);
    }
}
