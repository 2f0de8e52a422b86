//! The command in a terminal, as a person uses it: colours, a chart, following, questions.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::scratch::{self, HOSTILE, json, trail};
use auditlog::sqlite::SqliteStore;
use auditlog::{LogEntry, Store};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a person waits before something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
const ROWS: NonZero<u16> = NonZero::new(60).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(110).unwrap();

/// A terminal with the command in it.
struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    /// All received bytes.
    bytes: Arc<Mutex<Vec<u8>>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Runs the command on a store.
    fn run(store: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::sized(COLUMNS, store, args, variables)
    }

    /// Runs the command in a terminal with so many columns.
    fn sized(
        columns: NonZero<u16>,
        store: &Path,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let size = PtySize {
            rows: ROWS.get(),
            cols: columns.get(),
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_auditlog"));
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("USER", "tester");
        command.env("PAGER", "cat");
        for (name, value) in variables {
            command.env(name, value);
        }
        command.args(["--store", store.to_str().expect("UTF-8")]);
        command.args(args);
        let child = pair.slave.spawn_command(command).expect("the command runs");
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, columns, 0)));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (shown, kept) = (Arc::clone(&screen), Arc::clone(&bytes));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal whose program has ended is an error to read.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                shown.lock().expect("a screen").process(&buffer[..length]);
                kept.lock()
                    .expect("bytes")
                    .extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            screen,
            bytes,
            keys: pair.master.take_writer().expect("a keyboard"),
            child,
            _master: pair.master,
        }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("a screen").screen().contents()
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("bytes")).into_owned()
    }

    /// Waits until the screen shows a text.
    fn until(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            assert!(
                Instant::now() < end,
                "`{text}` did not come:\n{}",
                self.text()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("pressed");
        self.keys.flush().expect("pressed");
    }

    /// Waits until the command has ended, and returns its exit code.
    fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                // What it printed last comes a little later.
                thread::sleep(Duration::from_millis(100));
                return status.exit_code();
            }
            if Instant::now() >= end {
                self.child.kill().expect("killed");
                panic!("it did not end:\n{}", self.text());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns whether something is coloured.
fn is_coloured(raw: &str) -> bool {
    raw.contains("\u{1b}[3") || raw.contains("\u{1b}[9") || raw.contains("\u{1b}[1m")
}

#[test]
fn colours_are_for_terminals_and_can_be_turned_off() {
    let store = trail(&scratch::folder());
    for (args, variables, coloured) in [
        (&["log"][..], &[][..], true),
        (&["history", "User", "42"], &[], true),
        (&["log"], &[("NO_COLOR", "1")], false),
        (&["history", "User", "42"], &[("NO_COLOR", "1")], false),
        (&["log"], &[("TERM", "dumb")], false),
        (&["log", "--color", "never"], &[], false),
        (&["log", "--color", "always"], &[("NO_COLOR", "1")], true),
    ] {
        let mut terminal = Terminal::run(&store, args, variables);
        assert_eq!(terminal.end(), 0);
        assert_eq!(
            is_coloured(&terminal.raw()),
            coloured,
            "{args:?} {variables:?}"
        );
        // Colours carry no information that is not in the text.
        let text = terminal.text();
        assert!(text.contains("alice"), "{text}");
    }
    let mut coloured = Terminal::run(&store, &["log"], &[]);
    coloured.end();
    assert!(
        coloured.text().contains("WARNING  delete"),
        "{}",
        coloured.text()
    );
}

#[test]
fn stored_control_characters_are_escaped() {
    let store = trail(&scratch::folder());
    for args in [
        &["log", "--changes"][..],
        &["log", "--json"],
        &["export"],
        &["history", "User", "43", "--changes"],
        &["show", "0"],
    ] {
        let mut terminal = Terminal::run(&store, args, &[("NO_COLOR", "1")]);
        terminal.end();
        let raw = terminal.raw();
        assert!(raw.contains("fake line"), "{raw}");
        let control = raw
            .chars()
            .find(|c| c.is_control() && !matches!(c, '\r' | '\n'));
        assert_eq!(control, None, "{args:?}: {raw:?}");
        assert!(!raw.contains('\u{202e}'), "{args:?}");
    }
    // As JSON it is the same text still.
    let mut terminal = Terminal::run(&store, &["log", "--json", "actor:mallory"], &[]);
    terminal.end();
    let line = terminal.raw();
    let entry: serde_json::Value = serde_json::from_str(line.trim()).expect("JSON");
    assert_eq!(entry["reason"], HOSTILE);
}

#[test]
fn a_table_fits_the_terminal_without_wrapping_times() {
    let store = trail(&scratch::folder());
    let sqlite = SqliteStore::open(&store).expect("a store");
    let mut entry = LogEntry::new("access", "Archive", "1", "");
    entry.action = auditlog::Action::from("a very long name of an action ".repeat(9).as_str());
    sqlite.append(&[entry.clone()]).expect("appended");
    let mut terminal = Terminal::run(&store, &["schema"], &[]);
    assert_eq!(terminal.end(), 0);
    let text = terminal.text();
    let width = usize::from(COLUMNS.get());
    assert!(
        text.lines().all(|line| line.chars().count() <= width),
        "{text}"
    );
    assert!(text.contains("2026-01-01T10:00:00Z"), "{text}");
    assert!(text.matches("very long").count() > 1, "{text}");
    // What a program reads is a line.
    let piped = scratch::stdout(&store, &["schema"]);
    assert_eq!(piped.lines().count(), 2 + 4, "{piped}");
}

#[test]
fn a_chart_is_drawn() {
    let store = trail(&scratch::folder());
    let chart = |variables: &[(&str, &str)]| {
        let mut terminal = Terminal::run(&store, &["stats", "--by", "action"], variables);
        assert_eq!(terminal.end(), 0);
        let text = terminal.text();
        let bar = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a line");
            line.chars().filter(|c| matches!(c, '█' | '#')).count()
        };
        (bar("create"), bar("access"), text)
    };
    let (create, access, text) = chart(&[]);
    assert!(text.contains('█'), "{text}");
    assert_eq!(create, 40);
    assert_eq!(access, 13);
    let (create, access, text) = chart(&[("LANG", "C")]);
    assert!(!text.contains('█'), "{text}");
    assert_eq!((create, access), (40, 14));
}

