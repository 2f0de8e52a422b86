//! An S3 server to test with: that of moto, with its objects in memory.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{free_port, program};

/// The variable that names the program.
const VARIABLE: &str = "AUDITLOG_TEST_MOTO";
/// How long the server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);

/// An S3 server of a test's own, which is stopped when this is dropped.
///
/// # Example: a server, or the names of the tests that are skipped
/// ```
/// use audit_testbed::S3Server;
///
/// if !S3Server::can_start() {
///     eprintln!("skipped: moto_server is not installed");
/// }
/// ```
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    url: String,
}

impl S3Server {
    /// Returns whether the program is installed: the one that the variable `AUDITLOG_TEST_MOTO` names, or
    /// `moto_server` on the path.
    pub fn can_start() -> bool {
        binary().is_some()
    }

    /// Starts a server; `None` if the program is missing or the server does not listen within 60 s.
    pub fn start() -> Option<Self> {
        let port = free_port()?;
        let child = Command::new(binary()?)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Returns the URL of the server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the variables by which clients of S3 find the server.
    pub fn settings(&self) -> [(&'static str, &str); 5] {
        settings(&self.url)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Returns the variables by which clients find the server with a URL.
fn settings(url: &str) -> [(&'static str, &str); 5] {
    [
        ("AWS_ENDPOINT", url),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}

/// Sends a request without a signature to a server, and returns the status and the body of the response.
///
/// # Errors
/// Returns an error if there is no response.
pub fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String), ureq::Error> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body.to_owned())?)?;
    let text = response.body_mut().read_to_string()?;
    Ok((response.status().as_u16(), text))
}

fn binary() -> Option<PathBuf> {
    match env::var_os(VARIABLE) {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => program("moto_server"),
    }
}
