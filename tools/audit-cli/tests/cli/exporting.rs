//! `export`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::scratch::{self, json, stderr, stdout, trail};
use auditlog::sqlite::rusqlite::Connection;
use auditlog::{LogEntry, Store};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn an_export_restores_the_store() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let printed = stdout(&store, &["export"]);
    let sqlite = auditlog::sqlite::SqliteStore::open(&store).expect("a store");
    let entries = sqlite.query().all().expect("entries");
    let stored: String = entries
        .iter()
        .map(|entry| entry.to_canonical_json().expect("JSON") + "\n")
        .collect();
    assert_eq!(printed, stored);

    let file = folder.join("trail.jsonl");
    let message = stdout(&store, &["export", "--output", text(&file)]);
    assert_eq!(message, format!("9 entries written to {}\n", text(&file)));
    assert_eq!(fs::read_to_string(&file).expect("a file"), printed);

    let copy = folder.join("copy.db");
    let message = stdout(&copy, &["import", "--create", text(&file)]);
    assert_eq!(message, "9 entries read: 9 new, 0 already in the trail\n");
    let message = stdout(&copy, &["import", text(&file)]);
    assert_eq!(message, "9 entries read: 0 new, 9 already in the trail\n");
    let again = stdout(&copy, &["export"]);
    assert_eq!(scratch::without_imports(&again), printed);
    assert_eq!(again.lines().count(), 9 + 2);
    assert_eq!(
        stdout(&copy, &["export", "model:Invoice"]).lines().count(),
        2
    );
}

#[test]
fn a_file_is_replaced_only_with_force_and_leaves_no_temporary_file() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("out.jsonl");
    fs::write(&file, "mine").expect("written");
    let message = stderr(&store, &["export", "-o", text(&file)], 2);
    assert!(message.contains("exists already"), "{message}");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "mine");
    stdout(&store, &["export", "-o", text(&file), "--force"]);
    assert_eq!(
        fs::read_to_string(&file).expect("a file").lines().count(),
        9
    );
    let message = stderr(
        &store,
        &["export", "-o", text(&folder.join("no/such/out"))],
        6,
    );
    let folder_of_it = folder.join("no/such");
    assert!(
        message.contains(&format!(
            "out cannot be written: the folder {} does not exist",
            text(&folder_of_it)
        )),
        "{message}"
    );
    assert!(!message.contains(".part"), "{message}");
    let names: Vec<String> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| !name.starts_with("audit.db"))
        .collect();
    assert_eq!(names, ["out.jsonl"]);
}

#[test]
fn an_export_never_replaces_the_store() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let mut names = vec![
        "audit.db",
        "audit.db-wal",
        "audit.db-shm",
        "audit.db-journal",
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&store, folder.join("link.db")).expect("a link");
        fs::hard_link(&store, folder.join("twin.db")).expect("a link");
        names.extend(["link.db", "twin.db"]);
    }
    for name in names {
        for path in [
            folder.join(name),
            folder
                .join("../")
                .join(folder.file_name().expect("a name"))
                .join(name),
        ] {
            for force in [&["--force"][..], &[]] {
                let args = [&["export", "-o", text(&path)], force].concat();
                let message = stderr(&store, &args, 2);
                assert!(
                    message.contains("is a file of the store itself"),
                    "{message}"
                );
            }
        }
    }
    assert_eq!(json(&store, &["log"]).len(), 9);
}

