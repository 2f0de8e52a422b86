//! Values behind locks: an error if they cannot be read, and no deadlock of a thread with
//! itself.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BinaryHeap;
use std::sync::{Mutex, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use audit_core::{AuditValue, ValueError, diff, snapshot, try_diff, try_snapshot};
use serde_json::json;

fn message<T: std::fmt::Debug>(result: Result<T, ValueError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_locked_or_poisoned_value_is_an_error() {
    let mutex = Mutex::new(1);
    let held = mutex.lock().unwrap();
    assert!(message(try_snapshot(&mutex)).contains("a `Mutex` is locked"));
    assert!(message(try_diff(&mutex, &Mutex::new(1))).contains("a `Mutex` is locked"));
    drop(held);
    assert_eq!(snapshot(&mutex), 1);

    let lock = RwLock::new(1);
    let held = lock.write().unwrap();
    assert!(message(try_snapshot(&lock)).contains("an `RwLock` is locked"));
    drop(held);
    let _read = lock.read().unwrap();
    assert_eq!(snapshot(&lock), 1);

    let cell = RefCell::new(1);
    let held = cell.borrow_mut();
    assert!(message(try_snapshot(&cell)).contains("mutably borrowed"));
    drop(held);

    let mutex = Mutex::new(1);
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _held = mutex.lock();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(holder.join().is_err());
    });
    assert!(message(try_snapshot(&mutex)).contains("poisoned"));
}

#[test]
fn a_value_is_the_same_as_itself_without_locking_twice() {
    let mutex = Mutex::new(vec![1]);
    assert!(mutex.same(&mutex));
    assert!(diff(&mutex, &mutex).is_empty());
}

#[test]
fn a_lock_held_by_another_thread_is_awaited() {
    let mutex = Mutex::new(1);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _held = mutex.lock().unwrap();
            send.send(()).unwrap();
            thread::sleep(Duration::from_millis(5));
        });
        receive.recv().unwrap();
        assert_eq!(try_snapshot(&mutex), Ok(json!(1)));
    });
}

#[test]
fn two_threads_that_compare_the_same_pair_do_not_deadlock() {
    let (a, b) = (Mutex::new(1), Mutex::new(2));
    thread::scope(|scope| {
        for (old, new) in [(&a, &b), (&b, &a)] {
            scope.spawn(move || {
                for _ in 0..200 {
                    assert_eq!(try_diff(old, new).map(|changes| changes.len()), Ok(1));
                }
            });
        }
    });
}

#[test]
fn changes_are_reported_inside() {
    let change = |old, new| diff(&Mutex::new(Some(vec![old])), &Mutex::new(Some(vec![new])));
    assert_eq!(change(1, 2).to_string(), "[0]: 1 -> 2");
    assert!(change(1, 1).is_empty());
    let once = OnceCell::new();
    once.set(1).unwrap();
    assert_eq!(diff(&OnceCell::new(), &once)["$"].old, Some(json!(null)));
    assert_eq!(diff(&Cell::new(1), &Cell::new(2)).len(), 1);
    let results = [Ok::<_, String>(vec![1]), Ok(vec![2])];
    assert_eq!(diff(&results[0], &results[1]).to_string(), "Ok[0]: 1 -> 2");
}

#[test]
fn a_heap_is_compared_by_its_items() {
    let heap = |items: &[u8]| items.iter().copied().collect::<BinaryHeap<_>>();
    assert!(diff(&heap(&[3, 1, 2]), &heap(&[1, 2, 3])).is_empty());
    assert_eq!(snapshot(&heap(&[3, 1, 2])), json!([1, 2, 3]));
    assert_eq!(diff(&heap(&[3, 1]), &heap(&[1, 2, 3])).len(), 1);
}
