//! Runs an operation for several numbers on threads.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The highest count of threads that compute.
const THREADS: usize = 4;

/// Returns how many threads compute at the same time.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(THREADS))
}

/// Runs an operation for each number below a count on some threads, and returns the results by number.
pub(crate) fn each_of<T: Send>(
    count: usize,
    threads: usize,
    run: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(count);
    if threads < 2 {
        return (0..count).map(run).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let numbers = numbers.take_while(|number| *number < count);
        numbers.map(|number| (number, run(number))).collect()
    };
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done: Vec<(usize, T)> = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        for threads in [0, 1, 3, 200] {
            let squares: Vec<usize> = (0..100).map(|number| number * number).collect();
            assert_eq!(each_of(100, threads, |number| number * number), squares);
        }
        assert!(each_of(0, 4, |number| number).is_empty());
    }
}
