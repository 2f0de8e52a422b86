//! A MySQL or MariaDB server to test with: one that is there, or one that is started for the
//! test.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Owner, free_port, program};

/// The variable that names the server's URL.
const VARIABLE: &str = "AUDITLOG_TEST_MYSQL_URL";

/// A server in which a test may make databases. One that was started is stopped and removed when
/// this is dropped.
#[derive(Debug)]
pub struct MysqlServer {
    url: String,
    started: Option<Started>,
}

impl MysqlServer {
    /// Looks for a server: the one that the variable `AUDITLOG_TEST_MYSQL_URL` names, else one
    /// on the local default port that lets `root` in without a password, as `lets_in` tells of
    /// its URL, else one that is started from installed programs. `None` if there is nothing of
    /// all that.
    pub fn find(lets_in: impl Fn(&str) -> bool) -> Option<Self> {
        if let Ok(mut url) = env::var(VARIABLE) {
            if !url.ends_with('/') {
                url.push('/');
            }
            return Some(Self { url, started: None });
        }
        let local = url(3306);
        if greets(3306).unwrap_or(false) && lets_in(&local) {
            return Some(Self {
                url: local,
                started: None,
            });
        }
        Self::start(&[])
    }

    /// Starts a server of its own from installed programs, with further arguments.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let started = Started::new(settings)?;
        Some(Self {
            url: url(started.port),
            started: Some(started),
        })
    }

    /// Returns whether a program to start a server with is installed.
    pub fn can_start() -> bool {
        server_program().is_some()
    }

    /// Returns whether the server was started for the test.
    pub fn was_started(&self) -> bool {
        self.started.is_some()
    }

    /// Returns the URL of the server, which ends with a slash: the name of a database may follow.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn url(port: u16) -> String {
    format!("mysql://root@127.0.0.1:{port}/")
}

/// Whether what listens on a port greets as such a server does: a packet of version 10 of the
/// protocol.
fn greets(port: u16) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = [0; 5];
    server.read_exact(&mut head)?;
    Ok(head[3] == 0 && head[4] == 10)
}

/// A server that was started, and its files.
#[derive(Debug)]
struct Started {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Started {
    fn new(settings: &[&str]) -> Option<Self> {
        let server = server_program()?;
        let port = free_port()?;
        let folder = env::temp_dir().join(format!("audit-my-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        // From here on it is removed if anything fails.
        let mut started = Self {
            folder,
            port,
            process: None,
        };
        let owner = Owner::needed(&started.folder, &["mysql", "nobody"]);
        if let Some(owner) = owner {
            owner.own(&started.folder)?;
        }
        let data = started.folder.join("data");
        let data = format!("--datadir={}", data.display());
        // MySQL has no program for it, and a server that makes its own files.
        let status = if let Some(install) = find_program("mariadb-install-db") {
            let mut command = started.command(&install, owner);
            command
                .args([data.as_str(), "--skip-test-db"])
                .arg("--auth-root-authentication-method=normal");
            command.status()
        } else {
            let mut command = started.command(&server, owner);
            command
                .args(["--initialize-insecure", data.as_str()])
                .status()
        };
        if !status.ok()?.success() {
            return None;
        }
        let mut command = started.command(&server, owner);
        command
            .arg(data)
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}/socket", started.folder.display()))
            .arg(format!("--pid-file={}/pid", started.folder.display()))
            .arg("--bind-address=127.0.0.1")
            .args(settings);
        started.process = Some(command.spawn().ok()?);
        started.wait()?;
        Some(started)
    }

    fn command(&self, program: &Path, owner: Option<Owner>) -> Command {
        let mut command = Command::new(program);
        command
            // It must come first.
            .arg("--no-defaults")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(owner) = owner {
            owner.run_as(&mut command);
        }
        command
    }

    /// Waits until the server greets.
    fn wait(&mut self) -> Option<()> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if greets(self.port).unwrap_or(false) {
                return Some(());
            }
            if self.process.as_mut()?.try_wait().ok()?.is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _stopped = process.kill();
            let _ended = process.wait();
        }
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

fn server_program() -> Option<PathBuf> {
    find_program("mariadbd").or_else(|| find_program("mysqld"))
}

/// Servers are often where only root's path leads.
fn find_program(name: &str) -> Option<PathBuf> {
    program(name).or_else(|| {
        let file = Path::new("/usr/sbin").join(name);
        file.is_file().then_some(file)
    })
}
