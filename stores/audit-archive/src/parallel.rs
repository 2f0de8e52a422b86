//! Runs an operation for several numbers on threads. Those that compute remain, and are those of all archives of the
//! process: an allocator keeps memory for each thread that has allocated much. Those that wait for an object store are
//! new for each call, so that a slow store delays no other one.

use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Returns how many operations run at the same time.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Own => 1,
            Self::Computing => pool().map_or(1, ThreadPool::current_num_threads),
            Self::Reading => READING,
        }
    }
}

/// Returns the threads that compute; `None` if the system has one processor or starts no threads.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        if processors < 2 {
            return None;
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(processors.min(COMPUTING))
            .thread_name(|number| format!("audit-archive-{number}"))
            .build();
        pool.map_err(|error| {
            log::warn!("archives are encoded and decoded by one thread: {error}");
        })
        .ok()
    });
    POOL.as_ref()
}

/// Runs an operation for each number below a count, and returns the results by number.
pub(crate) fn each_of<T: Send>(
    count: usize,
    threads: Threads,
    run: impl Fn(usize) -> T + Sync + Send,
) -> Vec<T> {
    match (threads, pool()) {
        _ if count < 2 => (0..count).map(run).collect(),
        (Threads::Computing, Some(pool)) => {
            let numbers = (0..count).into_par_iter().with_max_len(1);
            pool.install(|| numbers.map(run).collect())
        }
        (Threads::Reading, _) => reading(count, run),
        _ => (0..count).map(run).collect(),
    }
}

/// Runs an operation for each number below a count, on threads of this call.
fn reading<T: Send>(count: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let numbers = numbers.take_while(|number| *number < count);
        numbers.map(|number| (number, run(number))).collect()
    };
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let others = 1..count.min(READING);
        let others: Vec<_> = others.map(|_| scope.spawn(work)).collect();
        let mut done: Vec<(usize, T)> = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, value)| value).collect()
}

/// Runs two operations, at the same time on the threads that compute.
pub(crate) fn both<A: Send, B: Send>(
    threads: Threads,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    match pool().filter(|_| threads == Threads::Computing) {
        Some(pool) => pool.join(first, second),
        None => (first(), second()),
    }
}

/// Runs an operation on this thread, which may start others on the threads that compute; it gets `None` if there are
/// none. Returns after all of them.
pub(crate) fn in_scope<'s, T>(run: impl FnOnce(Option<&Scope<'s>>) -> T) -> T {
    match pool() {
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
