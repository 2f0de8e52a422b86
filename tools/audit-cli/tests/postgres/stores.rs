//! The commands on a trail in PostgreSQL: the questions that a file is asked, the same answers,
//! following, upkeep, and the command held wrong.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use audit_testbed::PostgresServer;
use auditlog::{LogEntry, Store};
use serde_json::{Value, json};

use crate::trail::{Trail, connect, for_user};
use crate::{questions, scratch};

/// A test: its name, and what it does with a trail of its own.
pub(crate) type Test = (&'static str, fn(&mut Trail));

macro_rules! named {
    ($($question:ident)*) => {
        /// The questions that a file is asked, too.
        pub(crate) const QUESTIONS: &[Test] = &[$(
            (concat!("questions::", stringify!($question)), |trail| {
                questions::$question(&trail.place());
            }),
        )*];
    };
}

questions::questions!(named);

pub(crate) const TESTS: &[Test] = &[
    (
        "the_same_is_printed_as_of_a_file",
        the_same_is_printed_as_of_a_file,
    ),
    (
        "following_passes_nothing_over",
        following_passes_nothing_over,
    ),
    ("what_is_exported_is_imported", what_is_exported_is_imported),
    (
        "what_may_go_is_removed_and_told",
        what_may_go_is_removed_and_told,
    ),
    ("reading_is_recorded", reading_is_recorded),
    (
        "rows_that_are_no_entries_hide_no_others",
        rows_that_are_no_entries_hide_no_others,
    ),
    (
        "a_healthy_trail_and_one_that_is_not",
        a_healthy_trail_and_one_that_is_not,
    ),
    ("roles_may_what_they_may", roles_may_what_they_may),
    ("a_store_that_is_not_there", a_store_that_is_not_there),
    ("reconcile_takes_the_store", reconcile_takes_the_store),
];

fn the_same_is_printed_as_of_a_file(trail: &mut Trail) {
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
    // However the store is named.
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
            command.arg("--store").arg(trail.place());
        },
    ];
    for name in named {
        let mut command = scratch::auditlog();
        name(&mut command);
        let output = command.arg("log").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), log, "{output:?}");
    }
}

/// An entry of an object whose name tells it from others.
fn entry(model: &str, name: &str) -> LogEntry {
    let mut entry = LogEntry::new("update", model, "44", name);
    entry.actor = Some(auditlog::Actor::user("nora"));
    entry
}

