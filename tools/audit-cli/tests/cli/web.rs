//! `web`: who can read the pages, and the record of views.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::scratch::{folder, json, stderr, trail};

/// A running viewer, which ends with its owner.
struct Viewer {
    process: Child,
    address: String,
    path: String,
}

impl Viewer {
    fn start(store: &Path, args: &[&str]) -> Self {
        Self::run(
            &mut Command::new(env!("CARGO_BIN_EXE_auditlog")),
            store,
            args,
        )
    }

    /// Starts the viewer by a command that runs the arguments.
    fn run(command: &mut Command, store: &Path, args: &[&str]) -> Self {
        let mut process = command
            .args(["--as", "tester", "--store"])
            .arg(store)
            .arg("web")
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let output = process.stdout.take().expect("an output");
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url).expect("a line");
        let rest = url.trim().strip_prefix("http://").expect("a URL");
        let (address, path) = rest.split_once('/').expect("a path");
        Self {
            process,
            address: address.to_owned(),
            path: format!("/{path}"),
        }
    }

    /// Gets a path with a `Host`, and returns the response as text.
    fn get(&self, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .expect("a request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        response
    }

    fn page(&self, name: &str) -> String {
        self.get(&format!("{}{name}", self.path), &self.address)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn pages_are_below_the_printed_url_alone() {
    let store = trail(&folder());
    let viewer = Viewer::start(&store, &[]);
    assert!(viewer.address.starts_with("127.0.0.1:"));
    assert_eq!(viewer.path.len(), "/".len() + 32 + "/".len());
    let page = viewer.page("search");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("ticket 4711") && page.contains("views are recorded"));
    for path in ["/", "/search", "/00000000000000000000000000000000/search"] {
        let response = viewer.get(path, &viewer.address);
        assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    }
    let path = format!("{}search", viewer.path);
    let response = viewer.get(&path, "evil.example");
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
}

#[test]
fn views_are_recorded_unless_asked_otherwise() {
    let store = trail(&folder());
    let views = || json(&store, &["log", "action:access", "actor:tester"]);
    let viewer = Viewer::start(&store, &["--unrecorded"]);
    assert!(viewer.page("search").contains("views are not recorded"));
    drop(viewer);
    assert_eq!(views().len(), 0);
    let viewer = Viewer::start(&store, &[]);
    viewer.page("object?model=User&key=42");
    drop(viewer);
    let views = views();
    assert_eq!(views.len(), 1, "{views:?}");
    assert_eq!(views[0]["additional_data"]["command"], "web object");
    assert_eq!(views[0]["additional_data"]["parameters"]["key"], "42");
}

#[cfg(feature = "archive")]
#[test]
fn the_store_page_shows_the_position_of_the_archive() {
    let folder = folder();
    let store = trail(&folder);
    let archive = folder.join("archive").display().to_string();
    let run = ["archive", "run", "--create", "--archive", &archive];
    crate::scratch::stdout(&store, &run);
    let viewer = Viewer::start(&store, &["--archive", &archive]);
    let page = viewer.page("trust");
    // The start of the viewer and the view of the page are not archived.
    let row = format!("{archive}</th><td>2 entries</td>");
    assert!(page.contains(&row), "{page}");
}

/// Opens connections that send nothing.
fn connect(viewer: &Viewer, count: usize) -> Vec<TcpStream> {
    let streams = (0..count).map(|_| TcpStream::connect(&viewer.address));
    streams.collect::<Result<_, _>>().expect("connections")
}

/// Waits until a condition holds, which a slow machine delays.
fn wait_until(condition: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{condition}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a request on a connection, which stays open. Returns whether the viewer responds.
#[cfg(unix)]
fn is_served(stream: &mut TcpStream, host: &str) -> bool {
    let request = format!("HEAD / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let mut head = Vec::new();
    let mut part = [0; 1024];
    if stream.write_all(request.as_bytes()).is_err() {
        return false;
    }
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => head.extend_from_slice(&part[..count]),
            _ => return false,
        }
    }
    true
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_viewer_while_all_connections_are_in_use() {
    let store = trail(&folder());
    let mut viewer = Viewer::start(&store, &["--unrecorded"]);
    // As many as the viewer serves at once, and some that wait.
    let mut streams = connect(&viewer, 64);
    for stream in &mut streams {
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).expect("a timeout");
        assert!(is_served(stream, &viewer.address));
    }
    let waiting = connect(&viewer, 16);
    let id = viewer.process.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("`kill` runs").success());
    wait_until("the viewer has ended", || {
        let ended = viewer.process.try_wait().expect("a process");
        // The viewer would close connections that send nothing, and then end.
        ended.is_some() || {
            for stream in &mut streams {
                is_served(stream, &viewer.address);
            }
            false
        }
    });
    drop((streams, waiting));
}

/// Returns the number of times that the main thread of a process has waited, from proc(5).
#[cfg(target_os = "linux")]
fn waits(viewer: &Viewer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", viewer.process.id()));
    let status = status.expect("the process runs");
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let count = count.expect("a count").trim();
    count.parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn a_viewer_without_free_file_descriptors_waits_for_one() {
    let store = trail(&folder());
    let mut shell = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_auditlog");
    shell.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", program]);
    let viewer = Viewer::run(&mut shell, &store, &["--unrecorded"]);
    assert!(viewer.page("search").starts_with("HTTP/1.1 200"));
    let streams = connect(&viewer, 60);
    let descriptors = format!("/proc/{}/fd", viewer.process.id());
    wait_until("no file descriptor is free", || {
        let used = std::fs::read_dir(&descriptors).expect("the process runs");
        let names = used.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // Inherited ones can be above the limit.
        let is_limited = |name: &String| name.parse().is_ok_and(|number: u32| number < 40);
        names.filter(is_limited).count() == 40
    });
    let before = waits(&viewer);
    wait_until("the viewer waits between two attempts", || {
        waits(&viewer) >= before + 5
    });
    drop(streams);
    assert!(viewer.page("search").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let store = trail(&folder());
    let viewer = Viewer::start(&store, &["--unrecorded"]);
    let port = viewer.address.rsplit(':').next().expect("a port");
    let errors = stderr(&store, &["web", "--unrecorded", "--port", port], 6);
    assert!(errors.contains("the viewer cannot be served"), "{errors}");
}
