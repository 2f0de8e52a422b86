//! The viewer's pages in a browser: headless Chromium, driven by the scripts in
//! `outward/audit-web/browser`.
//!
//! The tests need Node, the packages of those scripts (`npm ci` in that folder) and Chromium: the
//! program that `AUDITLOG_TEST_CHROMIUM` names, else `chromium` of the path. Without them the tests
//! are reported as ignored, and fail if `CI` is `true`. With `AUDITLOG_PICTURES=write` the pictures
//! of `docs/viewer.md` are made again.

mod company;
#[path = "../../../../tests/congress/model.rs"]
mod model;
mod question;
#[expect(dead_code, reason = "the oracle is for other tests")]
#[path = "../../../../tests/congress/replay.rs"]
mod replay;
mod sample;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use auditlog::Store;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

/// The programs and scripts of the tests.
#[derive(Clone)]
struct Parts {
    scripts: PathBuf,
    node: PathBuf,
    chromium: PathBuf,
}

fn main() {
    let arguments = Arguments::from_args();
    let parts = parts();
    if let Err(missing) = &parts {
        eprintln!("the tests in a browser are skipped: {missing}");
    }
    let is_ignored = parts.is_err() && !is("CI", "true");
    let trial = |name: &str, test: fn(&Parts) -> Result<(), Failed>| {
        let parts = parts.clone();
        Trial::test(name, move || test(&parts?)).with_ignored_flag(is_ignored)
    };
    let mut trials = vec![
        trial("pages_are_accessible_at_each_width", |parts| {
            check(parts, "pages")
        }),
        trial("pages_work_by_keyboard", |parts| check(parts, "keyboard")),
        trial("pages_work_without_the_script", |parts| {
            check(parts, "withoutScript")
        }),
        trial("exports_have_the_entries_of_the_search", |parts| {
            check(parts, "exporting")
        }),
        trial(
            "the_live_page_shows_entries_as_they_are_committed",
            |parts| check(parts, "live"),
        ),
    ];
    let data = replay::data_folder(&root());
    if data.is_none() {
        eprintln!("four_clicks_.. is skipped: set AUDITLOG_TEST_DATA to the data's folder");
    }
    let has_data = data.is_some();
    let parts_of_question = parts.clone();
    trials.push(
        Trial::test(
            "four_clicks_show_who_changed_an_office_and_why",
            move || four_clicks(&parts_of_question?, &data.ok_or("the data is missing")?),
        )
        .with_ignored_flag(is_ignored || !has_data),
    );
    if is("AUDITLOG_PICTURES", "write") {
        trials.push(trial("pictures", pictures));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn is(variable: &str, value: &str) -> bool {
    env::var(variable).is_ok_and(|found| found == value)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn parts() -> Result<Parts, String> {
    let scripts = root().join("outward/audit-web/browser");
    if !scripts.join("node_modules/playwright-core").is_dir() {
        return Err(format!("run `npm ci` in {}", scripts.display()));
    }
    let in_path = |name: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    let chromium = env::var_os("AUDITLOG_TEST_CHROMIUM").map(PathBuf::from);
    Ok(Parts {
        scripts,
        node: in_path("node").ok_or("install Node")?,
        chromium: chromium
            .or_else(|| in_path("chromium"))
            .ok_or("install Chromium, or set AUDITLOG_TEST_CHROMIUM")?,
    })
}

/// Makes an empty folder for a check.
fn folder(name: &str) -> Result<PathBuf, Failed> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("browser")
        .join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs a check on the sample.
fn check(parts: &Parts, name: &str) -> Result<(), Failed> {
    let file = folder(name)?.join("audit.db");
    sample::write(&file)?;
    let server = Server::start(&file)?;
    let settings = json!({"url": server.url, "object": sample::object()});
    run(parts, name, settings, &file)
}

fn pictures(parts: &Parts) -> Result<(), Failed> {
    let file = folder("pictures")?.join("purchasing.db");
    company::write(&file)?;
    let server = Server::start(&file)?;
    let settings = json!({
        "url": server.url,
        "object": company::object(),
        "folder": root().join("docs"),
    });
    run(parts, "pictures", settings, &file)
}

/// Finds who changed an office of a person in the replayed data, and what it was at a time.
fn four_clicks(parts: &Parts, data: &Path) -> Result<(), Failed> {
    let file = folder("record")?.join("congress.db");
    let record = question::replay(&file, data)?;
    let server = Server::start(&file)?;
    let settings = json!({"url": server.url, "record": record});
    run(parts, "record", settings, &file)
}

/// Runs a script, and fails with its output. Appends an entry to the trail for each line `append`.
fn run(parts: &Parts, name: &str, mut settings: Value, trail: &Path) -> Result<(), Failed> {
    settings["chromium"] = parts.chromium.display().to_string().into();
    let mut script = Command::new(&parts.node)
        .arg("check.mjs")
        .arg(name)
        .arg(settings.to_string())
        .current_dir(&parts.scripts)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = script.stdout.take().ok_or("no output")?;
    let appended = append_on_request(output, trail);
    let output = script.wait_with_output()?;
    appended?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

fn append_on_request(output: ChildStdout, trail: &Path) -> Result<(), Failed> {
    let mut appended = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line != "append" {
            println!("{line}");
            continue;
        }
        appended += 1;
        let store = SqliteStore::open(trail)?;
        let title = format!("appended entry {appended}");
        store.append(&[LogEntry::new("publish", "Article", "1", title)])?;
        store.close()?;
    }
    Ok(())
}

/// The command `auditlog web`, which ends with its owner.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(store: &Path) -> Result<Self, Failed> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_auditlog"))
            .args(["--as", "auditor", "--store"])
            .arg(store)
            .arg("web")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take();
        let mut server = Self {
            process,
            url: String::new(),
        };
        let mut line = String::new();
        BufReader::new(output.ok_or("no output")?).read_line(&mut line)?;
        line.trim().clone_into(&mut server.url);
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