#[test]
fn log_limits_entries_on_a_terminal_with_a_note() {
    let store = scratch::folder().join("audit.db");
    let sqlite = SqliteStore::open(&store).expect("a store");
    let entries: Vec<LogEntry> = (0..70)
        .map(|number| LogEntry::new("update", "User", number.to_string(), ""))
        .collect();
    sqlite.append(&entries).expect("appended");
    let mut terminal = Terminal::run(&store, &["log"], &[]);
    assert_eq!(terminal.end(), 0);
    terminal.until("50 entries shown, and there are more; --all shows all");
    assert!(!terminal.raw().contains("User 19 "), "{}", terminal.raw());
    let mut terminal = Terminal::run(&store, &["log", "--all"], &[]);
    assert_eq!(terminal.end(), 0);
    assert!(terminal.raw().contains("User 0 ") || terminal.raw().contains("User 0\u{1b}"));
}

#[test]
fn following_shows_what_is_written_until_ctrl_c() {
    let store = trail(&scratch::folder());
    let sqlite = SqliteStore::open(&store).expect("a store");
    let args = ["log", "--follow", "model:User", "--interval", "20"];
    let mut terminal = Terminal::run(&store, &args, &[]);
    terminal.until("delete   User 43");
    let entry = |model: &str, reason: &str| {
        let mut entry = LogEntry::new("update", model, "44", "");
        entry.reason = Some(reason.into());
        entry
    };
    sqlite
        .append(&[entry("User", "first news")])
        .expect("appended");
    terminal.until("first news");
    // An entry with an earlier time that is written now is shown; one that the query excludes is not.
    let mut late = entry("User", "late news");
    late.timestamp = "2025-01-01T00:00:00Z".parse().expect("a time");
    sqlite
        .append(&[entry("Invoice", "no news"), late])
        .expect("appended");
    terminal.until("late news");
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), 0);
    let text = terminal.text();
    assert!(!text.contains("no news"), "{text}");
    assert_eq!(text.matches("first news").count(), 1, "{text}");
    assert_eq!(text.matches("User 43").count(), 2, "{text}");
}

