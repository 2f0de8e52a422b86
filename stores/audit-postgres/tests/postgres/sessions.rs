//! The number and state of sessions, and that readers do not block writers.

use std::future::Future as _;
use std::pin::pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Query, Store};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::Test;
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    dropped_futures_leave_no_more_than_the_pool,
    a_thread_leaves_no_transaction_open,
    readers_do_not_block_writers,
    the_largest_settings_are_accepted,
];

/// Counts the sessions of a test's store of which something is true.
fn sessions(sql: &Sql, scratch: &Scratch, condition: &str) -> usize {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND {condition}",
        scratch.schema
    );
    sql.value(&count).parse().unwrap()
}

/// Waits until there are at most so many. One that is closed takes the server a moment to end.
fn wait_for(most: usize, sql: &Sql, scratch: &Scratch, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let found = sessions(sql, scratch, condition);
        if found <= most {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{found} sessions have {condition}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn named(scratch: &Scratch) -> String {
    scratch.with_parameter("application_name", &scratch.schema)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// With questions that wait for a lock, which would do so for much longer than the test.
fn dropped_futures_leave_no_more_than_the_pool(scratch: &Scratch) {
    let store = scratch
        .options()
        .pool_size(2)
        .pool_timeout(Duration::from_secs(30))
        .lock_timeout(Duration::from_secs(300))
        .statement_timeout(Duration::from_secs(300))
        .connect(&named(scratch))
        .unwrap();
    store.append(&entries(20, 1)).unwrap();
    let (lock, sql) = (scratch.sql(), Sql::connect(&scratch.url));
    lock.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let runtime = runtime();
    let question = Query::new().text("e");
    let give_up = |at_once| {
        let asked = (0..at_once).map(|_| async {
            let patience = Duration::from_millis(20);
            timeout(patience, store.find_async(&question))
                .await
                .is_err()
        });
        let given_up = runtime.block_on(async { join_all(asked).await });
        assert!(given_up.into_iter().all(|given_up| given_up));
    };
    for _ in 0..40 {
        give_up(1);
        // Two that read, and one that writes.
        wait_for(3, &sql, scratch, "true");
    }
    give_up(40);
    wait_for(3, &sql, scratch, "true");
    // Nothing is left behind on the server, and none of it keeps anybody waiting.
    wait_for(0, &sql, scratch, "state <> 'idle'");
    lock.run("COMMIT").unwrap();
    let answers = runtime.block_on(join_all((0..8).map(|_| store.find_async(&question))));
    for answer in answers {
        assert_eq!(answer.unwrap().entries.len(), 20);
    }
    wait_for(3, &sql, scratch, "true");
}

/// Nobody drives its connection after its question.
fn a_thread_leaves_no_transaction_open(scratch: &Scratch) {
    let store = scratch.options().connect(&named(scratch)).unwrap();
    store.append(&entries(20, 1)).unwrap();
    let sql = Sql::connect(&scratch.url);
    store.find(&Query::new().text("e")).unwrap();
    wait_for(0, &sql, scratch, "state <> 'idle'");
    store.check().unwrap();
    wait_for(0, &sql, scratch, "state <> 'idle'");
}

/// A waker that blocks the thread that calls it: the one that answers a query.
struct Keeping {
    kept: Mutex<Sender<()>>,
    gate: Mutex<Receiver<()>>,
}

impl Wake for Keeping {
    fn wake(self: Arc<Self>) {
        self.kept.lock().unwrap().send(()).unwrap();
        let _opened = self.gate.lock().unwrap().recv();
    }
}

fn readers_do_not_block_writers(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(10, 1);
    store.append(&sample[..5]).unwrap();
    let ((kept, is_kept), (open, gate)) = (mpsc::channel(), mpsc::channel::<()>());
    let keeping = Keeping {
        kept: Mutex::new(kept),
        gate: Mutex::new(gate),
    };
    let (query, waker) = (Query::new(), Arc::new(keeping).into());
    let mut find = pin!(store.find_async(&query));
    // So that the answer does not come before it is waited for.
    let sql = scratch.sql();
    sql.run("BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let asked = find.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(asked.is_pending());
    sql.run("COMMIT").unwrap();
    is_kept.recv().unwrap();
    let (done, answer) = mpsc::channel();
    let written = thread::scope(|scope| {
        let (store, sample) = (&store, &sample);
        scope.spawn(move || done.send(store.append(&sample[5..])).unwrap());
        let written = answer.recv_timeout(Duration::from_secs(10));
        drop(open);
        written
    });
    written.expect("it waits for the reader").unwrap();
    let page = runtime().block_on(find).unwrap();
    assert_eq!(page.entries.len(), 5);
    assert_kept(&store, &sample);
}

fn the_largest_settings_are_accepted(scratch: &Scratch) {
    let store = PostgresStore::options()
        .schema(&scratch.schema)
        .pool_size(usize::MAX)
        .queue(usize::MAX)
        .connect_timeout(Duration::MAX)
        .pool_timeout(Duration::MAX)
        .statement_timeout(Duration::MAX)
        .lock_timeout(Duration::MAX)
        .retry_timeout(Duration::MAX)
        .connect(&scratch.url)
        .unwrap();
    let sample = entries(5, 1);
    store.append(&sample).unwrap();
    assert_kept(&store, &sample);
    let page = runtime().block_on(store.find_async(&Query::new())).unwrap();
    assert_eq!(page.entries.len(), 5);
}
