//! Lost connections, dead servers, locks and limits.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{AuditLog, Error, FailurePolicy, LogEntry, Query, Receipt, Store, StoreError};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use chrono::{DateTime, TimeDelta, Utc};

use crate::Test;
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = &[
    (
        "faults::connections_are_killed_while_many_append",
        connections_are_killed_while_many_append,
    ),
    (
        "faults::a_connection_is_killed_in_mid_statement",
        a_connection_is_killed_in_mid_statement,
    ),
    (
        "faults::a_lost_answer_stores_nothing_twice",
        a_lost_answer_stores_nothing_twice,
    ),
    (
        "faults::a_lost_answer_without_another_is_unconfirmed",
        a_lost_answer_without_another_is_unconfirmed,
    ),
    (
        "faults::a_silent_server_is_an_error_in_time",
        a_silent_server_is_an_error_in_time,
    ),
    (
        "faults::no_server_is_an_error_at_once",
        no_server_is_an_error_at_once,
    ),
    (
        "faults::a_server_that_comes_back_is_used_again",
        a_server_that_comes_back_is_used_again,
    ),
    (
        "faults::a_silent_host_is_passed_over",
        a_silent_host_is_passed_over,
    ),
    (
        "faults::a_connection_that_is_not_had_in_time_is_tried_again",
        a_connection_that_is_not_had_in_time_is_tried_again,
    ),
    (
        "faults::each_batch_has_its_own_time",
        each_batch_has_its_own_time,
    ),
    ("faults::a_held_lock_is_busy", a_held_lock_is_busy),
    (
        "faults::what_the_server_has_no_memory_for_is_tried_again",
        what_the_server_has_no_memory_for_is_tried_again,
    ),
    (
        "faults::an_entry_that_cannot_be_read_is_named",
        an_entry_that_cannot_be_read_is_named,
    ),
    (
        "faults::a_slow_statement_times_out",
        a_slow_statement_times_out,
    ),
    (
        "faults::times_out_of_order_lose_nothing",
        times_out_of_order_lose_nothing,
    ),
    (
        "faults::an_exhausted_pool_times_out",
        an_exhausted_pool_times_out,
    ),
];

fn kind(error: &StoreError) -> Option<std::io::ErrorKind> {
    match error {
        StoreError::Io { source, .. } => Some(source.kind()),
        StoreError::Unconfirmed { source, .. } => Some(source.downcast_ref::<io::Error>()?.kind()),
        _ => None,
    }
}

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
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let sql = Sql::connect(&scratch.url);
            let mut killed = 0;
            while !done.load(Ordering::Relaxed) {
                killed += kill(&sql, &scratch.schema);
                thread::sleep(Duration::from_millis(15));
            }
            killed
        });
        let writers: Vec<_> = samples
            .iter()
            .map(|sample| {
                let store = &store;
                scope.spawn(move || {
                    for batch in sample.chunks(3) {
                        store.append(batch).unwrap();
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

/// What a network does between a store and its server.
struct Network {
    port: u16,
    state: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

const WORKS: u8 = 0;
/// What the server says is lost.
const DEAF: u8 = 1;
/// Nothing arrives on either side.
const SILENT: u8 = 2;
/// New connections are refused.
const DOWN: u8 = 3;
/// What the server says at the end of a COPY is lost.
const COPIED: u8 = 4;

impl Network {
    /// Forwards to the server of a URL; `None` if it is not one by TCP.
    fn to(url: &str) -> Option<Self> {
        let server = address(url)?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(WORKS));
        let open = Arc::new(Mutex::new(Vec::new()));
        let network = Self {
            port,
            state: Arc::clone(&state),
            open: Arc::clone(&open),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if state.load(Ordering::SeqCst) == DOWN {
                    continue;
                }
                let server = TcpStream::connect(&server).unwrap();
                let mut open = open.lock().unwrap();
                open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(open);
                forward(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    &state,
                    false,
                );
                forward(server, client, &state, true);
            }
        });
        Some(network)
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    /// Cuts what is connected.
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    fn url(&self, url: &str) -> String {
        let server = address(url).expect("as before");
        url.replacen(&server, &format!("127.0.0.1:{}", self.port), 1)
    }
}

/// Returns `host:port` of a URL.
fn address(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let address = authority.rsplit('@').next()?;
    address.contains(':').then(|| address.to_owned())
}

fn forward(mut from: TcpStream, mut to: TcpStream, state: &Arc<AtomicU8>, answers: bool) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let lost = match state.load(Ordering::SeqCst) {
                DEAF => answers,
                SILENT => true,
                COPIED => answers && buffer[..length].windows(5).any(|text| text == b"COPY "),
                _ => false,
            };
            if !lost && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Both);
    });
}

