//! The commands that read: `log`, `show`, `history`, `blame`, `as-of`, `diff`, `stats`, `schema`.
//! Each test runs on every kind of store, with the trail of `scratch::trail`.

use std::path::Path;

use serde_json::{Value, json};

use crate::scratch::{HOSTILE, json, run, stderr, stdout};

/// Passes the names of all tests to a macro.
macro_rules! queries {
    ($tests:ident) => {
        $tests! {
            log_lists_the_newest_first_and_filters
            days_are_those_of_the_zone
            log_shows_what_changed
            hostile_texts_are_escaped
            show_finds_an_entry_by_the_beginning_of_its_id
            an_entry_is_found_by_the_end_of_its_id
            an_undo_is_previewed_and_changes_nothing
            history_counts_versions
            blame_shows_the_entry_of_each_part
            as_of_shows_the_state_and_missing_parts
            diff_compares_versions
            stats_count
            schema_lists_the_models
            zones_west_of_greenwich_are_read
            a_change_without_an_entry_is_reported
        }
    };
}

pub(crate) use queries;

fn column<'l>(lines: &'l [Value], key: &str) -> Vec<&'l str> {
    lines
        .iter()
        .map(|line| line[key].as_str().expect("a text"))
        .collect()
}

pub(crate) fn log_lists_the_newest_first_and_filters(store: &Path) {
    let all = json(store, &["log"]);
    assert_eq!(all.len(), 9);
    let times = column(&all, "timestamp");
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let oldest = json(store, &["log", "--oldest-first", "--limit", "1"]);
    assert_eq!(oldest[0]["timestamp"], "2026-01-01T10:00:00.000000Z");

    let count = |args: &[&str]| {
        let args: Vec<&str> = ["log"].iter().chain(args).copied().collect();
        json(store, &args).len()
    };
    assert_eq!(count(&["model:User"]), 6);
    assert_eq!(count(&["--model", "User", "actor:alice"]), 2);
    assert_eq!(count(&["--object", "Invoice/A/7"]), 2);
    assert_eq!(count(&["--pk", "42", "--action", "update"]), 2);
    assert_eq!(count(&["--level", "warning"]), 2);
    assert_eq!(count(&["--below", "info"]), 1);
    assert_eq!(count(&["--outcome", "denied"]), 1);
    assert_eq!(count(&["--correlation-id", "req-1"]), 1);
    assert_eq!(count(&["--changed", "city", "--action", "update"]), 1);
    assert_eq!(count(&["--changed-to", "city=Bonn"]), 1);
    assert_eq!(count(&["--changed-from", "logins=0"]), 2);
    assert_eq!(count(&["--text", "ticket 4711"]), 1);
    assert_eq!(count(&["ticket", "4711"]), 1);
    assert_eq!(
        count(&["--since", "2026-01-03", "--until", "2026-01-03T02:00:00Z"]),
        1
    );
    let users_and_invoices = count(&["model:User"]) + count(&["model:Invoice"]);
    assert_eq!(count(&["model:User OR model:Invoice"]), users_and_invoices);
    assert_eq!(count(&["NOT actor:alice"]), 9 - count(&["actor:alice"]));
    // A flag is about all alternatives.
    assert_eq!(
        count(&["actor:nobody OR actor:alice", "--model", "User"]),
        2
    );
    assert_eq!(
        count(&["actor:alice OR actor:nobody", "--model", "User"]),
        2
    );
    assert_eq!(count(&["limit:3"]), 3);
    assert_eq!(count(&["limit:3", "--limit", "2"]), 2);
    assert_eq!(count(&["limit:3", "order:oldest", "-n", "0"]), 3);
    assert_eq!(count(&["actor:nobody"]), 0);
}

pub(crate) fn days_are_those_of_the_zone(store: &Path) {
    let args = ["log", "--until", "2026-01-02"];
    assert_eq!(json(store, &args).len(), 2);
    // Half past eleven in the evening in Greenwich is the next day in Berlin.
    let berlin = ["log", "--until", "2026-01-02", "--tz", "Europe/Berlin"];
    assert_eq!(json(store, &berlin).len(), 1);
    let line = stdout(store, &["log", "until:2026-01-02", "--tz", "Europe/Berlin"]);
    assert!(
        line.starts_with(
            "2026-01-01T11:00:00.000000+01:00 INFO     create   User 42 (bob) by alice"
        )
    );
    let days = json(store, &["stats", "--by", "day", "--tz", "Europe/Berlin"]);
    assert_eq!(
        column(&days, "key"),
        ["2026-01-01", "2026-01-02", "2026-01-03"]
    );
    assert_eq!(days[0]["count"], 1);
    assert_eq!(days[1]["count"], 5);
}