#[test]
fn an_export_has_the_bytes_that_are_stored() {
    let folder = scratch::folder();
    let store = trail(&folder);
    // Of a later version, say: it has a key that this one does not know.
    scratch::damage(
        &store,
        "replace(body, '{\"action', '{\"aaa\":1,\"action')",
        3,
    );
    let printed = stdout(&store, &["export"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 9);
    assert!(
        lines[2].starts_with("{\"aaa\":1,\"action\":"),
        "{}",
        lines[2]
    );
    let newest = stdout(&store, &["export", "order:newest", "limit:3"]);
    let last: Vec<&str> = lines.iter().rev().take(3).copied().collect();
    assert_eq!(newest.lines().collect::<Vec<_>>(), last);
    let message = stderr(&store, &["export", "model:Usr"], 1);
    assert!(message.contains("did you mean `User`?"), "{message}");
}

#[test]
fn intact_entries_of_a_damaged_store_are_exported() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let intact = stdout(&store, &["export"]);
    let lines: Vec<&str> = intact.lines().collect();
    let printed = |args: &[&str], code| {
        let output = scratch::run(&store, args);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // No entry, but its bytes can be had.
    scratch::damage(&store, "'no entry'", 5);
    let saved = printed(&["export"], 3);
    assert_eq!(saved, intact.replace(lines[4], "no entry"));
    let message = stderr(&store, &["export"], 3);
    assert!(message.contains("row 5 is not an entry"), "{message}");
    let file = folder.join("saved.jsonl");
    fs::write(&file, &saved).expect("written");
    let copy = folder.join("copy.db");
    let import = ["import", "--create", "--keep-going", text(&file)];
    let message = stderr(&copy, &import, 4);
    assert!(
        message.contains("saved.jsonl:5:2: not an entry"),
        "{message}"
    );
    let again = scratch::without_imports(&stdout(&copy, &["export"]));
    assert_eq!(again, saved.replace("no entry\n", ""));
    // Not even text.
    Connection::open(&store)
        .and_then(|file| {
            file.execute_batch("UPDATE audit_entry SET body = CAST(x'ff' AS TEXT) WHERE seq = 5")
        })
        .expect("damaged");
    let mut others = lines.clone();
    others.remove(4);
    assert_eq!(printed(&["export"], 3).lines().collect::<Vec<_>>(), others);
    // More than one line.
    Connection::open(&store)
        .and_then(|file| {
            file.execute_batch(
                "UPDATE audit_entry SET body = 'two' || char(10) || 'lines' WHERE seq = 5",
            )
        })
        .expect("damaged");
    let text = serde_json::Value::from("two\nlines").to_string();
    assert_eq!(printed(&["export"], 3), intact.replace(lines[4], &text));
    for rows in ["entry", "change"] {
        let csv = printed(&["export", "--format", "csv", "--rows", rows], 3);
        assert!(!csv.contains("two"), "{csv}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let store = trail(&scratch::folder());
    for format in ["jsonl", "csv"] {
        let full = fs::File::options().write(true).open("/dev/full");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_auditlog"))
            .args(["export", "--format", format, "--store", text(&store)])
            .stdout(full.expect("a device"))
            .output()
            .expect("the command runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{message}");
        assert!(
            message.contains("the output cannot be written: "),
            "{message}"
        );
    }
}

#[test]
fn csv_is_harmless_and_complete() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("trail.csv");
    stdout(&store, &["export", "-o", text(&file)]);
    let mut reader = csv::Reader::from_path(&file).expect("CSV");
    let names = reader.headers().expect("names").clone();
    let column = |name: &str| names.iter().position(|found| found == name).expect(name);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 9);
    for row in &rows {
        for field in row {
            assert!(!field.starts_with(['=', '+', '@', '\t', '\r']), "{field:?}");
            assert!(!field.chars().any(char::is_control), "{field:?}");
        }
    }
    let mallory = rows
        .iter()
        .find(|row| &row[column("actor")] == "mallory")
        .expect("a row");
    assert_eq!(
        &mallory[column("reason")],
        r"'=1+2\u{1b}[31m\u{1b}[2J\u{9b}2J\r\nfake line\u{202e}txt"
    );
    assert_eq!(&mallory[column("outcome")], "denied");

    let changes = stdout(
        &store,
        &["export", "--format", "csv", "--rows", "change", "actor:bob"],
    );
    let mut reader = csv::Reader::from_reader(changes.as_bytes());
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| {
            row.expect("a row")
                .iter()
                .skip(16)
                .map(str::to_owned)
                .collect()
        })
        .collect();
    assert_eq!(
        rows,
        [
            ["logins", "0", "-3", ""],
            ["phone", "****4567", "****4321", "masked"]
        ]
    );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let sqlite = auditlog::sqlite::SqliteStore::open(&store).expect("a store");
    let entries: Vec<LogEntry> = (0..5_000)
        .map(|number| LogEntry::new("update", "User", number.to_string(), "x"))
        .collect();
    sqlite.append(&entries).expect("appended");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_auditlog"))
        .args(["export", "--store", text(&store)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the command runs");
    // Closed before all of it could have been read.
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));

    // Also while there is nothing to write.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_auditlog"))
        .args(["log", "--follow", "--store", text(&store)])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("UTF-8");
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn csv_begins_with_a_byte_order_mark_with_bom() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let plain = stdout(&store, &["export", "--format", "csv"]);
    let marked = stdout(&store, &["export", "--format", "csv", "--bom"]);
    assert_eq!(marked, format!("\u{feff}{plain}"));
    let message = stderr(&store, &["export", "--bom"], 2);
    assert!(message.contains("--bom is for CSV"), "{message}");
}
