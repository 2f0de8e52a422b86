//! `import`.

use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::time::Duration;

use crate::scratch::{self, auditlog, json, stderr, stdout, trail};
use auditlog::LogEntry;
use auditlog::sqlite::rusqlite::Connection;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn an_invalid_line_is_reported_with_the_imported_part() {
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
    let message = stderr(&store, &["import", text(&file)], 4);
    assert!(
        message.contains("bad.jsonl:2201:26: not an entry: "),
        "{message}"
    );
    assert!(
        message.contains(
            "imported: 2,000 entries up to line 2000, 2,000 of them new; correct the file"
        ),
        "{message}"
    );
    // With the record of its beginning, and that of its failure.
    assert_eq!(json(&store, &["log"]).len(), 2_009 + 2);

    fs::write(&file, good.join("\n\n")).expect("written");
    let dry = stdout(&store, &["import", "--dry-run", text(&file)]);
    assert_eq!(
        dry,
        "2,500 entries read: 500 new, 2,000 already in the trail; nothing was imported\n"
    );
    let message = stdout(&store, &["import", text(&file)]);
    assert_eq!(
        message,
        "2,500 entries read: 500 new, 2,000 already in the trail\n"
    );
}

#[test]
fn invalid_entries_are_rejected() {
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
    let message = |content: &str| {
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
    let error = message(&format!("\n{other}"));
    assert!(
        error.contains("standard input:2: another entry has the id"),
        "{error}"
    );
    let fresh = LogEntry::new("update", "User", "1", "x")
        .to_canonical_json()
        .expect("JSON");
    let twin = fresh.replace("\"object_pk\":\"1\"", "\"object_pk\":\"2\"");
    let error = message(&format!("{fresh}\n{twin}"));
    assert!(
        error.contains("standard input:2: another entry has the id"),
        "{error}"
    );
    // What would be lost.
    let error = message(&fresh.replacen('{', "{\"colour\":1,", 1));
    assert!(
        error.contains("standard input:1: not an entry: unknown key `colour`"),
        "{error}"
    );
    for (key, inner) in [
        ("actor.zz", r#""actor":{"id":"x","zz":1}"#),
        (
            "parent.zz",
            r#""parent":{"zz":[{}],"model":"m","object_pk":"1"}"#,
        ),
        ("source.zz", r#""source":{"zz":"x"}"#),
    ] {
        let error = message(&fresh.replacen('{', &format!("{{{inner},"), 1));
        let unknown = format!("standard input:1: not an entry: unknown key `{key}`");
        assert!(error.contains(&unknown), "{error}");
    }
    let error = message(&fresh.replace("\"v\":1", "\"v\":2"));
    assert!(error.contains("the entry has format 2"), "{error}");
    let error = message(&format!("{fresh}\n\u{0}"));
    assert!(
        error.contains("standard input:2:1: not an entry"),
        "{error}"
    );
    assert!(error.contains("nothing was imported"), "{error}");
    // With the record of the one import that succeeded.
    assert_eq!(json(&store, &["log"]).len(), 10 + 1);
}

#[test]
fn a_missing_store_is_created_only_with_create() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("trail.jsonl");
    stdout(&store, &["export", "-o", text(&file)]);
    let other = folder.join("other.db");
    let message = stderr(&other, &["import", text(&file)], 3);
    assert!(message.contains("other.db"), "{message}");
    assert!(!other.exists());
    let message = stderr(&store, &["import", text(&folder.join("none.jsonl"))], 4);
    assert!(message.contains("none.jsonl cannot be read"), "{message}");
}

#[test]
fn keep_going_skips_only_the_conflicting_entry() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let lines: Vec<String> = (0..2_100)
        .map(|number| {
            let entry = LogEntry::new("update", "User", number.to_string(), "x");
            entry.to_canonical_json().expect("JSON")
        })
        .collect();
    let file = folder.join("trail.jsonl");
    fs::write(&file, &lines[1_500]).expect("written");
    stdout(&store, &["import", "--create", text(&file)]);
    let mut other = lines.clone();
    other[1_500] = lines[1_500].replace("\"object_pk\":\"1500\"", "\"object_pk\":\"x\"");
    // And one that is in the file twice, each time another.
    other[2_050] = lines[2_049].replace("\"object_pk\":\"2049\"", "\"object_pk\":\"y\"");
    fs::write(&file, other.join("\n")).expect("written");
    for new in [2_098, 0] {
        let output = scratch::run(&store, &["import", "--keep-going", text(&file)]);
        assert_eq!(output.status.code(), Some(4));
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(message.lines().count(), 2, "{message}");
        for line in [1_501, 2_051] {
            let position = format!("trail.jsonl:{line}: another entry has the id");
            assert!(message.contains(&position), "{message}");
        }
        let recorded = String::from_utf8_lossy(&output.stdout);
        let (new, known) = if new == 0 {
            ("0", "2,098")
        } else {
            ("2,098", "0")
        };
        assert_eq!(
            recorded,
            format!("2,098 entries read: {new} new, {known} already in the trail, 2 skipped\n")
        );
    }
    assert_eq!(json(&store, &["log", "model:User"]).len(), 2_099);
}

#[test]
fn no_store_is_created_without_entries() {
    let folder = scratch::folder();
    let file = folder.join("text.txt");
    fs::write(&file, "a note\nand another\n").expect("written");
    let store = folder.join("new.db");
    let file = text(&file);
    for args in [
        &["import", "--create", file][..],
        &["import", "--create", "--keep-going", file],
    ] {
        let message = stderr(&store, args, 4);
        assert!(message.contains("text.txt:1:1: not an entry"), "{message}");
    }
    let names = fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(names, 1);
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
    let message = stderr(&store, &["import", "--create", text(&file)], 4);
    assert!(message.contains("app.sqlite3: "), "{message}");
    assert!(message.contains("audits"), "{message}");
    assert!(message.contains("hint: nothing was imported"), "{message}");
    assert!(!store.exists());

    for (new, known) in [(2, 0), (0, 2)] {
        let output = scratch::run(
            &store,
            &["import", "--create", "--keep-going", "--json", text(&file)],
        );
        assert_eq!(output.status.code(), Some(4));
        let recorded: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            (&recorded["new"], &recorded["known"], &recorded["skipped"]),
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

    let message = stderr(
        &store,
        &["import", "--format", "paper-trail", text(&file)],
        4,
    );
    assert!(message.contains("app.sqlite3"), "{message}");
    let mapped = folder.join("mapped.db");
    let args = [
        "import",
        "--create",
        "--keep-going",
        "--map",
        "username=reason",
        text(&file),
    ];
    stderr(&mapped, &args, 4);
    for (map, code, expected) in [
        ("nowhere=reason", 4, "has a column `nowhere`"),
        (
            "comment=because",
            4,
            "expected one of correlation_id, reason",
        ),
        ("comment", 2, "expected a column and a field"),
    ] {
        let message = stderr(&mapped, &["import", "--map", map, text(&file)], code);
        assert!(message.contains(expected), "{message}");
    }
    let message = stderr(&store, &["import", "--format", "tables", "-"], 2);
    assert!(
        message.contains("tables cannot be read from the standard input"),
        "{message}"
    );
}

#[test]
fn an_import_is_recorded() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let file = folder.join("trail.jsonl");
    stdout(&store, &["export", "-o", text(&file)]);
    stdout(&store, &["import", "--dry-run", text(&file)]);
    assert_eq!(json(&store, &["log"]).len(), 9);
    stdout(&store, &["import", text(&file), "--as", "carol"]);
    let entries = json(&store, &["log"]);
    assert_eq!(entries.len(), 10);
    let entry = &entries[0];
    assert_eq!(entry["action"], "import");
    assert_eq!(entry["actor"]["id"], "carol");
    let data = &entry["additional_data"];
    assert_eq!(data["file"], text(&file));
    let digest = hmac_sha256::Hash::hash(&fs::read(&file).expect("a file"));
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(data["sha256"], digest);
    assert_eq!(
        (&data["read"], &data["new"], &data["known"]),
        (&9.into(), &0.into(), &9.into())
    );

    // A container or a job has no login name.
    let output = auditlog()
        .env_remove("USER")
        .arg("--store")
        .arg(&store)
        .args(["import", text(&file)])
        .output()
        .expect("it runs");
    if cfg!(unix) {
        assert!(output.status.success(), "{output:?}");
        let entries = json(&store, &["log"]);
        let actor = entries[0]["actor"]["id"].as_str().expect("an actor");
        let uid = actor.strip_prefix("uid ").expect("a user id");
        uid.parse::<u32>().expect("a user id");
    } else {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn no_entry_is_imported_without_the_record_of_the_import() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let mut lines: Vec<String> = (0..1_500)
        .map(|number| {
            let entry = LogEntry::new("update", "User", number.to_string(), "x");
            entry.to_canonical_json().expect("JSON")
        })
        .collect();
    lines.push("no entry".to_owned());
    let file = folder.join("trail.jsonl");
    fs::write(&file, lines.join("\n")).expect("written");
    stderr(&store, &["import", "--create", text(&file)], 4);
    let recorded = json(&store, &["log", "action:import", "order:oldest"]);
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0]["outcome"], "success");
    assert!(recorded[0]["additional_data"].get("new").is_none());
    assert_eq!(recorded[1]["outcome"], "failure");
    assert_eq!(recorded[1]["additional_data"]["new"], 1_000);
    assert_eq!(
        recorded[1]["additional_data"]["sha256"]
            .as_str()
            .map(str::len),
        Some(64)
    );
    assert_eq!(json(&store, &["log", "model:User"]).len(), 1_000);
}

