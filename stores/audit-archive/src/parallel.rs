//! Runs an operation for several numbers on threads that remain: an allocator keeps memory for each thread that has
//! allocated, so that many short-lived ones cost more than they use.

use std::sync::LazyLock;
use std::thread;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

/// The highest count of threads that compute.
const COMPUTING: usize = 4;
/// The count of threads that wait for an object store.
const READING: usize = 8;

/// The threads that run an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The thread that calls.
    Own,
    /// As many as there are processors, and at most four.
    Computing,
    /// More, for operations that wait for the object store.
    Reading,
}

impl Threads {
    /// Returns the pool; `None` for the thread that calls, also if the system starts no others.
    fn pool(self) -> Option<&'static ThreadPool> {
        static POOLS: LazyLock<[Option<ThreadPool>; 2]> = LazyLock::new(|| {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            [
                pool("compute", processors.min(COMPUTING)),
                pool("read", READING),
            ]
        });
        match self {
            Self::Own => None,
            Self::Computing => POOLS[0].as_ref(),
            Self::Reading => POOLS[1].as_ref(),
        }
    }

    /// Returns how many operations run at the same time.
    pub(crate) fn count(self) -> usize {
        self.pool().map_or(1, ThreadPool::current_num_threads)
    }
}

fn pool(name: &'static str, threads: usize) -> Option<ThreadPool> {
    let builder = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| format!("audit-archive-{name}-{number}"));
    // With one thread, the thread that calls does the same without a switch.
    let pool = (threads > 1).then(|| builder.build());
    let pool = pool.transpose().map_err(|error| {
        log::warn!("archives are read and written by one thread: {error}");
    });
    pool.ok().flatten()
}

/// Runs an operation for each number below a count, and returns the results by number.
pub(crate) fn each_of<T: Send>(
    count: usize,
    threads: Threads,
    run: impl Fn(usize) -> T + Sync + Send,
) -> Vec<T> {
    match threads.pool() {
        Some(pool) if count > 1 => {
            let numbers = (0..count).into_par_iter().with_max_len(1);
            pool.install(|| numbers.map(run).collect())
        }
        _ => (0..count).map(run).collect(),
    }
}

/// Runs two operations, at the same time if there are threads.
pub(crate) fn both<A: Send, B: Send>(
    threads: Threads,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    match threads.pool() {
        Some(pool) => pool.join(first, second),
        None => (first(), second()),
    }
}

/// Runs an operation on this thread, which may start others on the threads that compute; it gets `None` if there are
/// none. Returns after all of them.
pub(crate) fn in_scope<'s, T>(run: impl FnOnce(Option<&Scope<'s>>) -> T) -> T {
    match Threads::Computing.pool() {
        Some(pool) => pool.in_place_scope(|scope| run(Some(scope))),
        None => run(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        for threads in [Threads::Own, Threads::Computing, Threads::Reading] {
            let squares: Vec<usize> = (0..100).map(|number| number * number).collect();
            assert_eq!(each_of(100, threads, |number| number * number), squares);
            assert!(each_of(0, threads, |number| number).is_empty());
            assert_eq!(both(threads, || 1, || 2), (1, 2));
        }
    }
}
