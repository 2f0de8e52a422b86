//! A server of the test's own: it crashes while many append, and its disk is full.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_testbed::{PostgresServer, SmallDisk};
use audit_testkit::entries;
use libtest_mimic::Trial;

use crate::scratch::{Scratch, Sql, assert_kept};

/// The tests, ignored where no server can be started, or where nothing can be mounted.
pub(crate) fn trials() -> [Trial; 3] {
    let no_server = !PostgresServer::can_start();
    let no_disk = no_server || mount(&std::env::temp_dir(), "size=4m").is_none();
    [
        Trial::test("crash::a_crashed_server_keeps_acknowledged_entries", || {
            a_crashed_server_keeps_acknowledged_entries();
            Ok(())
        })
        .with_ignored_flag(no_server),
        Trial::test("crash::a_full_disk_recovers_when_space_is_freed", || {
            a_full_disk_recovers_when_space_is_freed();
            Ok(())
        })
        .with_ignored_flag(no_disk),
        Trial::test("crash::a_full_log_disk_loses_no_acknowledged_entry", || {
            a_full_log_disk_loses_no_acknowledged_entry();
            Ok(())
        })
        .with_ignored_flag(no_disk),
    ]
}

fn start() -> PostgresServer {
    PostgresServer::start(&[], &[]).expect("a server, as its programs are there")
}

fn a_crashed_server_keeps_acknowledged_entries() {
    let server = start();
    let scratch = Scratch::new(server.url());
    let store = scratch
        .options()
        .retry_timeout(Duration::from_secs(60))
        .connect(server.url())
        .unwrap();
    let done = AtomicBool::new(false);
    let kept: Vec<LogEntry> = thread::scope(|scope| {
        let writers: Vec<_> = (0..6_u64)
            .map(|writer| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    let mut seed = writer * 1_000_000;
                    while !done.load(Ordering::Relaxed) {
                        let batch = entries(3, seed);
                        store.append(&batch).unwrap();
                        kept.extend(batch);
                        seed += 1;
                    }
                    kept
                })
            })
            .collect();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(300));
            assert!(server.restart(), "the server does not start again");
        }
        thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    assert!(kept.len() > 300, "only {} entries", kept.len());
    assert_kept(&store, &kept);
}

/// Mounts a small file system in a folder.
fn mount(base: &Path, options: &str) -> Option<SmallDisk> {
    let folder = base.join(format!("audit-disk-{}", std::process::id()));
    SmallDisk::mount(&folder, options)
}

/// The trail lies in a tablespace that runs full: `write` returns `ENOSPC`, and the server
/// 53100.
fn a_full_disk_recovers_when_space_is_freed() {
    let server = start();
    let folder = server.folder().expect("the folder of a server of its own");
    let owner = fs::metadata(folder).unwrap();
    let options = format!("size=4m,mode=700,uid={},gid={}", owner.uid(), owner.gid());
    let disk = mount(folder, &options).expect("a file system, as before");
    Sql::connect(server.url())
        .run(&format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            disk.folder().display()
        ))
        .unwrap();
    let scratch = Scratch::new(server.url());
    let store = scratch
        .options()
        .connect(&scratch.with_option("default_tablespace", "small"))
        .unwrap();
    let mut kept = Vec::new();
    let refused = loop {
        let seed = u64::try_from(kept.len()).unwrap();
        let mut batch = entries(20, seed);
        batch[7].reason = Some(format!("{seed}").repeat(1000));
        match store.append(&batch) {
            Ok(()) => kept.extend(batch),
            Err(error) => {
                assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
                break batch;
            }
        }
        assert!(kept.len() < 100_000, "the disk is never full");
    };
    assert!(kept.len() > 100, "only {} entries", kept.len());
    // Nothing of it was kept, and what was there can be read and counted.
    assert_eq!(store.count(&Query::new()).unwrap(), kept.len() as u64);
    assert_kept(&store, &kept);

    // All batches of a statement get the error.
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                let store = &store;
                scope.spawn(move || {
                    let mut large = entries(200, 1_000_000 + seed);
                    for entry in &mut large {
                        entry.object_repr = entry.id.to_string().repeat(100);
                    }
                    store.append(&large).unwrap_err()
                })
            })
            .collect();
        for thread in threads {
            let error = thread.join().unwrap();
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        }
    });
    assert_kept(&store, &kept);

    assert!(disk.remount("size=64m"));
    store.append(&refused).unwrap();
    kept.extend(refused);
    assert_kept(&store, &kept);
    drop(store);
    drop(scratch);
    // Before the file system goes.
    drop(server);
}

/// The full disk is that of the write-ahead log: the server cannot continue and ends, and it
/// does not start before space is freed.
fn a_full_log_disk_loses_no_acknowledged_entry() {
    let base = std::env::temp_dir();
    let disk = mount(&base, "size=40m,mode=755").expect("a file system, as before");
    let server = PostgresServer::start_with_wal_in(disk.folder()).expect("a server");
    let scratch = Scratch::new(server.url());
    let store = scratch
        .options()
        .retry_timeout(Duration::from_millis(500))
        .connect(server.url())
        .unwrap();
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u64)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for step in 0..1_000 {
                        let seed = (writer << 32) + step;
                        let mut batch = entries(20, seed);
                        // Text that is not compressed to nothing.
                        let digits = |entry: &LogEntry| entry.id.simple().to_string();
                        let text: String = entries(300, !seed).iter().map(digits).collect();
                        for entry in &mut batch {
                            entry.reason = Some(format!("{}{text}", entry.id));
                        }
                        if let Err(error) = store.append(&batch) {
                            return (kept, batch, error);
                        }
                        kept.extend(batch);
                    }
                    panic!("the disk is never full");
                })
            })
            .collect();
        for writer in writers {
            let (acknowledged, batch, error) = writer.join().unwrap();
            assert!(
                matches!(
                    error,
                    StoreError::Full { .. }
                        | StoreError::Io { .. }
                        | StoreError::Unconfirmed { .. }
                ),
                "{error:?}"
            );
            kept.extend(acknowledged);
            refused.push((batch, error));
        }
    });
    assert!(kept.len() > 100, "only {} entries", kept.len());

    let said = fs::read(server.folder().expect("its folder").join("log")).unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("PANIC:  could not"), "{said}");

    assert!(disk.remount("size=400m"));
    assert!(server.restart(), "the server does not start again");
    // Unacknowledged batches may be stored, each completely or not at all.
    for (batch, error) in refused {
        let there = batch
            .iter()
            .filter(|entry| {
                let same = Query::new()
                    .object_pk(&entry.object_pk)
                    .since(entry.timestamp);
                let found = store.find(&same.limit(usize::MAX)).unwrap();
                found.entries.contains(entry)
            })
            .count();
        match error {
            StoreError::Unconfirmed { .. } => assert!([0, batch.len()].contains(&there), "{there}"),
            _ => assert_eq!(there, 0, "{error:?}"),
        }
        store.append(&batch).unwrap();
        kept.extend(batch);
    }
    assert_kept(&store, &kept);
    drop(store);
    drop(scratch);
    // Before the file system goes.
    drop(server);
}