#[test]
fn a_byte_order_mark_is_skipped_and_utf_16_is_an_error() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let lines = stdout(&store, &["export"]);
    let file = folder.join("marked.jsonl");
    // As two marked files behind one another.
    fs::write(&file, format!("\u{feff}{lines}\u{feff}{lines}")).expect("written");
    for args in [
        &["import", "--create", text(&file)][..],
        &["import", "--keep-going", text(&file)],
    ] {
        let message = stdout(&folder.join("marked.db"), args);
        assert!(message.starts_with("18 entries read: "), "{message}");
    }
    let wide = |mark: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("{mark}{lines}")
            .encode_utf16()
            .flat_map(order)
            .collect()
    };
    for bytes in [
        wide("\u{feff}", u16::to_le_bytes),
        wide("\u{feff}", u16::to_be_bytes),
        wide("", u16::to_le_bytes),
    ] {
        fs::write(&file, bytes).expect("written");
        let other = folder.join("wide.db");
        let args = ["import", "--create", "--keep-going", text(&file)];
        let message = stderr(&other, &args, 4);
        assert!(
            message.contains("the file is UTF-16, not UTF-8"),
            "{message}"
        );
        assert!(!other.exists());
    }
}

#[test]
fn a_duplicate_key_is_rejected() {
    let folder = scratch::folder();
    let store = folder.join("audit.db");
    let file = folder.join("trail.jsonl");
    let mut entry = LogEntry::new("update", "User", "1", "x");
    entry.additional_data = serde_json::from_str(r#"{"a":[{"b":1}]}"#).expect("JSON");
    let line = entry.to_canonical_json().expect("JSON");
    for (from, to, key) in [
        (r#""b":1"#, r#""b":1,"b":2"#, "b"),
        (r#"{"a":[{"b":1}]}"#, r#"{"a":[],"a":[{"b":1}]}"#, "a"),
        (
            r#""id":"#,
            r#""changes":{"x":{"new":{"c":1,"c":2}}},"id":"#,
            "c",
        ),
    ] {
        fs::write(&file, line.replacen(from, to, 1)).expect("written");
        let message = stderr(&store, &["import", "--create", text(&file)], 4);
        assert!(
            message.contains(&format!("duplicate key `{key}`")),
            "{message}"
        );
    }
}

/// A pipe has its bytes once, so a second open would skip entries or wait forever.
#[cfg(unix)]
#[test]
fn a_pipe_is_opened_once() {
    let folder = scratch::folder();
    let lines: String = (0..1_500)
        .map(|number| {
            let entry = LogEntry::new("update", "User", number.to_string(), "x");
            entry.to_canonical_json().expect("JSON") + "\n"
        })
        .collect();
    let digest = hmac_sha256::Hash::hash(lines.as_bytes());
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    let fifo = folder.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    for (name, file) in [("fifo", text(&fifo)), ("stdin", "/dev/stdin")] {
        let store = folder.join(name).with_extension("db");
        let mut command = auditlog();
        command.timeout(Duration::from_secs(60));
        if name == "fifo" {
            let (fifo, lines) = (fifo.clone(), lines.clone());
            std::thread::spawn(move || fs::write(fifo, lines).expect("written"));
        } else {
            command.write_stdin(lines.clone());
        }
        let output = command
            .arg("--store")
            .arg(&store)
            .args(["import", "--create", "--keep-going", file])
            .output()
            .expect("the command runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "1,500 entries read: 1,500 new, 0 already in the trail\n",
            "{name}: {output:?}"
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let recorded = json(&store, &["log", "action:import"]).remove(0);
        assert_eq!(recorded["additional_data"]["file"], file);
        assert_eq!(recorded["additional_data"]["sha256"], digest);
    }
    let store = trail(&folder);
    for (input, args) in [
        ("", &["--format", "tables", "/dev/stdin"][..]),
        ("SQLite format 3\0", &["/dev/stdin"]),
    ] {
        let output = auditlog()
            .write_stdin(input)
            .arg("--store")
            .arg(&store)
            .arg("import")
            .args(args)
            .output()
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            message.contains("tables cannot be read from a pipe"),
            "{message}"
        );
    }
}
