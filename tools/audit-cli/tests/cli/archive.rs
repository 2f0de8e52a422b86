//! `archive`, `prune --archived` and `--archive`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::scratch::{self, auditlog, json, run, stderr, stdout, trail, unconfirmed};
use serde_json::{Value, json};

/// Returns the arguments with `--archive`.
fn with<'a>(archive: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--archive", archive]].concat()
}

/// A trail of nine entries, and the path of an archive that does not exist.
fn begin() -> (PathBuf, String) {
    let folder = scratch::folder();
    let archive = folder.join("archive").display().to_string();
    (trail(&folder), archive)
}

/// A trail whose entries are in the archive.
fn archived() -> (PathBuf, String) {
    let (store, archive) = begin();
    stdout(&store, &with(&archive, &["archive", "run", "--create"]));
    (store, archive)
}

fn file_of(archive: &str, ending: &str) -> PathBuf {
    let mut folders = vec![PathBuf::from(archive)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
                return path;
            }
        }
    }
    panic!("no file ends with {ending}");
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_trail_is_archived_verified_and_pruned() {
    let (store, archive) = begin();
    let planned = json(
        &store,
        &with(&archive, &["archive", "run", "--create", "--dry-run"]),
    );
    assert_eq!(planned, [json!({"entries": 9, "dry_run": true})]);
    assert!(!Path::new(&archive).exists(), "a dry run writes nothing");
    let run = with(&archive, &["archive", "run"]);
    let first = json(&store, &[&run[..], &["--create"]].concat()).remove(0);
    assert_eq!(first["entries"], 9);
    assert_eq!(first["files"], 3, "one a day");
    assert_eq!(stdout(&store, &run), "no new entries\n");

    let status = json(&store, &with(&archive, &["archive", "status"])).remove(0);
    assert_eq!(
        (&status["entries"], &status["pending"]),
        (&json!(9), &json!(0))
    );
    assert_eq!(status["oldest"], "2026-01-01T10:00:00.000000Z");
    let text = stdout(&store, &with(&archive, &["archive", "status"]));
    assert!(text.contains("9 entries in 3 files, "), "{text}");
    assert!(text.contains("\nnot archived  0 entries\n"), "{text}");

    let verify = with(&archive, &["archive", "verify", "--against-store"]);
    let verified = json(&store, &verify).remove(0);
    assert_eq!(verified["intact"], true);
    assert_eq!(verified["entries"], 9);
    let last = verified["last"].as_str().expect("a manifest").to_owned();
    let again = stdout(
        &store,
        &with(&archive, &["archive", "verify", "--at-least", &last]),
    );
    assert_eq!(
        again,
        format!("intact: 9 entries in 3 files\nlast manifest: {last}\n")
    );

    let before = stdout(&store, &["export"]);
    let prune = with(
        &archive,
        &["prune", "--archived", "--older-than", "2026-01-03"],
    );
    let text = stdout(&store, &[&prune[..], &["--dry-run"]].concat());
    assert!(
        text.contains("6 entries can be removed: intact files of the archive have them\n"),
        "{text}"
    );
    let text = unconfirmed(&store, &prune);
    assert!(
        text.ends_with("nothing was removed; --yes removes these entries\n"),
        "{text}"
    );
    let expire = ["archive", "expire", "--before", "2026-01-03"];
    let expire = with(&archive, &[&expire[..], &["--reason", "law"]].concat());
    let text = unconfirmed(&store, &expire);
    assert!(
        text.ends_with("nothing was removed; --yes removes these entries\n"),
        "{text}"
    );
    let dry = [&expire[..], &["--dry-run"]].concat();
    assert_eq!(stdout(&store, &dry), text);
    let kept = stdout(
        &store,
        &with(&archive, &["prune", "--archived", "--keep-last", "100"]),
    );
    assert_eq!(
        kept,
        "no entries can be removed: --keep-last keeps all of them\n"
    );
    assert_eq!(stdout(&store, &["export"]), before);
    let removed = json(&store, &[&prune[..], &["--yes", "--as", "carol"]].concat()).remove(0);
    assert_eq!(
        (&removed["removed"], &removed["findings"]),
        (&json!(6), &json!([]))
    );
    let left = json(&store, &["log"]);
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(left[0]["action"], "prune");
    assert_eq!(left[0]["actor"]["id"], "carol");
    assert_eq!(left[0]["additional_data"]["count"], 6);

    // With the archive, the trail is complete; the record of the removal is new.
    let after = stdout(&store, &with(&archive, &["export"]));
    assert!(
        after.starts_with(&before) && after.lines().count() == 10,
        "{after}"
    );
    let found = auditlog()
        .env("AUDITLOG_ARCHIVE", &archive)
        .args(["log", "--json", "model:User", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    let lines = String::from_utf8(found.stdout).expect("UTF-8");
    assert_eq!(lines.lines().count(), 6);
}

#[test]
fn prune_keeps_entries_that_are_not_archived_and_records_of_removals() {
    let (store, archive) = archived();
    let prune = with(&archive, &["prune", "--archived", "--yes"]);
    // The newest archived entry identifies the trail, and stays.
    assert_eq!(json(&store, &prune)[0]["removed"], 8);
    let archive_run = with(&archive, &["archive", "run"]);
    stdout(&store, &archive_run);
    assert_eq!(json(&store, &prune)[0]["removed"], 1);
    stdout(&store, &archive_run);
    // Two records of removals, which are archived and stay.
    assert_eq!(json(&store, &prune)[0]["count"], 0);
    assert_eq!(json(&store, &["log", "action:prune"]).len(), 2);
    let selected = [&prune[..], &["action:prune"]].concat();
    assert_eq!(json(&store, &selected)[0]["removed"], 1);
    assert_eq!(json(&store, &["log"]).len(), 2);
    let all = json(&store, &with(&archive, &["log"]));
    assert_eq!(all.len(), 12);
}

#[test]
fn prune_beside_an_archive_needs_a_choice() {
    let (store, archive) = begin();
    stdout(&store, &with(&archive, &["archive", "run", "--create"]));
    let before = stdout(&store, &["export"]);
    let prune = ["prune", "--older-than", "2026-01-03", "--yes"];
    let error = stderr(&store, &with(&archive, &prune), 2);
    assert!(error.contains("an archive is named"), "{error}");
    assert!(error.contains("--not-archived"), "{error}");
    let output = auditlog()
        .env("AUDITLOG_ARCHIVE", &archive)
        .args(prune)
        .arg("--store")
        .arg(&store)
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(stdout(&store, &["export"]), before);
    let both = [&prune[..], &["--archived", "--not-archived"]].concat();
    stderr(&store, &with(&archive, &both), 2);
    let removed = [&prune[..], &["--not-archived"]].concat();
    assert_eq!(json(&store, &with(&archive, &removed))[0]["removed"], 6);
    // A variable without a value names no archive.
    let output = auditlog()
        .env("AUDITLOG_ARCHIVE", "")
        .args(["prune", "--model", "Invoice", "--yes", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_archive_stores_the_classes_of_its_first_run() {
    let (store, archive) = begin();
    let run = with(&archive, &["archive", "run"]);
    let class = [&run[..], &["--create", "--class", "User=ten-years"]].concat();
    stdout(&store, &class);
    let status = || json(&store, &with(&archive, &["archive", "status"])).remove(0);
    assert_eq!(status()["classes"], json!({"User": "ten-years"}));
    let text = stdout(&store, &with(&archive, &["archive", "status"]));
    assert!(text.contains("\nclasses       User=ten-years\n"), "{text}");
    stdout(&store, &run);
    let other = [&run[..], &["--class", "User=one-year"]].concat();
    let error = stderr(&store, &other, 2);
    assert!(error.contains("`ten-years`"), "{error}");
    assert!(error.contains("--change-classes"), "{error}");
    let changed = [&other[..], &["--change-classes"]].concat();
    stdout(&store, &with(&archive, &["prune", "--archived", "--yes"]));
    stdout(&store, &changed);
    assert_eq!(status()["classes"], json!({"User": "one-year"}));
    let again = stdout(&store, &other);
    assert_eq!(
        again,
        "no new entries; the archive has the classes of --class\n"
    );
}

#[test]
fn entries_come_back_from_the_archive() {
    let (store, archive) = archived();
    let before = stdout(&store, &["export"]);
    stdout(&store, &with(&archive, &["prune", "--archived", "--yes"]));
    let copy = store.with_file_name("copy.db");
    let restore = |args: &[&str]| {
        let args = [&["archive", "restore"], args].concat();
        json(&copy, &with(&archive, &args)).remove(0)
    };
    let planned = restore(&["--object", "User/42", "--create", "--dry-run"]);
    assert_eq!(
        planned,
        json!({"count": 4, "restored": 0, "existing": 0, "skipped": 0})
    );
    assert!(!copy.exists());
    let done = restore(&["--object", "User/42", "--create"]);
    assert_eq!(
        (&done["restored"], &done["existing"]),
        (&json!(4), &json!(0))
    );
    let done = restore(&["--model", "User"]);
    assert_eq!(
        (&done["restored"], &done["existing"]),
        (&json!(2), &json!(4))
    );
    let done = restore(&[]);
    assert_eq!(done["restored"], 3);
    let records = json(&copy, &["log", "action:restore"]);
    assert_eq!(records.len(), 3);
    assert_eq!(
        records[2]["additional_data"]["query"],
        "model:User object:42"
    );
    let counts = records
        .iter()
        .map(|record| &record["additional_data"]["count"]);
    assert!(counts.eq([&json!(3), &json!(2), &json!(4)]), "{records:?}");
    let none = with(&archive, &["archive", "restore", "--object", "User/none"]);
    assert_eq!(stdout(&copy, &none), "no entry of the archive matches\n");
    for limited in ["limit:2", "order:newest"] {
        let args = with(&archive, &["archive", "restore", limited]);
        let error = stderr(&copy, &args, 2);
        assert!(error.contains("do not apply to a restore"), "{error}");
    }
    let others = stdout(&copy, &["export", "NOT action:restore"]);
    assert_eq!(others, before);
}

#[test]
fn a_restore_that_fails_is_recorded_with_its_outcome() {
    let (store, archive) = archived();
    let entries = stdout(&store, &["export"]);
    let changed = entries.replacen("alice", "mallory", 1);
    assert_ne!(changed, entries);
    let (lines, other) = (
        store.with_file_name("changed.jsonl"),
        store.with_file_name("other.db"),
    );
    fs::write(&lines, changed).expect("written");
    let lines = lines.display().to_string();
    stdout(&other, &["import", "--create", &lines]);
    stderr(&other, &with(&archive, &["archive", "restore"]), 3);
    let records = json(&other, &["log", "action:restore"]);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["outcome"], "failure");
    assert_eq!(records[0]["additional_data"]["count"], 0);
}

#[test]
fn a_wrong_or_missing_archive_is_an_error() {
    let (store, archive) = begin();
    let none = stderr(&store, &["archive", "status"], 2);
    assert!(none.contains("no archive was named"), "{none}");
    assert!(none.contains("--archive"), "{none}");
    let none = stderr(&store, &["prune", "--archived", "--dry-run"], 2);
    assert!(none.contains("no archive was named"), "{none}");
    for url in ["nowhere://bucket/prefix", "https://[h", "ftp://h/"] {
        let wrong = stderr(&store, &with(url, &["log"]), 2);
        assert!(
            wrong.contains("a URL such as file:///srv/archive"),
            "{wrong}"
        );
    }
    for args in [
        &["log"][..],
        &["show", "ff"],
        &["history", "User", "42"],
        &["archive", "run"],
        &["archive", "status"],
        &["archive", "restore"],
        &["prune", "--archived", "--dry-run"],
    ] {
        let missing = stderr(&store, &with(&archive, args), 3);
        assert!(missing.contains("has no archive"), "{args:?}: {missing}");
        assert!(
            missing.contains("archive run --create"),
            "{args:?}: {missing}"
        );
    }
    assert!(!Path::new(&archive).exists());
    let file = store.display().to_string();
    let wrong = stderr(&store, &with(&file, &["log"]), 3);
    assert!(wrong.contains("is not a folder"), "{wrong}");
}

#[test]
fn damage_is_an_error_that_names_the_object() {
    let (store, archive) = archived();
    stdout(&store, &with(&archive, &["prune", "--archived", "--yes"]));
    let intact = with(&archive, &["log", "--json"]);
    let before = stdout(&store, &intact);
    let file = file_of(&archive, ".parquet");
    let bytes = fs::read(&file).expect("a file");
    damage(&file);
    let error = stderr(&store, &intact, 3);
    assert!(error.contains(".parquet"), "{error}");
    assert!(error.contains("auditlog archive verify"), "{error}");
    for dry_run in [&[][..], &["--dry-run"]] {
        let args = [&["archive", "restore", "--object", "User/42"], dry_run].concat();
        let error = stderr(&store, &with(&archive, &args), 3);
        assert!(error.contains("auditlog archive verify"), "{error}");
    }
    let found = run(&store, &with(&archive, &["archive", "verify", "--json"]));
    assert_eq!(found.status.code(), Some(5));
    let found: Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(found["intact"], false);
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    let path = found["findings"][0]["path"].as_str().expect("a path");
    assert!(path.ends_with(name), "{path}");
    fs::write(&file, bytes).expect("written");
    assert_eq!(stdout(&store, &intact), before);

    let manifest = file_of(&archive, "manifest/00000002.json");
    let bytes = fs::read(&manifest).expect("a manifest");
    damage(&manifest);
    for args in [&["log"][..], &["archive", "status"], &["archive", "run"]] {
        let error = stderr(&store, &with(&archive, args), 3);
        assert!(error.contains("manifest/00000002.json"), "{error}");
        assert!(error.contains("auditlog archive verify"), "{error}");
    }
    fs::write(&manifest, bytes).expect("written");
    assert_eq!(stdout(&store, &intact), before);
}

#[test]
fn entries_of_a_damaged_file_stay_in_the_store() {
    let (store, archive) = archived();
    damage(&file_of(&archive, ".parquet"));
    let output = run(&store, &with(&archive, &["prune", "--archived", "--yes"]));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("has other bytes, or "), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("damaged file"));
    // Also the record of the removal.
    assert!(json(&store, &["log"]).len() > 1);
}

#[test]
#[cfg(unix)]
fn a_folder_without_rights_is_an_error() {
    use std::os::unix::fs::PermissionsExt;

    let (store, archive) = archived();
    let set = |mode| {
        let folder = Path::new(&archive).join("manifest");
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("set");
    };
    set(0o000);
    // A superuser may read it nevertheless.
    let is_superuser = fs::read_dir(Path::new(&archive).join("manifest")).is_ok();
    let output = run(&store, &with(&archive, &["log"]));
    set(0o755);
    if is_superuser {
        eprintln!("skipped: this user may read every folder");
        return;
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("Permission denied"), "{error}");
    assert!(error.contains("hint: "), "{error}");
}

#[test]
fn commands_that_read_find_archived_entries() {
    let (store, archive) = archived();
    stdout(&store, &with(&archive, &["prune", "--archived", "--yes"]));
    for args in [
        &["history", "User", "42"][..],
        &["blame", "User", "42"],
        &["diff", "User", "42", "1", "3"],
        &["as-of", "User", "42", "2026-01-02"],
        &["as-of", "User", "2026-01-02"],
        &["stats", "--by", "action"],
        &["schema"],
    ] {
        let pruned = run(&store, args);
        let both = stdout(&store, &with(&archive, args));
        assert_ne!(String::from_utf8_lossy(&pruned.stdout), both, "{args:?}");
    }
}

/// A reader of the output such as `head` may close the pipe.
#[test]
fn a_closed_pipe_does_not_hide_damage() {
    let (store, archive) = archived();
    damage(&file_of(&archive, ".parquet"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_auditlog"))
        .arg("--store")
        .arg(&store)
        .args(["archive", "verify", "--archive", &archive])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an exit").code(), Some(5));
}

#[test]
fn another_trail_beside_an_archive_is_a_warning() {
    let (store, archive) = archived();
    let folder = Path::new(&archive).with_file_name("other");
    fs::create_dir(&folder).expect("a folder");
    let other = trail(&folder);
    let output = run(&other, &with(&archive, &["log"]));
    let warnings = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(warnings.contains("another trail"), "{warnings}");
    let error = stderr(&other, &with(&archive, &["archive", "run"]), 3);
    assert!(error.contains("check --store and --archive"), "{error}");
    let output = run(&store, &with(&archive, &["log"]));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_model_has_one_class_and_a_removal_no_date_in_the_future() {
    let (store, archive) = begin();
    let classes = ["--class", "User=five", "--class", "User=ten"];
    let run = [&["archive", "run", "--create"][..], &classes].concat();
    let error = stderr(&store, &with(&archive, &run), 2);
    assert!(error.contains("with `five` and with `ten`"), "{error}");
    assert!(!Path::new(&archive).exists());
    let expire = [
        "archive",
        "expire",
        "--before",
        "2999-01-01",
        "--reason",
        "policy 7",
        "--yes",
    ];
    let error = stderr(&store, &with(&archive, &expire), 2);
    assert!(error.contains("is after today"), "{error}");
}