pub(crate) fn log_shows_what_changed(store: &Path) {
    let text = stdout(store, &["log", "--changes", "--changed-to", "city=Bonn"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains(" update   User 42 (bob) by alice \"ticket 4711\" "),
        "{text}"
    );
    assert_eq!(lines[1], "    city: \"Mainz\" -> \"Bonn\"");
    assert_eq!(
        lines[2],
        "    email: \"bob@old.example\" -> \"bob@new.example\""
    );
    let text = stdout(store, &["log", "--changes", "actor:bob"]);
    assert!(
        text.contains("    phone: \"****4567\" -> \"****4321\" (masked)"),
        "{text}"
    );
}

pub(crate) fn hostile_texts_are_escaped(store: &Path) {
    let commands: [&[&str]; 8] = [
        &["log", "--changes"],
        &["history", "User", "43", "--changes"],
        &["history", "User", "43"],
        &["as-of", "User", "43", "2026-01-02T10:00:00Z"],
        &["as-of", "User", "2026-01-02T10:00:00Z"],
        &["show", "0"],
        &["stats", "--by", "action,model,actor"],
        &["export", "--format", "csv", "--rows", "change"],
    ];
    for args in commands {
        let output = run(store, args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert!(!text.is_empty());
        let raw = text.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\r')) || ('\u{202a}'..='\u{202e}').contains(c)
        });
        assert_eq!(raw, None, "{args:?}: {text}");
        assert!(!text.contains("\nfake line"), "{args:?}: {text}");
    }
    let shown = stdout(store, &["log", "actor:mallory"]);
    assert!(
        shown.contains(r#""=1+2\u{1b}[31m\u{1b}[2J\u{9b}2J\r\nfake line\u{202e}txt""#),
        "{shown}"
    );
    // To a program it is what it is.
    assert_eq!(json(store, &["log", "actor:mallory"])[0]["reason"], HOSTILE);
}

pub(crate) fn show_finds_an_entry_by_the_beginning_of_its_id(store: &Path) {
    let entry = json(store, &["log", "correlation:req-1"]).remove(0);
    let id = entry["id"].as_str().expect("an id");
    assert_eq!(json(store, &["show", id]), std::slice::from_ref(&entry));
    let upper = id.to_uppercase().replace('-', "");
    assert_eq!(json(store, &["show", &upper]), std::slice::from_ref(&entry));
    let text = stdout(store, &["show", id]);
    for line in [
        "object          User 42 (bob)",
        "actor kind      user",
        "reason          ticket 4711",
        "correlation id  req-1",
        "time            2026-01-01T23:30:00Z",
        "  city: \"Mainz\" -> \"Bonn\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let several = stderr(store, &["show", "0"], 2);
    assert!(
        several.contains("the ids of several entries begin or end with `0`:"),
        "{several}"
    );
    assert!(several.contains(id), "{several}");
    assert!(several.contains("hint: give more digits"), "{several}");
}

pub(crate) fn an_entry_is_found_by_the_end_of_its_id(store: &Path) {
    let entry = json(store, &["log", "correlation:req-1"]).remove(0);
    let id = entry["id"].as_str().expect("an id");
    let end = id.rsplit('-').next().expect("an end");
    assert_eq!(json(store, &["show", end]), std::slice::from_ref(&entry));
    let upper = end.to_uppercase();
    assert_eq!(json(store, &["show", &upper]), std::slice::from_ref(&entry));
    assert_eq!(json(store, &["undo", end])[0]["entry"], id);
    assert_eq!(
        json(store, &["history", end]),
        json(store, &["history", "User", "42"])
    );
    assert_eq!(
        json(store, &["blame", end]),
        json(store, &["blame", "User", "42", "--version", "2"])
    );
    let message = stderr(store, &["blame", "User"], 2);
    assert!(
        message.contains("the key of the `User` is missing"),
        "{message}"
    );
    let event = json(store, &["log", "actor:mallory"]).remove(0);
    let event = event["id"].as_str().expect("an id");
    for command in ["history", "blame", "undo"] {
        let message = stderr(store, &[command, event], 2);
        assert!(message.contains("has no object"), "{message}");
    }
    // Digits at the end of one id, and at the beginning of others.
    let several = stderr(store, &["undo", "0"], 2);
    assert!(several.contains("begin or end with `0`:"), "{several}");
    assert!(several.contains(id), "{several}");
}

pub(crate) fn an_undo_is_previewed_and_changes_nothing(store: &Path) {
    let before = json(store, &["log"]);
    let id = |query: &str| {
        let entry = json(store, &["log", query]).remove(0);
        entry["id"].as_str().expect("an id").to_owned()
    };
    let undo = |query: &str| json(store, &["undo", &id(query)]).remove(0);

    let moved = undo("correlation:req-1");
    assert_eq!(
        moved["changes"]["city"],
        json!({"old": "Bonn", "new": "Mainz"})
    );
    assert_eq!(moved["conflicts"], json!([]));
    let text = stdout(store, &["undo", &id("correlation:req-1")]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "undo of update of User 42 (bob), 2026-01-01T23:30:00Z by alice",
            r#"  city: "Bonn" -> "Mainz""#,
            r#"  email: "bob@new.example" -> "bob@old.example""#,
            "this is a preview, nothing was written",
        ]
    );

    // The trail has the old number only masked.
    let called = undo("actor:bob");
    assert_eq!(called["changes"]["logins"], json!({"old": -3, "new": 0}));
    assert_eq!(called["conflicts"][0]["kind"], "hidden");
    assert_eq!(called["conflicts"][0]["path"], "phone");
    let text = stdout(store, &["undo", &id("actor:bob")]);
    assert!(text.contains("  conflict: `phone` "), "{text}");

    // A creation with later changes, and one of a deleted object.
    let created = undo("model:User object:42 action:create");
    assert_eq!(created["changes"], json!({}));
    assert_eq!(created["conflicts"][0]["kind"], "changed");
    assert_eq!(created["conflicts"][0]["expected"], "Mainz");
    let gone = stdout(store, &["undo", &id("model:User object:43 action:create")]);
    assert!(gone.contains("the object is deleted already"), "{gone}");
    let deleted = undo("model:User object:43 action:delete");
    assert_eq!(deleted["changes"]["$"]["old"], Value::Null);
    let back = stdout(store, &["undo", &id("model:User object:43 action:delete")]);
    assert!(
        back.contains("  restores the object:\n    city: \"Mainz\"\n    email: "),
        "{back}"
    );

    let access = stderr(store, &["undo", &id("action:access")], 2);
    assert!(
        access.contains("changed nothing that can be undone"),
        "{access}"
    );
    assert_eq!(json(store, &["log"]), before);
}

pub(crate) fn history_counts_versions(store: &Path) {
    let lines = json(store, &["history", "User", "42"]);
    let versions: Vec<_> = lines.iter().map(|line| line["version"].as_u64()).collect();
    assert_eq!(versions, [Some(1), Some(2), Some(3), None]);
    let text = stdout(store, &["history", "User", "42"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "User 42 (bob), 3 versions");
    let second = "   2 2026-01-01T23:30:00.000000Z INFO     update   by alice (city, email) \"ticket 4711\" ";
    assert!(lines[2].starts_with(second), "{text}");
    assert!(
        lines[4].starts_with("   - 2026-01-02T12:00:00.000000Z DEBUG    access   by dave "),
        "{text}"
    );
    let text = stdout(store, &["history", "User", "42", "--changes"]);
    assert!(text.contains("\n    logins: 0 -> -3\n"), "{text}");
}

pub(crate) fn blame_shows_the_entry_of_each_part(store: &Path) {
    let parts = json(store, &["blame", "User", "42"]);
    let found: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                part["path"].clone(),
                part["value"].clone(),
                part["actor"].clone(),
                part["version"].clone(),
            )
        })
        .collect();
    let expected = [
        ("city", json!("Bonn"), "alice", 2),
        ("email", json!("bob@new.example"), "alice", 2),
        ("id", json!(42), "alice", 1),
        ("logins", json!(-3), "bob", 3),
        ("phone", json!("****4321"), "bob", 3),
        ("username", json!("bob"), "alice", 1),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(path, value, actor, version)| (json!(path), value, json!(actor), json!(version)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        json(store, &["blame", "User", "42", "--path", "city"]).len(),
        1
    );
    // A deleted object has the parts of the version before.
    let gone = stdout(store, &["blame", "User", "43"]);
    assert!(
        gone.starts_with("version 2 deleted the object; these are the parts of version 1\n"),
        "{gone}"
    );
    let gone = json(store, &["blame", "User", "43", "--path", "city"]);
    assert_eq!(
        (&gone[0]["value"], &gone[0]["version"]),
        (&"Mainz".into(), &1.into())
    );
    let first = json(
        store,
        &["blame", "User", "42", "--path", "city", "--version", "1"],
    );
    assert_eq!(
        (&first[0]["value"], &first[0]["version"]),
        (&"Mainz".into(), &1.into())
    );
    let none = stderr(store, &["blame", "User", "42", "--version", "9"], 1);
    assert!(none.contains("version 9"), "{none}");
    let none = stderr(store, &["blame", "User", "42", "--path", "shoe"], 1);
    assert!(none.contains("no part `shoe`"), "{none}");
}

