//! Jobs of readers on one or two threads.

use std::sync::mpsc;

use futures::executor::block_on;

use super::Admission::{Continued, Limited};
use super::*;

const LIMITS: Limits = Limits {
    threads: 1,
    waiting: 1,
    reader_threads: 1,
    reader_waiting: 1,
    timeout: Duration::from_secs(600),
};
const ALICE: &str = "alice";
const PAGE: &str = "search";

/// Occupies the thread of a pool until a message is sent.
fn occupy(pool: &Pool) -> (Job<()>, mpsc::Sender<()>) {
    loop {
        let (started, has_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let running = pool.run(Continued, ALICE, PAGE, move |_| {
            started.send(()).expect("the test listens");
            released.recv().expect("the test releases");
        });
        // A short timeout may be over before the job runs.
        if has_started.recv().is_ok() {
            return (running, release);
        }
    }
}

#[test]
fn a_job_has_a_result() {
    let pool = Pool::start(LIMITS).expect("threads");
    assert_eq!(block_on(pool.run(Limited, ALICE, PAGE, |_| 7)), Ok(7));
    assert_eq!(pool.lengths(), (0, 0));
}

#[test]
fn a_panic_is_reported_and_the_thread_survives() {
    let pool = Pool::start(LIMITS).expect("threads");
    assert_eq!(
        block_on(pool.run(Limited, ALICE, PAGE, |_| panic!("as planned"))),
        Err::<(), _>(JobError::Panicked)
    );
    assert_eq!(block_on(pool.run(Limited, ALICE, PAGE, |_| 7)), Ok(7));
}

#[test]
fn more_jobs_than_may_wait_are_rejected() {
    let pool = Pool::start(LIMITS).expect("threads");
    let (running, release) = occupy(&pool);
    let waiting = pool.run(Limited, ALICE, PAGE, |_| 2);
    assert_eq!(
        block_on(pool.run(Limited, ALICE, PAGE, |_| 3)),
        Err(JobError::Busy)
    );
    let continued = pool.run(Continued, ALICE, PAGE, |_| 4);
    release.send(()).expect("the job runs");
    assert_eq!(block_on(running), Ok(()));
    assert_eq!(block_on(waiting), Ok(2));
    assert_eq!(block_on(continued), Ok(4));
}

#[test]
fn a_pool_without_a_queue_runs_a_job_for_each_thread() {
    let limits = Limits {
        waiting: 0,
        reader_waiting: 0,
        ..LIMITS
    };
    let pool = Pool::start(limits).expect("threads");
    for number in 0..100 {
        assert_eq!(
            block_on(pool.run(Limited, ALICE, PAGE, move |_| number)),
            Ok(number)
        );
    }
    let (running, release) = occupy(&pool);
    assert_eq!(
        block_on(pool.run(Limited, ALICE, PAGE, |_| 1)),
        Err(JobError::Busy)
    );
    release.send(()).expect("the job runs");
    assert_eq!(block_on(running), Ok(()));
}

#[test]
fn a_cancelled_job_leaves_the_queue() {
    let pool = Pool::start(LIMITS).expect("threads");
    let (running, release) = occupy(&pool);
    for _ in 0..100 {
        drop(pool.run(Limited, ALICE, PAGE, |_| 2));
    }
    // Only the job that runs has a deadline.
    assert_eq!(pool.lengths(), (0, 1));
    let waiting = pool.run(Limited, ALICE, PAGE, |_| 3);
    release.send(()).expect("the job runs");
    assert_eq!(block_on(waiting), Ok(3));
    assert_eq!(block_on(running), Ok(()));
}

#[test]
fn a_job_whose_timeout_is_over_leaves_the_queue() {
    let limits = Limits {
        timeout: Duration::from_millis(1),
        ..LIMITS
    };
    let pool = Pool::start(limits).expect("threads");
    let (running, release) = occupy(&pool);
    for _ in 0..3 {
        assert_eq!(
            block_on(pool.run(Limited, ALICE, PAGE, |_| 2)),
            Err(JobError::TimedOut)
        );
    }
    release.send(()).expect("the job runs");
    assert_eq!(block_on(running), Err(JobError::TimedOut));
}

#[test]
fn the_longest_timeout_never_ends() {
    let limits = Limits {
        timeout: Duration::MAX,
        ..LIMITS
    };
    let pool = Pool::start(limits).expect("threads");
    assert_eq!(block_on(pool.run(Limited, ALICE, PAGE, |_| 7)), Ok(7));
}

#[test]
fn a_running_job_whose_timeout_is_over_is_cancelled() {
    let limits = Limits {
        timeout: Duration::ZERO,
        ..LIMITS
    };
    let pool = Pool::start(limits).expect("threads");
    let (cancelled, was_cancelled) = mpsc::channel();
    let job = pool.run(Limited, ALICE, PAGE, move |cancellation| {
        while !cancellation.is_cancelled() {
            thread::yield_now();
        }
        cancelled.send(()).ok();
    });
    assert_eq!(block_on(job), Err(JobError::TimedOut));
    // The job may have been cancelled before it ran; then the sender is dropped.
    was_cancelled.recv().ok();
}

#[test]
fn a_dropped_job_is_cancelled() {
    let pool = Pool::start(LIMITS).expect("threads");
    let (started, has_started) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let running = pool.run(Limited, ALICE, PAGE, move |cancellation| {
        started.send(()).expect("the test listens");
        while !cancellation.is_cancelled() {
            thread::yield_now();
        }
        ended.send(()).expect("the test listens");
    });
    has_started.recv().expect("the job runs");
    drop(running);
    has_ended.recv().expect("the job ends");
}

#[test]
fn one_reader_does_not_occupy_all_threads_and_the_queue() {
    let limits = Limits {
        threads: 2,
        waiting: 4,
        reader_threads: 1,
        reader_waiting: 2,
        ..LIMITS
    };
    let pool = Pool::start(limits).expect("threads");
    let (running, release) = occupy(&pool);
    let waiting = [1, 2].map(|number| pool.run(Limited, ALICE, PAGE, move |_| number));
    let rejected = block_on(pool.run(Limited, ALICE, PAGE, |_| 3));
    assert_eq!(rejected, Err(JobError::ReaderBusy(3)));
    // The other thread runs the jobs of other readers, although those of Alice are older.
    assert_eq!(block_on(pool.run(Limited, "bob", PAGE, |_| 4)), Ok(4));
    // The jobs that continue one of Alice wait, too.
    let continued = pool.run(Continued, ALICE, PAGE, |_| 5);
    assert_eq!(block_on(pool.run(Limited, "bob", PAGE, |_| 6)), Ok(6));
    release.send(()).expect("the job runs");
    assert_eq!(block_on(running), Ok(()));
    assert_eq!(waiting.map(block_on), [Ok(1), Ok(2)]);
    assert_eq!(block_on(continued), Ok(5));
    drop(pool.run(Limited, "carol", PAGE, |_| 7));
    while pool.readers() > 0 {
        thread::yield_now();
    }
}