#[test]
fn a_removal_asks_for_confirmation() {
    let store = trail(&scratch::folder());
    let args = ["prune", "--older-than", "2026-01-02"];
    for (answer, code, message) in [
        ("\r", 8, "nothing was removed"),
        ("n\r", 8, "nothing was removed"),
        ("\u{4}", 8, "nothing was removed"),
        ("y\r", 0, "2 entries removed"),
    ] {
        let before = json(&store, &["log"]).len();
        let mut terminal = Terminal::run(&store, &args, &[]);
        terminal.until("2 entries from 2026-01-01T10:00:00Z to 2026-01-01T23:30:00Z");
        terminal.until("remove 2 entries permanently? [y/N]");
        terminal.press(answer);
        terminal.until(message);
        assert_eq!(terminal.end(), code, "{answer:?}");
        let after = json(&store, &["log"]).len();
        // Two fewer, and the record of the removal.
        assert_eq!(after, if code == 0 { before - 1 } else { before });
    }
    let mut terminal = Terminal::run(&store, &["prune", "--older-than", "2026-01-02"], &[]);
    terminal.until("no entries");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn progress_is_shown_on_a_terminal() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let sqlite = SqliteStore::open(&store).expect("a store");
    let entries: Vec<LogEntry> = (0..20_000)
        .map(|number| LogEntry::new("update", "User", number.to_string(), ""))
        .collect();
    sqlite.append(&entries).expect("appended");
    let file = folder.join("trail.jsonl");
    let args = ["export", "--output", file.to_str().expect("UTF-8")];
    let mut terminal = Terminal::run(&store, &args, &[]);
    assert_eq!(terminal.end(), 0);
    terminal.until("20,000 entries written to");
    assert!(
        terminal.raw().contains("of 20,000 entries ["),
        "{}",
        terminal.raw()
    );

    // Interrupted, it leaves nothing behind.
    let other = folder.join("other.jsonl");
    let args = ["export", "--output", other.to_str().expect("UTF-8")];
    let mut terminal = Terminal::run(&store, &args, &[]);
    terminal.until("exporting");
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), 130);
    terminal.until("error: interrupted: ");
    terminal.until("other.jsonl was not written");
    let left: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| !name.to_string_lossy().starts_with("audit.db"))
        .collect();
    assert_eq!(left, ["trail.jsonl"]);
}

/// The file is correct, so the message is about the command.
#[cfg(unix)]
#[test]
fn an_interrupted_import_can_be_continued() {
    let folder = scratch::folder();
    let fifo = folder.join("trail.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    let file = fifo.to_str().expect("UTF-8");
    for (entries, message) in [
        (
            1,
            "interrupted: nothing was imported; run the command again",
        ),
        (1_500, "interrupted: the trail has "),
    ] {
        let store = folder.join(format!("{entries}.db"));
        let mut terminal = Terminal::run(&store, &["import", "--create", file], &[]);
        let mut pipe = std::fs::File::options()
            .write(true)
            .open(&fifo)
            .expect("opened");
        let mut write = |entries: u64| {
            (0..entries).try_for_each(|number| {
                let entry = LogEntry::new("update", "User", number.to_string(), "");
                writeln!(pipe, "{}", entry.to_canonical_json().expect("JSON"))
            })
        };
        terminal.until("importing");
        write(entries).expect("read");
        terminal.press("\u{3}");
        // The command looks for the interrupt after each entry, and then closes the pipe.
        while write(1).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(terminal.end(), 130);
        terminal.until(message);
        let text = terminal.text();
        assert!(!text.contains("correct the file"), "{text}");
        assert!(text.contains("run the command again"), "{text}");
    }
}

#[test]
fn a_long_value_is_cut_only_on_a_terminal() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let mut entry = LogEntry::new("update", "Page", "1", "page");
    let long = "ü".repeat(5_000);
    entry.changes = serde_json::from_value(serde_json::json!({
        "body": {"old": "short", "new": long.as_str()}
    }))
    .expect("changes");
    SqliteStore::open(&store)
        .expect("a store")
        .append(&[entry])
        .expect("appended");
    for args in [&["log", "--changes"][..], &["blame", "Page", "1"]] {
        let mut terminal = Terminal::run(&store, args, &[]);
        assert_eq!(terminal.end(), 0);
        let raw = terminal.raw();
        assert!(raw.matches('ü').count() <= 200, "{raw}");
        assert!(raw.contains("characters"), "{raw}");
        assert!(scratch::stdout(&store, args).contains(&long), "{args:?}");
    }
}

#[test]
fn a_pager_shows_long_answers_on_a_terminal() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let shown = folder.join("shown");
    let pager = format!("cat > '{}'; echo the pager ran", shown.display());
    let answer = |args: &[&str], variables: &[(&str, &str)]| {
        let _none = std::fs::remove_file(&shown);
        let mut terminal = Terminal::run(&store, args, variables);
        assert_eq!(terminal.end(), 0, "{args:?}: {}", terminal.text());
        let shown = std::fs::read_to_string(&shown).ok();
        assert_eq!(shown.is_some(), terminal.text().contains("the pager ran"));
        shown
    };
    let id = json(&store, &["log", "correlation:req-1"])[0]["id"].to_string();
    let id = id.trim_matches('"');
    for args in [
        &["log"][..],
        &["show", id],
        &["history", "User", "42"],
        &["blame", "User", "42"],
        &["as-of", "User", "42", "now"],
        &["diff", "User", "42", "1"],
        &["undo", id],
    ] {
        let text = answer(args, &[("PAGER", &pager)]).expect("paged");
        assert!(is_coloured(&text), "{args:?}: {text}");
        assert!(text.contains("bob"), "{args:?}: {text}");
    }
    // Another variable goes before, colours can be turned off, and a pager can, too.
    let pagers = [("PAGER", "false"), ("AUDITLOG_PAGER", pager.as_str())];
    let text = answer(&["log", "--color", "never"], &pagers).expect("paged");
    assert!(!is_coloured(&text), "{text}");
    assert_eq!(answer(&["log", "--no-pager"], &[("PAGER", &pager)]), None);
    let off = [("PAGER", pager.as_str()), ("AUDITLOG_PAGER", "")];
    assert_eq!(answer(&["log"], &off), None);
    assert_eq!(answer(&["stats"], &[("PAGER", &pager)]), None);
    // A program that reads the output gets it as it is.
    let piped = scratch::auditlog()
        .args(["log", "--store"])
        .arg(&store)
        .env("PAGER", &pager)
        .output()
        .expect("the command runs");
    assert_eq!(piped.stdout, scratch::run(&store, &["log"]).stdout);
    assert!(!piped.stdout.is_empty() && !shown.exists());
}

