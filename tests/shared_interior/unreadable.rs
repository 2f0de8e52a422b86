//! Tracked objects that cannot be read report why.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};

use auditlog::prelude::*;

use crate::content::log;

/// Asserts that the changes, the text and the entry of a tracked object tell an error.
fn tells_of_an_error<T: Auditable + Clone + 'static>(
    tracked: &mut auditlog::Tracked<T>,
    error: &str,
) {
    let found = tracked.changes().expect_err("an error");
    assert!(found.to_string().contains(error), "{found}");
    let text = format!("{tracked:?}");
    assert!(text.contains(error), "{text}");
    let recorded = tracked.draft().record().expect_err("an error");
    assert!(recorded.to_string().contains(error), "{recorded}");
}

fn tracked<T: Auditable + Clone + 'static>(object: T) -> auditlog::Tracked<T> {
    let log = log();
    log.register::<T>();
    log.track(object)
}

#[test]
fn a_tracked_object_that_cannot_be_read_tells_why() {
    #[derive(Auditable, Clone)]
    #[audit(repr = "{id} {held}")]
    struct Holder<T> {
        id: u32,
        held: T,
    }
    macro_rules! held {
        ($($guard:ident $error:literal $held:expr;)*) => {$({
            let held = $held;
            let other = held.clone();
            let mut object = tracked(Holder { id: 1, held });
            let guard = other.$guard();
            tells_of_an_error(&mut object, $error);
            drop(object);
            drop(guard);
        })*};
    }
    held! {
        borrow_mut "a `RefCell` is mutably borrowed" Rc::new(RefCell::new(1));
        lock "a `Mutex` is locked" Arc::new(Mutex::new(1));
        write "an `RwLock` is locked" Arc::new(RwLock::new(1));
    }
}

#[derive(Auditable, Clone, Default)]
struct Ring {
    id: u32,
    next: Rc<RefCell<Option<Ring>>>,
}

#[test]
fn a_tracked_ring_tells_why_it_cannot_be_read() {
    let ring = Ring::default();
    let again = ring.clone();
    let mut before = tracked(ring.clone());
    ring.next.replace(Some(again));
    tells_of_an_error(&mut before, "deep");
    tells_of_an_error(&mut tracked(ring.clone()), "deep");
    drop(before);
    ring.next.replace(None);
}
