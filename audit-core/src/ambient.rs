//! What belongs to the running thread, or to the future it polls: the log in use, the
//! context, and the open transaction.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};

use crate::context::ContextData;
use crate::log::AuditLog;
use crate::transaction::Staging;

thread_local! {
    static LOGS: Stack<AuditLog> = const { Stack::new() };
    static CONTEXTS: Stack<Arc<ContextData>> = const { Stack::new() };
    static TRANSACTIONS: Stack<Arc<Staging>> = const { Stack::new() };
}

/// What is entered on a thread, innermost last.
///
/// A frame is found by its number when it is left, so guards may be dropped in any order.
struct Stack<T> {
    frames: RefCell<Frames<T>>,
}

/// The frames of a thread, or those that a suspended future keeps.
#[derive(Debug)]
pub(crate) struct Frames<T> {
    next: u64,
    list: Vec<(u64, T)>,
}

impl<T> Frames<T> {
    const fn new() -> Self {
        Self {
            next: 0,
            list: Vec::new(),
        }
    }

    /// Frames that begin with one.
    pub(crate) fn with(value: T) -> Self {
        Self {
            next: 1,
            list: vec![(0, value)],
        }
    }
}

impl<T> Stack<T> {
    const fn new() -> Self {
        Self {
            frames: RefCell::new(Frames::new()),
        }
    }
}

/// A thing that is entered in a thread.
pub(crate) trait Ambient: Sized + 'static {
    /// Runs `read` with the frames of this thread; `None` while the thread ends.
    #[doc(hidden)]
    fn with_frames<R>(read: impl FnOnce(&mut Frames<Self>) -> R) -> Option<R>;

    /// Returns the innermost one.
    fn innermost() -> Option<Self>
    where
        Self: Clone,
    {
        Self::find(|value| Some(value.clone()))
    }

    /// Returns what `find` makes of the innermost one for which it makes something.
    fn find<R>(find: impl FnMut(&Self) -> Option<R>) -> Option<R> {
        Self::with_frames(|frames| {
            let mut find = find;
            frames.list.iter().rev().find_map(|(_, value)| find(value))
        })
        .flatten()
    }

    /// Enters `self` until the guard is dropped.
    fn enter(self) -> Entered<Self> {
        let number = Self::with_frames(|frames| {
            let number = frames.next;
            frames.next += 1;
            frames.list.push((number, self));
            number
        });
        Entered {
            number,
            _thread: PhantomData,
            _kind: PhantomData,
        }
    }

    /// Makes `frames` those of the thread until the guard is dropped, which takes them back.
    fn swap(frames: &mut Frames<Self>) -> Swapped<'_, Self> {
        Self::with_frames(|current| std::mem::swap(current, frames));
        Swapped { frames }
    }
}

macro_rules! ambient {
    ($($type:ty => $stack:ident),*) => {$(
        impl Ambient for $type {
            fn with_frames<R>(read: impl FnOnce(&mut Frames<Self>) -> R) -> Option<R> {
                $stack.try_with(|stack| read(&mut stack.frames.borrow_mut())).ok()
            }
        }
    )*};
}

ambient!(AuditLog => LOGS, Arc<ContextData> => CONTEXTS, Arc<Staging> => TRANSACTIONS);

/// Leaves what was entered when dropped. Stays on its thread.
#[derive(Debug)]
pub(crate) struct Entered<T: Ambient> {
    number: Option<u64>,
    // As a lock's guard: it stays on its thread, but may be looked at from others.
    _thread: PhantomData<MutexGuard<'static, ()>>,
    _kind: PhantomData<T>,
}

impl<T: Ambient> Drop for Entered<T> {
    fn drop(&mut self) {
        let left = T::with_frames(|frames| {
            let at = frames
                .list
                .iter()
                .rposition(|(number, _)| Some(*number) == self.number)?;
            Some(frames.list.remove(at))
        });
        // Outside the borrow: dropping a log may enter another.
        drop(left);
    }
}

/// Takes a future's frames back from the thread when dropped.
pub(crate) struct Swapped<'f, T: Ambient> {
    frames: &'f mut Frames<T>,
}

impl<T: Ambient> Drop for Swapped<'_, T> {
    fn drop(&mut self) {
        T::with_frames(|current| std::mem::swap(current, self.frames));
    }
}
