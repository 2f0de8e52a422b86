//! Requests that fail or take long.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_archive::object_store::throttle::{ThrottleConfig, ThrottledStore};
use audit_archive::{Error, Location, Pruner, verify};
use audit_testbed::{S3Server, send};

use crate::faulty::{Fault, Faulty};
use crate::scratch::{append, trail};
use crate::{Bucket, archiver, verified};

/// After each number of requests, the server accepts the credentials no longer.
pub(crate) fn credentials_that_expire() {
    let server = S3Server::start().expect("a server");
    let accept = |requests: &str| {
        let url = format!("{}/moto-api/reset-auth", server.url());
        assert_eq!(
            send("POST", &url, &[], requests).expect("a response").0,
            200
        );
    };
    let bucket = Bucket::at(server.url(), "expire", &[]);
    let location = Location::new(bucket.objects(), "trails").expect("a location");
    let store = trail(120, 171);
    let mut refused = 0;
    for requests in 0..200 {
        accept(&requests.to_string());
        let result = archiver(&store, &location).run_once();
        accept("inf");
        match result {
            Ok(_) => break,
            Err(error) => {
                let is_refusal = error.to_string().contains("InvalidAccessKeyId")
                    && matches!(error, Error::Objects { .. });
                assert!(is_refusal, "after {requests} requests: {error}");
                refused += 1;
            }
        }
        match verify(&location) {
            Ok(found) => assert!(found.is_clean(), "{:#?}", found.findings),
            Err(error) => assert!(matches!(error, Error::NoArchive { .. }), "{error}"),
        }
    }
    assert!(refused > 10, "{refused} runs");
    let found = verified(&location, &store);
    assert_eq!((found.entries, found.orphans.len()), (120, 0));

    // No entry leaves the hot store if the archive cannot be read.
    accept("3");
    let error = Pruner::new(&store, &location).run().expect_err("refused");
    assert!(matches!(error, Error::Objects { .. }), "{error}");
    assert_eq!(store.len(), 120);
}

pub(crate) fn a_slow_store_and_one_that_never_responds() {
    let bucket = Bucket::new("slow");
    let store = trail(150, 172);
    let wait = Duration::from_millis(40);
    let slow = ThrottleConfig {
        wait_get_per_call: wait,
        wait_put_per_call: wait,
        wait_list_per_call: wait,
        ..ThrottleConfig::default()
    };
    let slow = ThrottledStore::new(bucket.objects(), slow);
    let location = Location::new(Arc::new(slow), "trails").expect("a location");
    let hurried = location.clone().time_limit(Duration::from_millis(5));
    let error = archiver(&store, &hurried).run_once().expect_err("no time");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(
        archiver(&store, &location)
            .run_once()
            .expect("a run")
            .entries,
        150
    );
    assert_eq!(verified(&location, &store).entries, 150);

    // Accepts connections, and never reads.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let silent = bucket.builder().with_endpoint(&endpoint).build();
    let silent = Location::new(Arc::new(silent.expect("a store")), "").expect("a location");
    let silent = silent.time_limit(Duration::from_millis(100));
    let begin = Instant::now();
    let error = archiver(&store, &silent)
        .run_once()
        .expect_err("no response");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    drop(listener);
    let gone = bucket.builder().with_endpoint(&endpoint).build();
    let gone = Location::new(Arc::new(gone.expect("a store")), "").expect("a location");
    let gone = gone.time_limit(Duration::from_secs(2));
    let error = archiver(&store, &gone).run_once().expect_err("no server");
    assert!(error.is_transient(), "{error}");
}

pub(crate) fn each_third_request_fails() {
    let bucket = Bucket::new("third");
    let store = trail(250, 173);
    let location = Faulty::around(bucket.objects(), "trails", |number, _, _| {
        match number % 6 {
            2 => Fault::Before,
            5 => Fault::After,
            _ => Fault::Nothing,
        }
    });
    let archiver = archiver(&store, &location);
    assert_eq!(archiver.run_once().expect("a run").entries, 250);
    append(&store, 100, 174);
    assert_eq!(archiver.run_once().expect("a run").entries, 100);
    assert!(archiver.compact().expect("compacted").replaced > 0);
    let found = verified(&location, &store);
    assert_eq!((found.entries, found.orphans.len()), (350, 0));
    let removed = Pruner::new(&store, &location)
        .run()
        .expect("pruned")
        .removed;
    assert_eq!(removed, 349);
}
