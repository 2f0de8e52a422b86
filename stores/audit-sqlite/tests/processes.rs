//! Several processes use one file.

#[path = "scratch/child.rs"]
mod child;
mod scratch;

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use audit_core::{Query, Store, StoreError};
use audit_sqlite::SqliteStore;
use audit_testkit::entries;

const PROCESSES: u64 = 4;
const EACH: usize = 50;

fn wait_for(child: &mut Child, word: &str) -> BufReader<std::process::ChildStdout> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != word {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "`{word}` is missing"
        );
    }
    lines
}

fn go(child: &mut Child) {
    writeln!(child.stdin.as_mut().unwrap(), "go").unwrap();
}

fn await_go() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Each round begins without a file: all processes create it at the same moment.
#[test]
fn several_processes_create_and_write_one_file() {
    let folder = scratch::folder();
    for round in 0..5 {
        let file = folder.join(format!("{round}.db"));
        let mut children: Vec<_> = (0..PROCESSES)
            .map(|number| {
                child::command("writes_its_share", &file)
                    .env("AUDIT_SQLITE_TEST_SEED", number.to_string())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let outputs: Vec<_> = children
            .iter_mut()
            .map(|child| wait_for(child, "ready"))
            .collect();
        children.iter_mut().for_each(go);
        for (mut child, output) in children.into_iter().zip(outputs) {
            output.lines().for_each(drop);
            assert!(child.wait().unwrap().success());
        }
        let store = SqliteStore::open(&file).unwrap();
        let expected = PROCESSES * EACH as u64;
        assert_eq!(store.count(&Query::new()).unwrap(), expected);
        let check = store.check().unwrap();
        assert!(check.is_ok(), "{check:?}");
        store.close().unwrap();
    }
}

#[test]
#[ignore = "started by several_processes_create_and_write_one_file"]
fn writes_its_share() {
    let Some(file) = child::file() else { return };
    let seed = std::env::var("AUDIT_SQLITE_TEST_SEED").unwrap();
    let sample = entries(EACH, seed.parse().unwrap());
    println!("\nready");
    await_go();
    let store = SqliteStore::options()
        .lock_timeout(std::time::Duration::from_secs(60))
        .open(file)
        .unwrap();
    let (single, batches) = sample.split_at(EACH / 2);
    for part in single.chunks(1).chain(batches.chunks(5)) {
        store.append(part).unwrap();
    }
    for entry in sample {
        let page = store
            .find(&Query::new().object_pk(&entry.object_pk))
            .unwrap();
        assert!(page.entries.contains(&entry));
    }
}

#[test]
fn a_locked_file_is_busy_and_works_again_when_it_is_free() {
    let file = scratch::file("audit.db");
    let store = SqliteStore::options()
        .lock_timeout(std::time::Duration::from_millis(20))
        .open(&file)
        .unwrap();
    let sample = entries(3, 1);
    store.append(&sample[..1]).unwrap();

    let mut child = child::command("holds_the_lock", &file).spawn().unwrap();
    let output = wait_for(&mut child, "locked");
    for _ in 0..2 {
        let error = store.append(&sample[1..]).unwrap_err();
        assert!(matches!(&error, StoreError::Busy { .. }), "{error}");
        assert!(error.is_transient());
    }
    assert!(matches!(
        store.purge(&Query::new().until(sample[2].timestamp)),
        Err(StoreError::Busy { .. })
    ));
    // Reading and opening still work.
    assert_eq!(store.find(&Query::new()).unwrap().entries, sample[..1]);
    let second = SqliteStore::options()
        .lock_timeout(std::time::Duration::from_millis(20))
        .open(&file)
        .unwrap();
    assert_eq!(second.count(&Query::new()).unwrap(), 1);

    go(&mut child);
    output.lines().for_each(drop);
    assert!(child.wait().unwrap().success());
    store.append(&sample[1..]).unwrap();
    assert_eq!(second.count(&Query::new()).unwrap(), 3);
}

#[test]
fn a_fresh_file_that_is_locked_is_busy() {
    let file = scratch::file("audit.db");
    let mut child = child::command("holds_the_lock", &file).spawn().unwrap();
    let output = wait_for(&mut child, "locked");
    let options = SqliteStore::options().lock_timeout(std::time::Duration::from_millis(20));
    let error = options.open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    go(&mut child);
    output.lines().for_each(drop);
    child.wait().unwrap();
    options.open(&file).unwrap();
}

#[test]
#[ignore = "started by the tests of locked files"]
fn holds_the_lock() {
    let Some(file) = child::file() else { return };
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    println!("\nlocked");
    await_go();
    connection.execute_batch("ROLLBACK").unwrap();
}
