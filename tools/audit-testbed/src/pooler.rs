//! A `PgBouncer` between a test and its server.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Owner, free_port, program};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A `PgBouncer` of a test's own, which ends when this is dropped.
///
/// # Example: a pool, or the names of the tests that are skipped
/// ```
/// use audit_testbed::PgBouncer;
///
/// if !PgBouncer::can_start() {
///     eprintln!("skipped: PgBouncer is not installed");
/// }
/// ```
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl PgBouncer {
    /// Returns whether the program is installed.
    pub fn can_start() -> bool {
        binary().is_some()
    }

    /// Starts a pool of `size` sessions of the server with a URL, in a `pool_mode`. `None` if it
    /// cannot be started, or the URL is not of the form `postgres://user@host:port/database`.
    pub fn start(server: &str, pool_mode: &str, size: u16) -> Option<Self> {
        let (_, rest) = server.split_once("://")?;
        let (user, rest) = rest.split_once('@')?;
        let (address, database) = rest.split_once('/')?;
        let (host, server_port) = address.split_once(':').unwrap_or((address, "5432"));
        let database = database.split('?').next()?;
        let port = free_port()?;
        let folder = env::temp_dir().join(format!("audit-pool-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let settings = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {folder}/users\nlogfile = {folder}/log\n\
             pool_mode = {pool_mode}\ndefault_pool_size = {size}\n",
            folder = folder.display()
        );
        let owner = Owner::needed(&folder, &["postgres", "nobody"]);
        for (name, text) in [("ini", settings), ("users", format!("\"{user}\" \"\"\n"))] {
            let file = folder.join(name);
            fs::write(&file, text).ok()?;
            owner.map_or(Some(()), |owner| owner.own(&file))?;
        }
        owner.map_or(Some(()), |owner| owner.own(&folder))?;
        let mut command = Command::new(binary()?);
        command.arg("-q").arg(folder.join("ini"));
        if let Some(owner) = owner {
            owner.run_as(&mut command);
        }
        let child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let pool = Self {
            child,
            folder,
            url: format!("postgres://{user}@127.0.0.1:{port}/{database}"),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Some(pool)
    }

    /// Returns the URL of the database behind the pool.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// On the path, or where Debian keeps what only root runs.
fn binary() -> Option<PathBuf> {
    program("pgbouncer").or_else(|| {
        let debian = PathBuf::from("/usr/sbin/pgbouncer");
        debian.is_file().then_some(debian)
    })
}
