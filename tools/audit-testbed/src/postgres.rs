//! A PostgreSQL server to test with: one that is there, or one that is started for the test.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Owner, free_port, program};

/// The variable that names the server's URL.
const VARIABLE: &str = "AUDITLOG_TEST_POSTGRES_URL";

/// A server with a database in which a test may make schemas. One that was started is stopped
/// and removed when this is dropped.
///
/// # Example: a server, or the names of the tests that are skipped
/// ```
/// use audit_testbed::PostgresServer;
///
/// match PostgresServer::find() {
///     Some(server) => assert!(server.url().starts_with("postgres")),
///     None => eprintln!("skipped: there is no PostgreSQL"),
/// }
/// ```
#[derive(Debug)]
pub struct PostgresServer {
    url: String,
    cluster: Option<Cluster>,
}

impl PostgresServer {
    /// Looks for a server: the one that the variable `AUDITLOG_TEST_POSTGRES_URL` names, else
    /// one on the local default port that trusts local users, else one that is started from
    /// installed programs. `None` if there is nothing of all that.
    pub fn find() -> Option<Self> {
        if let Ok(url) = env::var(VARIABLE) {
            return Some(Self { url, cluster: None });
        }
        Self::local().or_else(|| Self::start(&[], &[]))
    }

    /// Starts a server of its own from installed programs, with further settings, and files
    /// that it finds in its folder: `{folder}` in the value of a setting.
    pub fn start(settings: &[(&str, &str)], files: &[(&str, &str)]) -> Option<Self> {
        let programs = [find_program("initdb")?, find_program("pg_ctl")?];
        Cluster::start(programs, settings, files, None).map(Self::of)
    }

    /// Starts a server of its own from the programs in the folder `bin` of a folder.
    pub fn start_from(folder: &Path, settings: &[(&str, &str)]) -> Option<Self> {
        let programs = ["initdb", "pg_ctl"].map(|name| folder.join("bin").join(name));
        Cluster::start(programs, settings, &[], None).map(Self::of)
    }

    /// Starts a server of its own whose write-ahead log lies in a place, such as a small file
    /// system, which the server's user must be able to enter. What it leaves there is the
    /// caller's to remove.
    pub fn start_with_wal_in(place: &Path) -> Option<Self> {
        let programs = [find_program("initdb")?, find_program("pg_ctl")?];
        Cluster::start(programs, &[], &[], Some(place)).map(Self::of)
    }

    fn of(cluster: Cluster) -> Self {
        Self {
            url: format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port),
            cluster: Some(cluster),
        }
    }

    /// Returns whether the programs to start a server are installed.
    pub fn can_start() -> bool {
        find_program("initdb").is_some() && find_program("pg_ctl").is_some()
    }

    fn local() -> Option<Self> {
        let users = ["PGUSER", "USER"]
            .iter()
            .filter_map(|name| env::var(name).ok());
        let users: Vec<_> = users
            .chain(["root".to_owned(), "postgres".to_owned()])
            .collect();
        for user in &users {
            for database in ["test", user, "postgres"] {
                if lets_in(5432, user, database).unwrap_or(false) {
                    return Some(Self {
                        url: format!("postgres://{user}@127.0.0.1:5432/{database}"),
                        cluster: None,
                    });
                }
            }
        }
        None
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port of a server that was started.
    pub fn port(&self) -> Option<u16> {
        self.cluster.as_ref().map(|cluster| cluster.port)
    }

    /// Returns the folder of a server that was started. It belongs to the server's user.
    pub fn folder(&self) -> Option<&Path> {
        self.cluster.as_ref().map(|cluster| &*cluster.folder)
    }

    /// Ends a server that was started as a crash of its processes would, unless it has ended, and
    /// starts it again on its port. Returns whether it runs; false for a server that was there already.
    pub fn restart(&self) -> bool {
        self.cluster.as_ref().and_then(Cluster::restart).is_some()
    }
}