pub(crate) fn as_of_shows_the_state_and_missing_parts(store: &Path) {
    let at = |args: &[&str]| {
        let args: Vec<&str> = ["as-of", "User"].iter().chain(args).copied().collect();
        json(store, &args)
    };
    let first = at(&["42", "2026-01-01T12:00:00Z"]).remove(0);
    assert_eq!(first["state"]["city"], "Mainz");
    assert_eq!(first["complete"], false);
    assert_eq!(
        first["missing"],
        json!([{"path": "phone", "reason": "recorded masked"}])
    );
    assert_eq!(at(&["42", "--version", "2"])[0]["state"]["city"], "Bonn");
    let text = stdout(store, &["as-of", "User", "42", "2026-01-01T12:00:00Z"]);
    assert!(
        text.contains("\nincomplete: phone is recorded masked\n"),
        "{text}"
    );

    let all = at(&["2026-01-02T09:30:00Z"]);
    assert_eq!(column(&all, "object_pk"), ["42", "43"]);
    assert_eq!(column(&at(&["2026-02-01"]), "object_pk"), ["42"]);

    for (args, code) in [
        (["42", "2025-12-31"], 7),
        (["43", "2026-01-04"], 7),
        (["44", "2026-01-04"], 1),
    ] {
        let output = run(store, &["as-of", "User", args[0], args[1]]);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
    let version = stderr(store, &["as-of", "User", "42", "--version", "4"], 1);
    assert!(
        version.contains("no version 4 of `User` `42`, which has 3 versions"),
        "{version}"
    );
}

pub(crate) fn diff_compares_versions(store: &Path) {
    let forth = json(store, &["diff", "User", "42", "1", "2"]).remove(0);
    assert_eq!(forth["city"], json!({"old": "Mainz", "new": "Bonn"}));
    let back = json(store, &["diff", "User", "42", "2", "1"]).remove(0);
    assert_eq!(back["city"], json!({"old": "Bonn", "new": "Mainz"}));
    // To the newest, where none is named.
    assert_eq!(
        json(store, &["diff", "User", "42", "2"])[0]["logins"]["new"],
        -3
    );
    assert_eq!(
        stdout(store, &["diff", "User", "42", "2", "2"]),
        "versions 2 and 2 are the same\n"
    );
    // A deleted version field by field.
    let gone = stdout(store, &["diff", "User", "43", "1", "2"]);
    let lines: Vec<&str> = gone.lines().collect();
    assert_eq!(lines[0], "version 2 deleted the object");
    assert!(
        lines[2].starts_with("-  city ") && lines[2].ends_with("  -"),
        "{gone}"
    );
    assert_eq!(lines.len(), 2 + 6, "{gone}");
    let back = stdout(store, &["diff", "User", "43", "2", "1"]);
    assert!(back.contains("\n+  city "), "{back}");
    let none = stderr(store, &["diff", "User", "42", "1", "9"], 1);
    assert!(none.contains("no version 9"), "{none}");
}

pub(crate) fn stats_count(store: &Path) {
    let lines = json(store, &["stats", "--by", "action"]);
    let counts: Vec<_> = lines
        .iter()
        .map(|line| (line["key"].as_str().expect("a key"), line["count"].as_u64()))
        .collect();
    assert_eq!(
        counts,
        [
            ("create", Some(3)),
            ("update", Some(3)),
            ("access", Some(1)),
            ("delete", Some(1)),
            ("login_failed", Some(1))
        ]
    );
    let hours = json(store, &["stats", "--by", "hour", "model:User"]);
    assert_eq!(column(&hours, "key"), ["03", "09", "10", "11", "12", "23"]);
    let text = stdout(store, &["stats", "--by", "actor", "--top", "2"]);
    assert!(text.starts_with("9 entries\n"), "{text}");
    assert!(
        text.contains("\nand 4 smaller ones; --top 0 shows all\n"),
        "{text}"
    );
}

pub(crate) fn schema_lists_the_models(store: &Path) {
    let models = json(store, &["schema"]);
    assert_eq!(column(&models, "model"), ["", "Invoice", "User"]);
    let user = &models[2];
    assert_eq!(user["entries"], 6);
    assert_eq!(
        user["actions"],
        json!({"access": 1, "create": 2, "delete": 1, "update": 2})
    );
    assert_eq!(user["schema_versions"], json!({"1": 6}));
    assert_eq!(user["fields"]["phone"]["redactions"], json!({"masked": 4}));
    assert_eq!(user["fields"]["city"]["entries"], 4);
    let text = stdout(store, &["schema", "User"]);
    let phone = text
        .lines()
        .find(|line| line.starts_with("phone"))
        .expect("a line");
    assert_eq!(
        phone.split_whitespace().collect::<Vec<_>>(),
        ["phone", "4", "text", "5", "masked", "4"]
    );
}

pub(crate) fn zones_west_of_greenwich_are_read(store: &Path) {
    for tz in [&["--tz", "-05:00"][..], &["--tz=-05:00"]] {
        let shown = stdout(store, &[&["log", "limit:1", "order:oldest"], tz].concat());
        assert!(
            shown.contains("2026-01-01T05:00:00.000000-05:00"),
            "{shown}"
        );
    }
    let message = stderr(store, &["log", "--tz", "-5 hours"], 2);
    assert!(
        message.contains("expected utc, local, an offset"),
        "{message}"
    );
}

pub(crate) fn a_change_without_an_entry_is_reported(store: &Path) {
    // In the trail the invoice is at 0; this entry of another program starts from 55.
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("break-{}.jsonl", std::process::id()));
    let entry = json!({
        "action": "update", "changes": {"total": {"old": 55, "new": 60}},
        "id": "0193a5e4-b001-7000-8000-000000000000", "level": "INFO", "model": "Invoice",
        "object_pk": "A/7", "object_repr": "Invoice A/7", "outcome": "success",
        "schema_version": 1, "timestamp": "2026-01-04T00:00:00.000000Z", "v": 1,
    });
    let mut older = entry.clone();
    older["id"] = json!("0193a5e4-b002-7000-8000-000000000000");
    older["object_pk"] = json!("A/9");
    std::fs::write(&file, format!("{entry}\n{older}\n")).expect("written");
    stdout(store, &["import", file.to_str().expect("UTF-8")]);
    std::fs::remove_file(&file).expect("removed");

    let earlier = ["as-of", "Invoice", "A/9", "2026-01-03"];
    assert_eq!(
        stdout(store, &earlier),
        "incomplete: the object is older than the trail\n"
    );
    let earlier = json(store, &earlier).remove(0);
    assert_eq!(earlier["exists"], true);
    assert_eq!(earlier["complete"], false);

    let asked = json(store, &["as-of", "Invoice", "A/7", "2026-01-05"]).remove(0);
    assert_eq!(asked["state"]["total"], 60);
    assert_eq!(asked["complete"], false);
    assert_eq!(
        asked["missing"],
        json!([{"path": "total", "reason": "changed without an entry"}])
    );
    let before = json(store, &["as-of", "Invoice", "A/7", "2026-01-03T12:00:00Z"]).remove(0);
    assert_eq!(before["complete"], true);
    let text = stdout(store, &["as-of", "Invoice", "A/7", "2026-01-05"]);
    let line = "incomplete: total: changed without an entry\n";
    assert!(text.ends_with(line), "{text}");
    let all = stdout(store, &["as-of", "Invoice", "2026-01-05"]);
    assert!(all.contains("(incomplete)"), "{all}");

    let lines = json(store, &["history", "Invoice", "A/7"]);
    assert_eq!(lines[2]["unrecorded"], json!(["total"]));
    assert_eq!(lines[1].get("unrecorded"), None);
    let text = stdout(store, &["history", "Invoice", "A/7"]);
    assert!(
        text.contains("! total: changed without an entry\n   3 "),
        "{text}"
    );

    let blame = json(store, &["blame", "Invoice", "A/7", "--path", "total"]);
    assert_eq!(blame[0]["unrecorded"], true);
    let text = stdout(store, &["blame", "Invoice", "A/7"]);
    assert!(text.ends_with(line), "{text}");

    let output = run(store, &["doctor"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let recorded = "problem: `Invoice` `A/7` changed without an entry before version 3: total; ";
    assert!(text.contains(recorded), "{text}");
    let output = run(store, &["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["breaks"][0]["paths"], json!(["total"]));
    assert_eq!(found["breaks"][0]["resolved"], false);

    assert!(!text.contains("action:prune"), "{text}");
    let removed = ["prune", "model:User", "--yes", "--as", "tester"];
    if !run(store, &removed).status.success() {
        // Beside an archive.
        stdout(store, &[&removed[..], &["--not-archived"]].concat());
    }
    let output = run(store, &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let hint = "a removed entry may have recorded this change: `auditlog log action:prune` lists the removals";
    assert!(text.contains(hint), "{text}");
}
