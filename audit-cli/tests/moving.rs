//! `export` and `import`.

mod scratch;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use auditlog::sqlite::rusqlite::Connection;
use auditlog::{LogEntry, Store};
use scratch::{auditlog, json, stderr, stdout, trail};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn an_export_is_what_the_store_has_and_makes_it_again() {
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
    let said = stdout(&store, &["export", "--output", text(&file)]);
    assert_eq!(said, format!("9 entries written to {}\n", text(&file)));
    assert_eq!(fs::read_to_string(&file).expect("a file"), printed);

    let copy = folder.join("copy.db");
    let said = stdout(&copy, &["import", "--create", text(&file)]);
    assert_eq!(said, "9 entries read: 9 new, 0 known already\n");
    let said = stdout(&copy, &["import", text(&file)]);
    assert_eq!(said, "9 entries read: 0 new, 9 known already\n");
    assert_eq!(stdout(&copy, &["export"]), printed);
    assert_eq!(
        stdout(&copy, &["export", "model:Invoice"]).lines().count(),
        2
    );
}

#[test]
fn a_file_is_not_replaced_unasked_and_nothing_is_left_beside_it() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("out.jsonl");
    fs::write(&file, "mine").expect("written");
    let said = stderr(&store, &["export", "-o", text(&file)], 2);
    assert!(said.contains("exists already"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "mine");
    stdout(&store, &["export", "-o", text(&file), "--force"]);
    assert_eq!(
        fs::read_to_string(&file).expect("a file").lines().count(),
        9
    );
    let said = stderr(
        &store,
        &["export", "-o", text(&folder.join("no/such/out"))],
        6,
    );
    assert!(said.contains("cannot be written"), "{said}");
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
fn a_bad_line_is_named_and_what_was_kept_is_said() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let good: Vec<String> = (0..2_500)
        .map(|number| {
            let entry = LogEntry::new("update", "User", number.to_string(), "x");
            entry.to_canonical_json().expect("JSON")
        })
        .collect();
    let mut lines = good.clone();
    lines[2_200] = r#"{"action":"update","id":17}"#.to_owned();
    let file = folder.join("bad.jsonl");
    fs::write(&file, lines.join("\n")).expect("written");
    let said = stderr(&store, &["import", text(&file)], 4);
    assert!(said.contains("bad.jsonl:2201:26: no entry: "), "{said}");
    assert!(
        said.contains("kept: 2,000 entries up to line 2000, 2,000 of them new; nothing after it"),
        "{said}"
    );
    assert_eq!(json(&store, &["log"]).len(), 2_009);

    fs::write(&file, good.join("\n\n")).expect("written");
    let dry = stdout(&store, &["import", "--dry-run", text(&file)]);
    assert_eq!(
        dry,
        "2,500 entries read: 500 new, 2,000 known already; nothing was kept\n"
    );
    let said = stdout(&store, &["import", text(&file)]);
    assert_eq!(said, "2,500 entries read: 500 new, 2,000 known already\n");
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let entry = LogEntry::new("update", "User", "1", "x");
    let line = entry.to_canonical_json().expect("JSON");
    let import = |content: &str, args: &[&str]| {
        auditlog()
            .arg("--store")
            .arg(&store)
            .args(["import", "-"])
            .args(args)
            .write_stdin(content)
            .output()
            .expect("the command runs")
    };
    let said = |content: &str| {
        let output = import(content, &[]);
        assert_eq!(output.status.code(), Some(4), "{content}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let output = import(&line, &["--json"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"dry_run\":false,\"known\":0,\"losses\":[],\"new\":1,\"read\":1,\"skipped\":0}\n"
    );
    // Another entry with a known id, in the store and in one file.
    let other = line.replace("\"object_pk\":\"1\"", "\"object_pk\":\"2\"");
    let error = said(&format!("\n{other}"));
    assert!(
        error.contains("standard input:2: another entry has the id"),
        "{error}"
    );
    let fresh = LogEntry::new("update", "User", "1", "x")
        .to_canonical_json()
        .expect("JSON");
    let twin = fresh.replace("\"object_pk\":\"1\"", "\"object_pk\":\"2\"");
    let error = said(&format!("{fresh}\n{twin}"));
    assert!(
        error.contains("standard input:2: another entry has the id"),
        "{error}"
    );
    // What would be lost.
    let error = said(&fresh.replacen('{', "{\"colour\":1,", 1));
    assert!(
        error.contains("standard input:1: no entry: unknown key `colour`"),
        "{error}"
    );
    let error = said(&fresh.replace("\"v\":1", "\"v\":2"));
    assert!(error.contains("the entry has format 2"), "{error}");
    let error = said(&format!("{fresh}\n\u{0}"));
    assert!(error.contains("standard input:2:1: no entry"), "{error}");
    assert!(error.contains("nothing was kept"), "{error}");
    assert_eq!(json(&store, &["log"]).len(), 10);
}

#[test]
fn a_missing_store_is_made_only_when_asked_for() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("trail.jsonl");
    stdout(&store, &["export", "-o", text(&file)]);
    let other = folder.join("other.db");
    let said = stderr(&other, &["import", text(&file)], 3);
    assert!(said.contains("other.db"), "{said}");
    assert!(!other.exists());
    let said = stderr(&store, &["import", text(&folder.join("none.jsonl"))], 4);
    assert!(said.contains("none.jsonl cannot be read"), "{said}");
}

