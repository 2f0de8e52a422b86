//! The commands on a trail in PostgreSQL: the queries and outputs of a file, following, and
//! maintenance.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use auditlog::{LogEntry, Store};
use serde_json::{Value, json};

use crate::trail::{Trail, connect};
use crate::{queries, scratch};

/// A test: its name, and what it does with a trail of its own.
pub(crate) type Test = (&'static str, fn(&mut Trail));

macro_rules! named {
    ($($query:ident)*) => {
        /// The tests that also run on a file.
        pub(crate) const QUERIES: &[Test] = &[$(
            (concat!("queries::", stringify!($query)), |trail| {
                queries::$query(&trail.store_argument());
            }),
        )*];
    };
}

queries::queries!(named);

pub(crate) const TESTS: &[Test] = &[
    ("output_equals_that_of_a_file", output_equals_that_of_a_file),
    (
        "following_shows_each_committed_entry_once",
        following_shows_each_committed_entry_once,
    ),
    ("an_export_can_be_imported", an_export_can_be_imported),
    ("a_removal_is_recorded", a_removal_is_recorded),
    ("reading_is_recorded", reading_is_recorded),
    (
        "damaged_rows_do_not_hide_entries",
        damaged_rows_do_not_hide_entries,
    ),
    ("doctor_finds_problems", doctor_finds_problems),
    #[cfg(feature = "archive")]
    ("entries_move_to_an_archive", entries_move_to_an_archive),
];

fn output_equals_that_of_a_file(trail: &mut Trail) {
    let ids = scratch::json(&trail.file, &["log", "correlation:req-1"]);
    let id = ids[0]["id"].as_str().expect("an id");
    let commands: &[&[&str]] = &[
        &["log"],
        &["log", "--json"],
        &["log", "--changes", "--oldest-first"],
        &["log", "model:User actor:alice", "--tz", "Europe/Berlin"],
        &["log", "--changed-to", "city=Bonn", "--json"],
        &["log", "--text", "TICKET", "--json"],
        &["log", "--parent", "User/42"],
        &["log", "limit:3", "order:oldest"],
        &["show", id],
        &["show", id, "--json"],
        &["show", "f"],
        &["show", "0"],
        &["history", "User", "42"],
        &["history", "User", "43", "--changes"],
        &["history", "Invoice", "A/7", "--json"],
        &["history", "User", "44"],
        &["history", "Usr", "42"],
        &["blame", "User", "42"],
        &["blame", "User", "42", "--json"],
        &["blame", "User", "43"],
        &["diff", "User", "42", "1", "3"],
        &["diff", "User", "42", "1", "3", "--json"],
        &["diff", "User", "42", "7"],
        &["as-of", "User", "42", "2026-01-01T12:00:00Z"],
        &["as-of", "User", "42", "--version", "2", "--json"],
        &["as-of", "User", "2026-01-02T09:30:00Z"],
        &["as-of", "User", "42", "2025-01-01"],
        &["stats"],
        &["stats", "--by", "day,model,actor"],
        &["stats", "--by", "hour", "--json"],
        &["schema"],
        &["schema", "--json"],
        &["schema", "User"],
        &["export"],
        &["export", "--json"],
        &["export", "order:newest limit:4"],
        &["export", "--text", "bonn"],
        &["export", "--format", "csv"],
        &[
            "export",
            "--format",
            "csv",
            "--rows",
            "change",
            "model:Invoice",
        ],
        &["export", "model:Usr"],
        &["prune", "--older-than", "2026-01-02"],
        &["prune", "--keep-last", "4", "model:User", "--json"],
    ];
    for args in commands {
        let of_file = scratch::run(&trail.file, args);
        let of_server = trail.run(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&of_server.stdout), text(&of_file.stdout), "{args:?}");
        assert_eq!(text(&of_server.stderr), text(&of_file.stderr), "{args:?}");
        assert_eq!(of_server.status.code(), of_file.status.code(), "{args:?}");
    }
    // The store in variables, arguments, and a URL with the schema.
    let log = trail.stdout(&["log"]);
    let other = trail.url.replacen("postgres://", "postgresql://", 1);
    let named: [&mut dyn FnMut(&mut assert_cmd::Command); 3] = [
        &mut |command| {
            command
                .env("AUDITLOG_STORE", &trail.url)
                .env("AUDITLOG_SCHEMA", &trail.schema);
        },
        &mut |command| {
            command
                .env("AUDITLOG_STORE", "nowhere.db")
                .env("AUDITLOG_SCHEMA", "nowhere")
                .args(["--store", &other, "--schema", &trail.schema]);
        },
        &mut |command| {
            command.arg("--store").arg(trail.store_argument());
        },
    ];
    for name in named {
        let mut command = scratch::auditlog();
        name(&mut command);
        let output = command.arg("log").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), log, "{output:?}");
    }
}