fn following_passes_nothing_over(trail: &mut Trail) {
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

    // What is committed later is there, and what the follower has looked for since.
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
    // What is rolled back never comes.
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

fn what_is_exported_is_imported(trail: &mut Trail) {
    let exported = scratch::stdout(&trail.file, &["export"]);
    let file = trail.folder.path().join("copy.jsonl");
    let file = file.to_str().expect("UTF-8");
    let said = trail.stdout(&["export", "-o", file]);
    assert_eq!(said, format!("9 entries written to {file}\n"));
    assert_eq!(std::fs::read_to_string(file).expect("a file"), exported);
    let said = trail.stdout(&["import", file]);
    assert_eq!(said, "9 entries read: 0 new, 9 known already\n");
    let other = exported.replace("ticket 4711", "ticket 4712");
    std::fs::write(file, &other).expect("written");
    let output = trail.run(&["import", file]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = stderr(&output);
    assert!(
        said.contains("copy.jsonl:2: another entry has the id"),
        "{said}"
    );
    let more = format!(
        "{exported}{}\n",
        entry("User", "x").to_canonical_json().expect("JSON")
    );
    std::fs::write(file, more).expect("written");
    let said = trail.stdout(&["import", "--create", file]);
    assert_eq!(said, "10 entries read: 1 new, 9 known already\n");
    let told = trail.stdout(&["log", "action:import", "order:oldest", "--json"]);
    let told: Vec<&str> = told.lines().collect();
    // That which was refused kept nothing.
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("\"new\":0"), "{told:?}");
    assert!(told[1].contains("\"new\":1"), "{told:?}");
}

fn what_may_go_is_removed_and_told(trail: &mut Trail) {
    let args = [
        "prune",
        "--older-than",
        "2026-01-02",
        "--yes",
        "--as",
        "carol",
    ];
    let said = trail.stdout(&args);
    assert!(said.ends_with("2 entries removed\n"), "{said}");
    let told = trail.stdout(&["log", "--limit", "1", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["action"], "prune");
    assert_eq!(told["actor"]["id"], "carol");
    assert_eq!(told["additional_data"]["count"], 2);
    let left = trail.stdout(&["log", "--json"]);
    assert_eq!(left.lines().count(), 8);
    let said = trail.stdout(&["prune", "--keep-last", "3", "--yes", "--json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["removed"], 4);
}

fn reading_is_recorded(trail: &mut Trail) {
    let shown = trail.stdout(&["log", "model:User", "--record-access"]);
    assert_eq!(shown.lines().count(), 6);
    let told = trail.stdout(&["log", "action:access", "model:\"\"", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["actor"]["id"], "tester");
    assert_eq!(
        told["additional_data"],
        json!({"command": "log", "query": "model:User order:newest"})
    );
}

fn a_healthy_trail_and_one_that_is_not(trail: &mut Trail) {
    let reader = trail.url_of("r");
    let healthy = trail.run_as(&reader, &["doctor"]);
    let text = String::from_utf8(healthy.stdout).expect("UTF-8");
    assert!(text.ends_with("\nhealthy\n"), "{text}");
    assert!(text.contains("\nentries    9\n"), "{text}");
    let place = format!("database   schema `{}` of database `", trail.schema);
    assert!(text.starts_with(&place), "{text}");
    assert!(text.contains("\npartitions 4 months, and "), "{text}");
    assert!(
        text.contains("\nindexes    9 of 9 usual questions"),
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

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One that the checks let in, and one that was there before them.
fn rows_that_are_no_entries_hide_no_others(trail: &mut Trail) {
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
        "ALTER TABLE {}.audit_entry DROP CONSTRAINT audit_entry_body",
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
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
        assert!(told.lines().count() >= lines, "{args:?}: {told}");
        if args == ["export"] {
            assert_eq!(told.lines().count(), lines, "{told}");
            assert!(told.contains("\n\"no json\\n{}\"\n"), "{told}");
        }
        for id in ids {
            let named = said.contains(&format!("row {id} is not an entry"));
            assert!(named, "{args:?}: {said}");
        }
    }
    let said = trail.run(&["show", ids[0]]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains(ids[0]));
}

/// Checks that the command says what is wrong and what to do, and shows no password.
fn assert_told(output: &Output, code: i32, expected: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for part in expected {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("\nhint: "), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

fn roles_may_what_they_may(trail: &mut Trail) {
    let [owner, writer, reader] = ["o", "w", "r"].map(|role| trail.url_of(role));
    let remove = ["prune", "--older-than", "2026-01-02", "--yes"];
    assert_eq!(trail.run_as(&reader, &["log"]).status.code(), Some(0));
    assert_eq!(trail.run_as(&reader, &["export"]).status.code(), Some(0));
    assert_eq!(trail.run_as(&reader, &["schema"]).status.code(), Some(0));
    let may_not = ["cannot be written", "hint: connect as a role that may"];
    let read_only = trail.run_as(&reader, &["log", "--record-access"]);
    assert_told(&read_only, 3, &may_not[1..]);
    // What was shown of it comes before the refusal.
    let refused = trail.run_as(&reader, &[&remove[..], &["--json"]].concat());
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(
        stderr(&refused).contains("connect as a role that may"),
        "{refused:?}"
    );
    let unread = trail.run_as(&writer, &["log"]);
    assert_told(
        &unread,
        3,
        &["permission denied", "hint: connect as a role that may read"],
    );
    assert_eq!(trail.stdout(&["log", "--json"]).lines().count(), 9);
    let removed = trail.run_as(&owner, &remove);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    // A role that has nothing to do with it.
    let nobody = format!("{}_n", trail.schema);
    trail.sql(&format!("CREATE ROLE {nobody}"));
    let output = trail.run_as(&trail.url_as(&nobody), &["log"]);
    let created = trail.run_as(&trail.url_as(&nobody), &["import", "--create", "-"]);
    trail.sql(&format!("DROP ROLE {nobody}"));
    assert_told(&output, 3, &["permission denied for schema"]);
    assert_told(&created, 3, &["permission denied for schema"]);
}

fn a_store_that_is_not_there(trail: &mut Trail) {
    let with = |from: &str, to: &str| trail.url.replacen(from, to, 1);
    let no_trail = ["log", "--schema", "audit_cli_none"];
    let output = scratch::run(Path::new(&trail.url), &no_trail);
    assert_told(
        &output,
        3,
        &["schema `audit_cli_none` of", "without a trail", "--create"],
    );
    let output = scratch::run(Path::new(&trail.url), &["log", "--schema", "a b"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        stderr(&output).contains("a schema whose name has"),
        "{output:?}"
    );
    // Nothing is made for what cannot be read.
    let file = trail.folder.path().join("bad.jsonl");
    std::fs::write(&file, "{}").expect("written");
    let file = file.to_str().expect("UTF-8");
    let args = ["import", "--create", file, "--schema", "audit_cli_none"];
    assert_eq!(
        scratch::run(Path::new(&trail.url), &args).status.code(),
        Some(4)
    );
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'audit_cli_none'";
    assert_eq!(trail.sql(made), ["0"]);
    // Tables of another program.
    let foreign = format!("{}_f", trail.schema);
    trail.sql(&format!(
        "CREATE SCHEMA {foreign}; CREATE TABLE {foreign}.audit_entry (id int)"
    ));
    std::fs::write(file, entry("User", "x").to_canonical_json().expect("JSON")).expect("written");
    let args = ["import", "--create", file, "--schema", &foreign];
    let output = scratch::run(Path::new(&trail.url), &args);
    trail.sql(&format!("DROP SCHEMA {foreign} CASCADE"));
    assert_told(&output, 3, &["`audit_entry` in it is of another program"]);
    // A port on which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port").port();
    let nowhere = format!("postgres://ann:s3cret@127.0.0.1:{port}/db");
    let output = trail.run_as(&nowhere, &["log"]);
    assert_told(
        &output,
        3,
        &[
            "database `db` at 127.0.0.1:",
            "refused",
            "that the server runs",
        ],
    );
    let (place, _) = trail.url.rsplit_once('/').expect("a database");
    let output = trail.run_as(&format!("{place}/audit_cli_none"), &["log"]);
    assert_told(&output, 3, &["does not exist", "the name of the database"]);
    for (url, expected) in [
        (with("@", ":s3c@ret@"), "second `@`"),
        (
            "postgres://ann:s3cret@h:port/db".to_owned(),
            "option `port`",
        ),
        (
            "postgres://ann:s3cret@h/db?s3cret=1".to_owned(),
            "parameter that is unknown",
        ),
    ] {
        let output = trail.run_as(&url, &["log"]);
        assert_told(
            &output,
            2,
            &[expected, "postgres://user:password@host:port/database"],
        );
        let output = trail.run_as(&url, &["doctor", "--json"]);
        assert!(!stderr(&output).contains("s3cret"), "{output:?}");
    }
}

fn reconcile_takes_the_store(trail: &mut Trail) {
    let untold = |output: &Output| {
        let said = stderr(output);
        assert!(said.contains("before triggers are installed"), "{said}");
    };
    untold(&trail.run(&["reconcile"]));
    let schema = trail.schema.as_str();
    let args = ["reconcile", "--postgres", &trail.url, "--schema", schema];
    untold(&scratch::run(Path::new("no.db"), &args));
    // What is on the line counts more than a variable.
    let output = scratch::auditlog()
        .env("AUDITLOG_POSTGRES_URL", "postgres://127.0.0.1:1/none")
        .args(["reconcile", "--schema", schema, "--store", &trail.url])
        .output();
    untold(&output.expect("it runs"));
    let output = scratch::auditlog()
        .env("AUDITLOG_STORE", "postgres://127.0.0.1:1/none")
        .env("AUDITLOG_POSTGRES_URL", &trail.url)
        .args(["reconcile", "--schema", schema])
        .output();
    untold(&output.expect("it runs"));
    let output = scratch::auditlog().arg("reconcile").output();
    assert_told(
        &output.expect("it runs"),
        2,
        &["no database was named", "--postgres or --store"],
    );
}

/// On a server that asks for passwords.
pub(crate) const PASSWORDS: &str = "a_wrong_password_is_told_and_not_shown";

pub(crate) fn a_wrong_password_is_told_and_not_shown() {
    let access = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let server = PostgresServer::start(&[("hba_file", "{folder}/hba")], &[("hba", access)])
        .expect("the programs are there");
    let mut trail = Trail::new(server.url(), "passwords");
    trail.url_of("r");
    let role = trail.role("r");
    trail.sql(&format!("ALTER ROLE {role} LOGIN PASSWORD 's3cret'"));
    let reader = for_user(&trail.url, &role);
    let with = |password: &str| reader.replacen('@', &format!(":{password}@"), 1);
    assert_eq!(
        trail.run_as(&with("s3cret"), &["log"]).status.code(),
        Some(0)
    );
    let wrong = trail.run_as(&with("s3cret7"), &["log"]);
    assert_told(
        &wrong,
        3,
        &["password authentication failed", "user and the password"],
    );
    let none = trail.run_as(&reader, &["log"]);
    assert_told(&none, 3, &["password", "add the password to the URL"]);
    let args = ["reconcile", "--postgres", &with("s3cret7")];
    let wrong = scratch::auditlog().args(args).output().expect("it runs");
    assert_told(&wrong, 3, &["password authentication failed"]);
}