#[test]
fn tables_of_other_libraries_are_read() {
    let folder = scratch::folder();
    let file = folder.join("app.sqlite3");
    let connection = Connection::open(&file).expect("a database");
    connection
        .execute_batch(
            "CREATE TABLE audits (id INTEGER PRIMARY KEY, auditable_id INTEGER, \
             auditable_type TEXT, user_id INTEGER, username TEXT, action TEXT, \
             audited_changes TEXT, version INTEGER, comment TEXT, created_at DATETIME);
             INSERT INTO audits VALUES
             (1, 7, 'Ticket', 3, NULL, 'create', '{\"title\":\"a\"}', 1, NULL, '2024-02-28 10:00:00'),
             (2, 7, 'Ticket', 3, NULL, 'update', '{\"title\":[\"a\",\"b\"]}', 2, 'typo', '2024-02-29 10:00:00'),
             (3, 7, 'Ticket', 3, NULL, 'update', '{\"title\":[\"b\",\"c\"]}', 3, NULL, 'never');",
        )
        .expect("tables");
    let store = folder.join("trail.db");
    let said = stderr(&store, &["import", "--create", text(&file)], 4);
    assert!(said.contains("app.sqlite3: "), "{said}");
    assert!(said.contains("audits"), "{said}");
    assert!(said.contains("hint: nothing was kept"), "{said}");

    for (new, known) in [(2, 0), (0, 2)] {
        let output = scratch::run(&store, &["import", "--keep-going", "--json", text(&file)]);
        assert_eq!(output.status.code(), Some(4));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            (&told["new"], &told["known"], &told["skipped"]),
            (&new.into(), &known.into(), &1.into())
        );
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("warning: "));
    }
    let parts = json(&store, &["blame", "Ticket", "7"]);
    let title = parts
        .iter()
        .find(|part| part["path"] == "title")
        .expect("a part");
    assert_eq!(title["value"], "b");
    assert_eq!(title["reason"], "typo");

    let said = stderr(
        &store,
        &["import", "--format", "paper-trail", text(&file)],
        4,
    );
    assert!(said.contains("app.sqlite3"), "{said}");
    let said = stderr(&store, &["import", "--format", "tables", "-"], 2);
    assert!(
        said.contains("tables cannot be read from the standard input"),
        "{said}"
    );
}

#[test]
fn an_import_can_be_recorded() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("trail.jsonl");
    stdout(&store, &["export", "-o", text(&file)]);
    stdout(
        &store,
        &["import", text(&file), "--record", "--as", "carol"],
    );
    let entry = json(&store, &["log", "-n", "1"]).remove(0);
    assert_eq!(entry["action"], "import");
    assert_eq!(entry["actor"]["id"], "carol");
    assert_eq!(entry["additional_data"]["known"], 9);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
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