/// Makes an entry of an object with this repr.
pub(crate) fn entry(model: &str, name: &str) -> LogEntry {
    let mut entry = LogEntry::new("update", model, "44", name);
    entry.actor = Some(auditlog::Actor::user("nora"));
    entry
}

fn following_shows_each_committed_entry_once(trail: &mut Trail) {
    let store = trail.store();
    let (runtime, mut client) = connect(&trail.url);
    let path = format!("SET search_path = {}", trail.schema);
    runtime.block_on(client.batch_execute(&path)).expect("set");
    let early = runtime
        .block_on(client.transaction())
        .expect("a transaction");
    let append = |name: &str| {
        let entries = [entry("User", name)];
        runtime
            .block_on(audit_postgres::append_in(&early, &entries))
            .expect("appended");
    };
    append("early");

    let session = format!("follow_{}", std::process::id());
    let url = trail.with("application_name", &session);
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"))
        .args(["log", "--follow", "model:User", "--interval", "5"])
        .args(["--store", &url, "--schema", &trail.schema])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let out = command.stdout.take().expect("a pipe");
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            if send.send(line.expect("UTF-8")).is_err() {
                return;
            }
        }
    });
    let next = || {
        let line = lines.recv_timeout(Duration::from_secs(30));
        line.expect("a line")
    };
    let shown: Vec<_> = (0..6).map(|_| next()).collect();
    assert!(shown[5].contains("delete   User 43"), "{shown:?}");

    // The follower has looked for entries after the later commit.
    store
        .append(&[entry("User", "later"), entry("Invoice", "other")])
        .expect("appended");
    let committed = trail.sql("SELECT clock_timestamp()").remove(0);
    let looked = |after: &str| {
        format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = '{session}' \
             AND state = 'idle' AND query_start > '{after}' AND query LIKE '%COMMIT%'"
        )
    };
    trail.wait_for(&looked(&committed));
    let again = trail.sql("SELECT clock_timestamp()").remove(0);
    trail.wait_for(&looked(&again));
    assert!(lines.try_recv().is_err(), "it was shown too early");
    append("early, too");
    runtime.block_on(early.commit()).expect("committed");
    for name in ["(early)", "(early, too)", "(later)"] {
        let line = next();
        assert!(line.contains(name), "{line}");
    }
    // A rolled back entry is not shown.
    let lost = runtime
        .block_on(client.transaction())
        .expect("a transaction");
    runtime
        .block_on(audit_postgres::append_in(&lost, &[entry("User", "lost")]))
        .expect("appended");
    runtime.block_on(lost.rollback()).expect("rolled back");
    store.append(&[entry("User", "last")]).expect("appended");
    let line = next();
    assert!(line.contains("(last)"), "{line}");

    let pid = command.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.expect("kill").success());
    assert_eq!(command.wait().expect("an end").code(), Some(0));
    reader.join().expect("read");
    assert!(lines.try_recv().is_err());
    let mut errors = String::new();
    let mut pipe = command.stderr.take().expect("a pipe");
    pipe.read_to_string(&mut errors).expect("UTF-8");
    assert_eq!(errors, "");
    store.close().expect("closed");
}