#[test]
fn a_closed_or_missing_pager_is_not_an_error() {
    let store = scratch::folder().join("audit.db");
    let sqlite = SqliteStore::open(&store).expect("a store");
    let entries: Vec<LogEntry> = (0..5_000)
        .map(|number| LogEntry::new("update", "User", number.to_string(), "a name"))
        .collect();
    sqlite.append(&entries).expect("appended");
    // Quit after a line, and before the first: a pipe does not hold all of it.
    for pager in ["head -n 1", "true"] {
        let mut terminal = Terminal::run(&store, &["log", "--all"], &[("PAGER", pager)]);
        assert_eq!(terminal.end(), 0, "{}", terminal.text());
        assert!(!terminal.text().contains("error"), "{}", terminal.text());
    }
    let args = &["log", "-n", "1"];
    let mut terminal = Terminal::run(&store, args, &[("PAGER", "no-such-pager")]);
    assert_eq!(terminal.end(), 0);
    let text = terminal.text();
    assert!(
        text.contains("the pager `no-such-pager` cannot be run"),
        "{text}"
    );
    assert!(text.contains("User 4999"), "{text}");
    // A shell that cannot run it has read the answer: that is an error.
    let mut terminal = Terminal::run(&store, args, &[("PAGER", "no-such-pager '-x'")]);
    assert_eq!(terminal.end(), 6, "{}", terminal.text());
    // Ctrl-C is the pager's, which is not left behind.
    let pager = "trap '' INT; sed -n '1p'; echo waiting; cat > /dev/null; echo closed";
    let mut terminal = Terminal::run(&store, &["log", "--all"], &[("PAGER", pager)]);
    terminal.until("waiting");
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), 0);
    terminal.until("closed");
}

#[test]
fn the_shown_part_of_an_id_identifies_the_entry() {
    let store = scratch::folder().join("audit.db");
    let sqlite = SqliteStore::open(&store).expect("a store");
    let entries: Vec<LogEntry> = (0..20)
        .map(|number| LogEntry::new("update", "User", number.to_string(), ""))
        .collect();
    sqlite.append(&entries).expect("appended");
    let mut terminal = Terminal::run(&store, &["log", "--color", "never"], &[]);
    assert_eq!(terminal.end(), 0);
    let text = terminal.text();
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert_eq!(ids.len(), 20, "{text}");
    for (entry, short) in entries.iter().rev().zip(ids) {
        assert_eq!(short.len(), 12, "{text}");
        let found = json(&store, &["show", short]).remove(0);
        assert_eq!(found["id"], entry.id.to_string());
    }
}

#[test]
fn tables_fit_into_sixty_columns() {
    const NARROW: NonZero<u16> = NonZero::new(60).unwrap();
    let store = trail(&scratch::folder());
    for args in [
        &["blame", "User", "42"][..],
        &["blame", "User", "43"],
        &["diff", "User", "42", "1", "2"],
        &["as-of", "User", "42", "now"],
        &["stats"],
        &["stats", "--by", "action,model,actor"],
        &["schema"],
    ] {
        let mut terminal = Terminal::sized(NARROW, &store, args, &[("NO_COLOR", "1")]);
        assert_eq!(terminal.end(), 0, "{args:?}");
        let raw = terminal.raw();
        let table: Vec<&str> = raw.lines().filter(|line| line.contains("  ")).collect();
        assert!(
            table
                .iter()
                .all(|line| line.trim_end().chars().count() <= 60),
            "{args:?}:\n{raw}"
        );
    }
    let mut terminal = Terminal::sized(NARROW, &store, &["blame", "User", "42"], &[]);
    assert_eq!(terminal.end(), 0);
    let text = terminal.text();
    assert!(text.contains("2026-01-01T23:30:00Z"), "{text}");
    assert!(text.contains("ticket"), "{text}");
}