/// Whether the server on a port lets a user into a database without a password: the first
/// messages of its protocol.
fn lets_in(port: u16, user: &str, database: &str) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut hello = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        hello.extend(text.as_bytes());
        hello.push(0);
    }
    let length = u32::try_from(hello.len() + 4).map_err(io::Error::other)?;
    server.write_all(&length.to_be_bytes())?;
    server.write_all(&hello)?;
    // Authentication is over with `R` and the code 0, which comes before a wrong database is
    // told of; then `S`, `K` and `Z`, or `E`.
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]).saturating_sub(4);
        let mut message = Vec::new();
        (&mut server)
            .take(length.into())
            .read_to_end(&mut message)?;
        match head[0] {
            b'R' if message != [0; 4] => return Ok(false),
            b'R' | b'S' | b'K' | b'N' => {}
            b'Z' => return Ok(true),
            _ => return Ok(false),
        }
    }
}

/// A server that was started, and its files.
#[derive(Debug)]
struct Cluster {
    folder: PathBuf,
    control: PathBuf,
    owner: Option<Owner>,
    port: u16,
}

impl Cluster {
    fn start(
        [init, control]: [PathBuf; 2],
        settings: &[(&str, &str)],
        files: &[(&str, &str)],
        wal: Option<&Path>,
    ) -> Option<Self> {
        let port = free_port()?;
        let folder = env::temp_dir().join(format!("audit-pg-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let cluster = Self {
            owner: Owner::needed(&folder, &["postgres", "nobody"]),
            folder,
            control,
            port,
        };
        cluster.own(&cluster.folder)?;
        for (name, content) in files {
            let file = cluster.folder.join(name);
            fs::write(&file, content).ok()?;
            cluster.own(&file)?;
        }
        let data = cluster.data();
        let wal = wal.map(|place| place.join(format!("audit-wal-{port}")));
        if let Some(wal) = &wal {
            fs::create_dir(wal).ok()?;
            cluster.own(wal)?;
        }
        cluster.run(&init, |command| {
            if let Some(wal) = &wal {
                command.arg("-X").arg(wal);
            }
            command
                .arg("-D")
                .arg(&data)
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
                .args(["--locale", "C"]);
        })?;
        let mut options = format!(
            "-h 127.0.0.1 -p {port} -k '' -c fsync=off -c max_connections=100 \
             -c logging_collector=off"
        );
        for (name, value) in settings {
            let value = value.replace("{folder}", &cluster.folder.display().to_string());
            // Writing to a `String` cannot fail.
            let _ok = write!(options, " -c {name}={value}");
        }
        cluster.run(&cluster.control, |command| {
            command
                .args(["start", "-w", "-t", "60", "-D"])
                .arg(&data)
                .arg("-l")
                .arg(cluster.folder.join("log"))
                .arg("-o")
                .arg(options);
        })?;
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// With the settings it was started with, which it keeps in a file.
    fn restart(&self) -> Option<()> {
        self.run(&self.control, |command| {
            command
                .args(["restart", "-w", "-t", "60", "-m", "immediate", "-D"])
                .arg(self.data())
                .arg("-l")
                .arg(self.folder.join("log"));
        })
    }

    /// Gives a file to the server's user, who alone may read it.
    fn own(&self, path: &Path) -> Option<()> {
        if let Some(owner) = self.owner {
            owner.own(path)?;
        }
        Some(())
    }

    fn run(&self, program: &Path, arguments: impl FnOnce(&mut Command)) -> Option<()> {
        let mut command = Command::new(program);
        arguments(&mut command);
        if let Some(owner) = self.owner {
            owner.run_as(&mut command);
        }
        // The server inherits what is not closed: a pipe would never end.
        let status = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        status.success().then_some(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let _stopped = self.run(&self.control, |command| {
            command
                .args(["stop", "-w", "-m", "immediate", "-D"])
                .arg(data);
        });
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// Finds a program of PostgreSQL: on the path, or where Debian keeps those of each version.
fn find_program(name: &str) -> Option<PathBuf> {
    program(name).or_else(|| {
        let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
            .filter(|file| file.is_file())
            .collect();
        versions.sort_by_key(|file| {
            let version = file
                .parent()
                .and_then(Path::parent)
                .and_then(Path::file_name);
            let version = version.and_then(OsStr::to_str).unwrap_or_default();
            let major = version.split('.').next().unwrap_or_default();
            major.parse::<u32>().unwrap_or(0)
        });
        versions.pop()
    })
}