fn an_export_can_be_imported(trail: &mut Trail) {
    let exported = scratch::stdout(&trail.file, &["export"]);
    let file = trail.folder.path().join("copy.jsonl");
    let file = file.to_str().expect("UTF-8");
    let message = trail.stdout(&["export", "-o", file]);
    assert_eq!(message, format!("9 entries written to {file}\n"));
    assert_eq!(std::fs::read_to_string(file).expect("a file"), exported);
    let message = trail.stdout(&["import", file]);
    assert_eq!(message, "9 entries read: 0 new, 9 already in the trail\n");
    let other = exported.replace("ticket 4711", "ticket 4712");
    std::fs::write(file, &other).expect("written");
    let output = trail.run(&["import", file]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let message = stderr(&output);
    assert!(
        message.contains("copy.jsonl:2: another entry has the id"),
        "{message}"
    );
    let more = format!(
        "{exported}{}\n",
        entry("User", "x").to_canonical_json().expect("JSON")
    );
    std::fs::write(file, more).expect("written");
    let message = trail.stdout(&["import", "--create", file]);
    assert_eq!(message, "10 entries read: 1 new, 9 already in the trail\n");
    let recorded = trail.stdout(&["log", "action:import", "order:oldest", "--json"]);
    let recorded: Vec<&str> = recorded.lines().collect();
    // The rejected import has no record.
    assert_eq!(recorded.len(), 2);
    assert!(recorded[0].contains("\"new\":0"), "{recorded:?}");
    assert!(recorded[1].contains("\"new\":1"), "{recorded:?}");
}

fn a_removal_is_recorded(trail: &mut Trail) {
    let args = [
        "prune",
        "--older-than",
        "2026-01-02",
        "--yes",
        "--as",
        "carol",
    ];
    let message = trail.stdout(&args);
    assert!(message.ends_with("2 entries removed\n"), "{message}");
    let recorded = trail.stdout(&["log", "--limit", "1", "--json"]);
    let recorded: Value = serde_json::from_str(&recorded).expect("JSON");
    assert_eq!(recorded["action"], "prune");
    assert_eq!(recorded["actor"]["id"], "carol");
    assert_eq!(recorded["additional_data"]["count"], 2);
    let left = trail.stdout(&["log", "--json"]);
    assert_eq!(left.lines().count(), 8);
    let message = trail.stdout(&["prune", "--keep-last", "3", "--yes", "--json"]);
    let message: Value = serde_json::from_str(&message).expect("JSON");
    assert_eq!(message["removed"], 4);
}

/// Every query has the output of the complete trail after entries have left the database.
#[cfg(feature = "archive")]
fn entries_move_to_an_archive(trail: &mut Trail) {
    let archive = trail.folder.path().join("archive").display().to_string();
    let with = |args: &[&str]| trail.stdout(&[args, &["--archive", &archive]].concat());
    let commands: &[&[&str]] = &[
        &["log", "--changes", "NOT action:prune"],
        &["log", "model:User actor:alice", "--json"],
        &["history", "User", "42"],
        &["blame", "User", "42"],
        &["as-of", "User", "42", "2026-01-02"],
        &["as-of", "User", "2026-01-02"],
        &["diff", "User", "42", "1", "3"],
        &["stats", "--by", "action", "NOT action:prune"],
        &["export", "NOT action:prune"],
    ];
    let output = |args: &&[&str]| trail.stdout(args);
    let before: Vec<String> = commands.iter().map(output).collect();
    assert_eq!(
        with(&["archive", "run", "--create"]),
        "9 entries archived in 3 files\n"
    );
    let verified = with(&["archive", "verify", "--against-store"]);
    assert!(
        verified.starts_with("intact: 9 entries in 3 files\n"),
        "{verified}"
    );
    let until = ["prune", "--archived", "--older-than", "2026-01-03", "--yes"];
    assert!(with(&until).ends_with("6 entries removed\n"));
    for (args, before) in commands.iter().zip(&before) {
        assert_eq!(&with(args), before, "{args:?}");
    }
    let again = with(&["archive", "restore", "--object", "User/42", "--json"]);
    let again: Value = serde_json::from_str(&again).expect("JSON");
    let expected = json!({"count": 4, "restored": 4, "existing": 0, "skipped": 0});
    assert_eq!(again, expected);
}

fn reading_is_recorded(trail: &mut Trail) {
    let shown = trail.stdout(&["log", "model:User", "--record-access"]);
    assert_eq!(shown.lines().count(), 6);
    let recorded = trail.stdout(&["log", "action:access", "model:\"\"", "--json"]);
    let recorded: Value = serde_json::from_str(&recorded).expect("JSON");
    assert_eq!(recorded["actor"]["id"], "tester");
    assert_eq!(
        recorded["additional_data"],
        json!({"command": "log", "query": "model:User order:newest"})
    );
}

fn doctor_finds_problems(trail: &mut Trail) {
    let reader = trail.url_of("r");
    let healthy = trail.run_as(&reader, &["doctor"]);
    let text = String::from_utf8(healthy.stdout).expect("UTF-8");
    assert!(text.ends_with("\nhealthy\n"), "{text}");
    assert!(!text.contains("the server "), "{text}");
    assert!(text.contains("\nentries    9\n"), "{text}");
    let location = format!("database   schema `{}` of database `", trail.schema);
    assert!(text.starts_with(&location), "{text}");
    assert!(text.contains("\npartitions 4 months, and "), "{text}");
    assert!(
        text.contains("\nindexes    9 of 9 common queries"),
        "{text}"
    );
    let found = trail.stdout(&["doctor", "--json"]);
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["healthy"], true);
    assert_eq!(found["entries"], 9);
    assert_eq!(
        found["versions"]["schema"],
        found["versions"]["schema_known"]
    );
    assert!(found["versions"]["postgres"].is_string());
    assert!(found["sizes"]["index_bytes"].as_u64() > Some(0));
    assert_eq!(found["partitions"]["months"], 4);
    assert_eq!(found.get("notes"), None);
    assert_eq!(found["indexes"].as_array().map(Vec::len), Some(9));

    trail.sql(&format!(
        "SET search_path = {}, pg_catalog; \
         ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_keep; \
         UPDATE audit_entry SET actor = 'mallory' WHERE actor = 'dave'; \
         UPDATE audit_entry SET checksum = set_byte(checksum, 31, 255 - get_byte(checksum, 31)) \
         WHERE actor = 'mallory'; \
         DROP INDEX audit_entry_actor; DROP INDEX audit_entry_time; \
         GRANT DELETE ON audit_entry TO {}_w; \
         DO $$ BEGIN EXECUTE 'DROP TABLE audit_entry_' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY_MM'); END $$",
        trail.schema, trail.schema
    ));
    let output = trail.run_as(&reader, &["doctor"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for problem in [
        "problem: `actor` of entry ",
        ": its bytes do not match their checksum; ",
        "problem: everything in order: no index leads to the entries; ",
        " is missing: entries of the month go to `audit_entry_rest`",
        "_w` was given the right to change or remove entries; ",
        "problem: `audit_entry` lacks the triggers that refuse changes; ",
    ] {
        assert!(text.contains(problem), "{problem}: {text}");
    }
    assert!(text.ends_with("\nnot healthy\n"), "{text}");
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One damaged row that meets the constraints, and one from before them.
fn damaged_rows_do_not_hide_entries(trail: &mut Trail) {
    let insert = |id: &str, body: &str| {
        format!(
            "INSERT INTO {}.audit_entry \
             (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
             VALUES ('{id}', 1767400000000000, 20, 'x', 'success', 'User', '42', '{{}}', {body}, \
             sha256(convert_to({body}, 'UTF8')));",
            trail.schema
        )
    };
    let ids = [
        "019b0000-0000-7000-8000-00000000000a",
        "019b0000-0000-7000-8000-00000000000b",
    ];
    trail.sql(&insert(ids[0], r#"'{"action":"x"}'"#));
    trail.sql(&format!(
        "ALTER DOMAIN {}.audit_body DROP CONSTRAINT audit_entry_body",
        trail.schema
    ));
    trail.sql(&insert(ids[1], r"E'no json\n{}'"));
    for (args, lines) in [
        (&["log"][..], 9),
        (&["log", "--all", "model:User"], 6),
        (&["history", "User", "42"], 4),
        (&["blame", "User", "42"], 1),
        (&["diff", "User", "42", "1"], 1),
        (&["as-of", "User", "now"], 1),
        (&["stats"], 1),
        (&["export"], 11),
        (&["export", "--format", "csv"], 10),
    ] {
        let output = trail.run(args);
        let recorded = String::from_utf8(output.stdout).expect("UTF-8");
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {message}");
        assert!(recorded.lines().count() >= lines, "{args:?}: {recorded}");
        if args == ["export"] {
            assert_eq!(recorded.lines().count(), lines, "{recorded}");
            assert!(recorded.contains("\n\"no json\\n{}\"\n"), "{recorded}");
        }
        for id in ids {
            let named = message.contains(&format!("row {id} is not an entry"));
            assert!(named, "{args:?}: {message}");
        }
    }
    let message = trail.run(&["show", ids[0]]);
    assert_eq!(message.status.code(), Some(1), "{message:?}");
    assert!(String::from_utf8_lossy(&message.stderr).contains(ids[0]));
}