fn network(scratch: &Scratch) -> (Network, PostgresStore) {
    let network = Network::to(&scratch.url).expect("the server's URL has a host and a port");
    let store = scratch
        .options()
        .connect_timeout(Duration::from_secs(1))
        .statement_timeout(Duration::from_secs(1))
        .retry_timeout(Duration::from_secs(4))
        .connect(&network.url(&scratch.url))
        .unwrap();
    (network, store)
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
/// What the last try says must not hide that the first one may have been kept.
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
    let lose = |answer, number: &str, record: &(dyn Fn() -> Result<Receipt, Error> + Sync)| {
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
    let error = lose(DEAF, "2", &|| log.event("closed").record()).unwrap_err();
    assert!(error.is_unconfirmed(), "{error:?}");
    assert!(
        error.to_string().contains("it is unknown whether"),
        "{error}"
    );

    let receipt = lose(DEAF, "3", &|| open.event("open").record()).unwrap();
    assert!(matches!(receipt, Receipt::Spooled(_)), "{receipt:?}");
    assert_eq!(open.stats().spooled, 1);
    // It is appended again, and there once.
    open.flush().unwrap();
    assert_eq!((open.stats().spooled, open.stats().lost), (0, 0));

    let error = lose(COPIED, "13", &|| {
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
fn a_silent_host_is_passed_over(scratch: &Scratch) {
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

fn a_connection_that_is_not_had_in_time_is_tried_again(scratch: &Scratch) {
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
            assert!(Instant::now() < deadline, "nobody tries again");
            thread::sleep(Duration::from_millis(2));
        }
        network.set(WORKS);
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

fn a_server_that_comes_back_is_used_again(scratch: &Scratch) {
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

/// Who came later goes on trying when the time of those who came first is up.
fn each_batch_has_its_own_time(scratch: &Scratch) {
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

fn a_held_lock_is_busy(scratch: &Scratch) {
    let store = scratch
        .options()
        .lock_timeout(Duration::from_millis(100))
        .connect(&scratch.url)
        .unwrap();
    let sample = entries(3, 1);
    store.append(&sample[..1]).unwrap();
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let refused = [
        store.append(&sample).err(),
        store.find(&Query::new()).err(),
        store.count(&Query::new()).err(),
        store.purge(&Query::new()).err(),
        store.check().err(),
    ];
    for error in refused {
        let error = error.expect("an error");
        assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
        assert!(error.is_transient());
    }
    sql.run("COMMIT").unwrap();
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
}

fn a_slow_statement_times_out(scratch: &Scratch) {
    let store = scratch
        .options()
        .statement_timeout(Duration::from_millis(200))
        .lock_timeout(Duration::from_secs(60))
        .connect(&scratch.url)
        .unwrap();
    let sample = entries(3, 1);
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let begin = Instant::now();
    for error in [store.append(&sample).err(), store.find(&Query::new()).err()] {
        let error = error.expect("an error");
        assert_eq!(
            kind(&error),
            Some(std::io::ErrorKind::TimedOut),
            "{error:?}"
        );
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    sql.run("COMMIT").unwrap();
    assert_eq!(
        store.count(&Query::new()).unwrap(),
        0,
        "nothing of it was kept"
    );
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
}

/// By milliseconds, and by years: to months that have no partition, and a time from before the
/// ids have one.
fn times_out_of_order_lose_nothing(scratch: &Scratch) {
    let store = scratch.store();
    let now = DateTime::<Utc>::from_timestamp(1_795_000_000, 0).unwrap();
    let back = [
        0,
        1,
        3,
        1_000,
        3_600_000,
        86_400_000 * 400,
        86_400_000 * 30_000,
    ];
    let log = AuditLog::builder().store(store.clone()).build();
    let recorded: Vec<_> = (0..70)
        .map(|number| {
            let draft = log.event(format!("event {number}"));
            let time = now - TimeDelta::milliseconds(back[number % back.len()]);
            draft.at(time).record().unwrap().id().unwrap()
        })
        .collect();
    let found = log.query().all().unwrap();
    assert!(found.is_sorted_by_key(|entry| (entry.timestamp, entry.id)));
    let mut ids: Vec<_> = found.iter().map(|entry| entry.id).collect();
    let mut expected = recorded;
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(log.query().since(now).count().unwrap(), 10);
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
}

fn an_exhausted_pool_times_out(scratch: &Scratch) {
    let store = scratch
        .options()
        .pool_size(1)
        .pool_timeout(Duration::from_millis(100))
        .connect(&scratch.url)
        .unwrap();
    let sample = entries(3, 1);
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| store.count(&Query::new()));
        scratch.wait_for_locks(1);
        let error = store.count(&Query::new()).unwrap_err();
        assert_eq!(
            kind(&error),
            Some(std::io::ErrorKind::TimedOut),
            "{error:?}"
        );
        assert!(error.to_string().contains("pool"), "{error}");
        // Writing has a connection of its own.
        let append = scope.spawn(|| store.append(&sample));
        scratch.wait_for_locks(2);
        sql.run("COMMIT").unwrap();
        assert!(first.join().unwrap().is_ok());
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

/// Such as for the locks of many partitions.
fn what_the_server_has_no_memory_for_is_tried_again(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(
        "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN IF nextval(TG_ARGV[0]) > 2 THEN RETURN NEW; END IF; \
         RAISE 'out of shared memory' USING ERRCODE = '53200', \
             HINT = 'You might need to increase max_locks_per_transaction.'; END $$",
    )
    .unwrap();
    sql.run(&format!(
        "CREATE TRIGGER fail BEFORE INSERT ON audit_entry \
         FOR EACH ROW EXECUTE FUNCTION fail('{}.tries')",
        scratch.schema
    ))
    .unwrap();
    store.append(&entries(1, 1)).unwrap();
    assert_eq!(sql.value("SELECT last_value FROM tries"), "3");
    sql.run("ALTER SEQUENCE tries RESTART; ALTER SEQUENCE tries INCREMENT BY -1 MINVALUE -1000")
        .unwrap();
    let store = scratch
        .options()
        .retry_timeout(Duration::from_millis(100))
        .connect(&scratch.url)
        .unwrap();
    let error = store.append(&entries(1, 2)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(
        text.contains("out of shared memory") && text.contains("max_locks_per_transaction"),
        "{text}"
    );
}

/// A role that may add entries may add what is none.
fn an_entry_that_cannot_be_read_is_named(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(3, 1);
    store.append(&sample).unwrap();
    let id = "0198c5a0-0000-7000-8000-000000000001";
    let sql = scratch.sql();
    sql.run(&format!(
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
         VALUES ('{id}', 0, 20, 'create', 'success', 'M', '1', '{{}}', '{{\"action\":\"e', '')"
    ))
    .unwrap();
    for query in [
        Query::new(),
        Query::new().text("e"),
        Query::new().parent(audit_core::ObjectRef::new("M", "1")),
    ] {
        let error = store.find(&query).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains(id), "{error}");
    }
    // Its columns are enough to remove it.
    assert_eq!(store.purge(&Query::new().model_name("M")).unwrap(), 1);
    assert_kept(&store, &sample);
}
