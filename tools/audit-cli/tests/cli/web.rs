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

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_viewer_while_all_connections_are_in_use() {
    let store = trail(&folder());
    let mut viewer = Viewer::start(&store, &["--unrecorded"]);
    let opened = Instant::now();
    let streams = connect(&viewer, 80);
    // Until the viewer has accepted as many as it serves at once, 64.
    thread::sleep(Duration::from_millis(500));
    let id = viewer.process.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("`kill` runs").success());
    viewer.process.wait().expect("the command ends");
    // The viewer closes connections that send nothing after 10 s.
    assert!(opened.elapsed() < Duration::from_secs(8));
    drop(streams);
}

/// Returns the time that a process has used on the processors, in ticks of 10 ms.
#[cfg(target_os = "linux")]
fn ticks(viewer: &Viewer) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", viewer.process.id()));
    let stat = stat.expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let fields: Vec<&str> = fields.split(' ').collect();
    // Fields 14 and 15 of proc(5), of which these are the third and later ones.
    let ticks = fields[11..13].iter().map(|field| field.parse::<u64>());
    ticks.map(|ticks| ticks.expect("a number")).sum()
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
    thread::sleep(Duration::from_millis(300));
    let before = ticks(&viewer);
    thread::sleep(Duration::from_secs(1));
    let used = ticks(&viewer) - before;
    assert!(used < 30, "{used} ticks of 100");
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
