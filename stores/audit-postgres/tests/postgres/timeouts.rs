//! Locks, slow statements and an exhausted pool end in time.

use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Cancellation, Query, Store, StoreError};
use audit_testkit::entries;

use crate::Test;
use crate::network::kind;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    a_held_lock_is_busy,
    a_slow_statement_times_out,
    a_cancelled_query_ends_on_the_server,
    an_exhausted_pool_times_out,
    out_of_shared_memory_is_retried,
];

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

fn a_cancelled_query_ends_on_the_server(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(3, 1);
    store.append(&sample).unwrap();
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let cancellation = Cancellation::new();
    // The columns decide the first two queries, and entries the third.
    let queries = [
        Query::new(),
        Query::new().newest_first(),
        Query::new().text("x"),
    ];
    let queries = queries.map(|query| query.cancelled_by(&cancellation));
    thread::scope(|scope| {
        let store = &store;
        let found = queries.each_ref();
        let found = found.map(|query| scope.spawn(move || store.find(query)));
        let counted = scope.spawn(|| store.count(&queries[0]));
        scratch.wait_for_locks(4);
        cancellation.cancel();
        for found in found {
            let found = found.join().unwrap();
            assert!(matches!(found, Err(StoreError::Cancelled)), "{found:?}");
        }
        let counted = counted.join().unwrap();
        assert!(matches!(counted, Err(StoreError::Cancelled)), "{counted:?}");
    });
    scratch.wait_for_no_locks();
    sql.run("COMMIT").unwrap();
    assert_kept(&store, &sample);
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
        // One of its own, and one of those that futures share.
        let counts = [(); 2].map(|()| scope.spawn(|| store.count(&Query::new())));
        scratch.wait_for_locks(2);
        let error = store.count(&Query::new()).unwrap_err();
        assert_eq!(
            kind(&error),
            Some(std::io::ErrorKind::TimedOut),
            "{error:?}"
        );
        assert!(error.to_string().contains("pool"), "{error}");
        // Writing has a connection of its own.
        let append = scope.spawn(|| store.append(&sample));
        scratch.wait_for_locks(3);
        sql.run("COMMIT").unwrap();
        for count in counts {
            assert!(count.join().unwrap().is_ok());
        }
        append.join().unwrap().unwrap();
    });
    assert_kept(&store, &sample);
}

/// Such as for the locks of many partitions.
fn out_of_shared_memory_is_retried(scratch: &Scratch) {
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
