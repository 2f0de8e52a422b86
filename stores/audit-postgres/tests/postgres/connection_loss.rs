//! Lost connections and dead servers.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{AuditLog, Error, FailurePolicy, LogEntry, Query, Receipt, Store, StoreError};
use audit_postgres::PostgresStore;
use audit_testkit::entries;

use crate::Test;
use crate::network::{COPIED, DEAF, DOWN, Network, SILENT, WORKS, address, kind, network};
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    connections_are_killed_while_many_append,
    a_connection_is_killed_in_mid_statement,
    a_lost_answer_stores_nothing_twice,
    a_lost_answer_without_another_is_unconfirmed,
    a_silent_server_is_an_error_in_time,
    no_server_is_an_error_at_once,
    a_silent_host_is_skipped,
    a_connection_timeout_is_retried,
    a_server_that_returns_is_used_again,
    each_batch_has_its_own_deadline,
];

fn kill(sql: &Sql, application: &str) -> usize {
    sql.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"
    ))
    .unwrap()
    .len()
}

fn connections_are_killed_while_many_append(scratch: &Scratch) {
    let url = scratch.with_parameter("application_name", &scratch.schema);
    let store = scratch
        .options()
        .retry_timeout(Duration::from_secs(60))
        .connect(&url)
        .unwrap();
    let samples: Vec<_> = (0..4).map(|seed| entries(300, seed)).collect();
    let done = AtomicBool::new(false);
    let appended = AtomicUsize::new(0);
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let sql = Sql::connect(&scratch.url);
            let mut killed = 0;
            while !done.load(Ordering::Relaxed) {
                let before = appended.load(Ordering::Relaxed);
                killed += kill(&sql, &scratch.schema);
                // On a busy machine a connection takes longer than the pause.
                for _ in 0..100 {
                    thread::sleep(Duration::from_millis(15));
                    if appended.load(Ordering::Relaxed) > before {
                        break;
                    }
                }
            }
            killed
        });
        let writers: Vec<_> = samples
            .iter()
            .map(|sample| {
                let (store, appended) = (&store, &appended);
                scope.spawn(move || {
                    for batch in sample.chunks(3) {
                        store.append(batch).unwrap();
                        appended.fetch_add(1, Ordering::Relaxed);
                        store
                            .count(&Query::new().object_pk(&batch[0].object_pk))
                            .unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        killer.join().unwrap()
    });
    assert!(killed > 20, "only {killed} connections were killed");
    assert_kept(&store, &samples.concat());
}

fn a_connection_is_killed_in_mid_statement(scratch: &Scratch) {
    let url = scratch.with_parameter("application_name", &scratch.schema);
    let store = scratch.options().connect(&url).unwrap();
    let sql = scratch.sql();
    let sample = entries(50, 1);
    sql.run("BEGIN; LOCK TABLE audit_entry IN SHARE MODE")
        .unwrap();
    thread::scope(|scope| {
        let append = scope.spawn(|| store.append(&sample));
        for _ in 0..3 {
            scratch.wait_for_locks(1);
            assert!(kill(&sql, &scratch.schema) > 0);
        }
        scratch.wait_for_locks(1);
        sql.run("COMMIT").unwrap();
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

/// The server commits, but the answer never arrives and the connection breaks.
fn a_lost_answer_stores_nothing_twice(scratch: &Scratch) {
    let (network, store) = network(scratch);
    let sample = entries(30, 1);
    store.append(&sample[..10]).unwrap();
    let sql = scratch.sql();
    network.set(DEAF);
    thread::scope(|scope| {
        let append = scope.spawn(|| store.append(&sample[10..]));
        let deadline = Instant::now() + Duration::from_secs(20);
        while sql.value("SELECT count(*) FROM audit_entry") != "30" {
            assert!(Instant::now() < deadline, "they are never committed");
            thread::sleep(Duration::from_millis(2));
        }
        assert!(!append.is_finished());
        network.set(WORKS);
        network.cut();
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

/// The server commits, the answer never arrives, and the server is not to be reached again.
/// The error of the last try must not hide that the first try may have succeeded.
fn a_lost_answer_without_another_is_unconfirmed(scratch: &Scratch) {
    let (network, store) = network(scratch);
    let store = Arc::new(store);
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let open = AuditLog::builder()
        .store(Arc::clone(&store))
        .on_error(FailurePolicy::FailOpen)
        .build();
    let before = entries(1, 2);
    store.append(&before).unwrap();
    let sql = scratch.sql();
    let interrupt = |answer, number: &str, record: &(dyn Fn() -> Result<Receipt, Error> + Sync)| {
        // With a connection that has the statement prepared.
        store.append(&before).unwrap();
        network.set(answer);
        let receipt = thread::scope(|scope| {
            let recording = scope.spawn(record);
            let deadline = Instant::now() + Duration::from_secs(20);
            while sql.value("SELECT count(*) FROM audit_entry") != number {
                assert!(Instant::now() < deadline, "it is never committed");
                thread::sleep(Duration::from_millis(2));
            }
            network.set(DOWN);
            network.cut();
            recording.join().unwrap()
        });
        network.set(WORKS);
        receipt
    };
    let error = interrupt(DEAF, "2", &|| log.event("closed").record()).unwrap_err();
    assert!(error.is_unconfirmed(), "{error:?}");
    assert!(
        error.to_string().contains("it is unknown whether"),
        "{error}"
    );

    let receipt = interrupt(DEAF, "3", &|| open.event("open").record()).unwrap();
    assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
    assert_eq!(open.stats().spooled, 1);
    // It is appended again, and there once.
    open.flush().unwrap();
    assert_eq!((open.stats().spooled, open.stats().lost), (0, 0));

    let error = interrupt(COPIED, "13", &|| {
        store.import(entries(10, 1))?;
        Ok(Receipt::Unchanged)
    })
    .unwrap_err();
    assert!(error.is_unconfirmed(), "{error:?}");
    assert_eq!(store.count(&Query::new()).unwrap(), 13);

    // What never arrived is certain.
    network.set(DOWN);
    network.cut();
    let error = loop {
        match log.event("away").record().unwrap_err() {
            // The connection that was cut is used once more.
            error if error.is_unconfirmed() => {}
            error => break error,
        }
    };
    assert!(
        matches!(error, Error::Store(StoreError::Io { .. })),
        "{error:?}"
    );
}

fn a_silent_server_is_an_error_in_time(scratch: &Scratch) {
    let (network, store) = network(scratch);
    let sample = entries(2, 1);
    store.append(&sample[..1]).unwrap();
    network.set(SILENT);
    let begin = Instant::now();
    thread::scope(|scope| {
        let append = scope.spawn(|| store.append(&sample).unwrap_err());
        let find = scope.spawn(|| store.find(&Query::new()).unwrap_err());
        for error in [append.join().unwrap(), find.join().unwrap()] {
            assert_eq!(
                kind(&error),
                Some(std::io::ErrorKind::TimedOut),
                "{error:?}"
            );
            assert!(error.is_transient());
        }
    });
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
    network.set(WORKS);
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
}

fn no_server_is_an_error_at_once(scratch: &Scratch) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let begin = Instant::now();
    let error =
        PostgresStore::connect(&format!("postgres://nobody:secret@{address}/none")).unwrap_err();
    assert_eq!(
        kind(&error),
        Some(std::io::ErrorKind::ConnectionRefused),
        "{error:?}"
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(2));

    // Something that accepts and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://nobody@{}/none", mute.local_addr().unwrap());
    let error = scratch
        .options()
        .connect_timeout(Duration::from_millis(300))
        .connect(&url)
        .unwrap_err();
    assert_eq!(
        kind(&error),
        Some(std::io::ErrorKind::TimedOut),
        "{error:?}"
    );
    let error = PostgresStore::connect("postgres://h/d?colour=red").unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
}

/// Of several hosts the first accepts and never says a word.
fn a_silent_host_is_skipped(scratch: &Scratch) {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address(&scratch.url).expect("the server's URL has a host and a port");
    let hosts = format!("{},{address}", mute.local_addr().unwrap());
    let store = scratch
        .options()
        .connect_timeout(Duration::from_millis(300))
        .retry_timeout(Duration::ZERO)
        .connect(&scratch.url.replacen(&address, &hosts, 1))
        .unwrap();
    let sample = entries(5, 1);
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
    let found = futures::executor::block_on(store.find_async(&Query::new()));
    assert_eq!(found.unwrap().entries.len(), 5);
}

fn a_connection_timeout_is_retried(scratch: &Scratch) {
    let network = Network::to(&scratch.url).expect("the server's URL has a host and a port");
    let store = scratch
        .options()
        .connect_timeout(Duration::from_millis(300))
        .retry_timeout(Duration::from_secs(60))
        .connect(&network.url(&scratch.url))
        .unwrap();
    let sample = entries(10, 1);
    store.append(&sample[..5]).unwrap();
    network.cut();
    network.set(SILENT);
    let connected = || network.open.lock().unwrap().len();
    let before = connected();
    thread::scope(|scope| {
        let append = scope.spawn(|| store.append(&sample));
        let deadline = Instant::now() + Duration::from_secs(20);
        // What was connected meanwhile is never answered.
        while connected() < before + 4 && !append.is_finished() {
            assert!(Instant::now() < deadline, "no attempt is made");
            thread::sleep(Duration::from_millis(2));
        }
        network.set(WORKS);
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

fn a_server_that_returns_is_used_again(scratch: &Scratch) {
    let (network, store) = network(scratch);
    let sample = entries(40, 1);
    store.append(&sample[..10]).unwrap();
    network.set(DOWN);
    network.cut();
    let begin = Instant::now();
    let error = store.append(&sample[10..20]).unwrap_err();
    // Where the cut was not noticed yet, the first try may have arrived.
    assert!(
        matches!(
            error,
            StoreError::Io { .. } | StoreError::Unconfirmed { .. }
        ),
        "{error:?}"
    );
    assert!(
        begin.elapsed() >= Duration::from_secs(2),
        "it was tried again"
    );
    thread::scope(|scope| {
        let append = |part: &'static str, entries: Vec<LogEntry>| {
            let store = &store;
            scope.spawn(move || {
                store
                    .append(&entries)
                    .unwrap_or_else(|error| panic!("{part}: {error}"));
            })
        };
        let first = append("the second try", sample[10..20].to_vec());
        let second = append("the next one", sample[20..].to_vec());
        thread::sleep(Duration::from_millis(500));
        network.set(WORKS);
        first.join().unwrap();
        second.join().unwrap();
    });
    assert_kept(&store, &sample);
}

/// A later batch is retried after the deadline of earlier ones.
fn each_batch_has_its_own_deadline(scratch: &Scratch) {
    let (network, store) = network(scratch);
    let sample = entries(4, 1);
    store.append(&sample[..1]).unwrap();
    network.set(DOWN);
    network.cut();
    thread::scope(|scope| {
        let append = |at: usize| {
            let (store, sample) = (&store, &sample);
            let appending = scope.spawn(move || store.append(&sample[at..=at]));
            thread::sleep(Duration::from_millis(200));
            appending
        };
        // The first is tried alone, and the others together after it.
        let early = [append(1), append(2)];
        thread::sleep(Duration::from_secs(2));
        let late = append(3);
        for early in early {
            let error = early.join().unwrap().unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
        assert!(!late.is_finished());
        network.set(WORKS);
        late.join().unwrap().unwrap();
    });
    let kept = store.find(&Query::new()).unwrap().entries;
    assert!(kept.iter().any(|entry| entry.id == sample[3].id));
}
