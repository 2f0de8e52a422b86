//! The state of the running thread, or of the future that it polls: the log in use, the
//! context, and the open transaction.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::LocalKey;

use crate::critical::log_or_print;

thread_local! {
    /// The number of the next frame of the thread.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// The number of a frame that no guard leaves: a future begins with it.
const UNGUARDED: u64 = u64::MAX;

/// The entered values of a thread, innermost last.
pub(crate) struct Stack<T> {
    frames: RefCell<Frames<T>>,
}

/// The frames of a thread, or those that a suspended future keeps.
///
/// A frame is found by its number when its guard is dropped. Guards of one scope are dropped
/// innermost first; in any other order, frames of futures that share a thread have mixed.
#[derive(Debug)]
pub(crate) struct Frames<T> {
    list: Vec<(u64, T)>,
    /// The positions at which the frames of each polled future begin, outermost first.
    bases: Vec<usize>,
}

impl<T> Frames<T> {
    pub(crate) const fn new() -> Self {
        Self {
            list: Vec::new(),
            bases: Vec::new(),
        }
    }

    /// Frames that begin with one.
    pub(crate) fn with(value: T) -> Self {
        Self {
            list: vec![(UNGUARDED, value)],
            bases: Vec::new(),
        }
    }
}

impl<T> Stack<T> {
    pub(crate) const fn new() -> Self {
        Self {
            frames: RefCell::new(Frames::new()),
        }
    }
}

/// A thing that is entered in a thread.
///
/// # Frames
/// A thread has a stack of frames for each kind: contexts, logs, transactions. A guard has the number of
/// its frame and removes that frame when it is dropped, even if others are above it; then the guards were
/// dropped out of order, both frames are notified through [`mixed`](Self::mixed), and the log is warned.
///
/// A future carries its own frames between polls. `swap` replaces those of the thread while it is polled,
/// as contexts do; `resume` puts them on top, as logs and transactions do, so that the future still sees
/// the log of its thread.
pub(crate) trait Ambient: Sized + 'static {
    /// The kind of guard, for the warning about guards that mix.
    const NAME: &'static str;

    /// Returns what is entered on a thread.
    fn stack() -> &'static LocalKey<Stack<Self>>;

    /// Runs `read` with the frames of this thread; `None` while the thread ends.
    fn with_frames<R>(read: impl FnOnce(&mut Frames<Self>) -> R) -> Option<R> {
        let frames = |stack: &Stack<Self>| read(&mut stack.frames.borrow_mut());
        Self::stack().try_with(frames).ok()
    }

    /// Notes that its frame mixed with those of another future.
    fn mixed(&self) {}

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

    /// Changes the innermost value; `None` if the stack is empty.
    fn change_innermost<R>(change: impl FnOnce(&mut Self) -> R) -> Option<R> {
        Self::with_frames(|frames| frames.list.last_mut().map(|(_, value)| change(value))).flatten()
    }

    /// Enters `self` until the guard is dropped.
    fn enter(self) -> Entered<Self> {
        let number = Self::with_frames(|frames| {
            let number = NEXT.try_with(|next| next.replace(next.get() + 1)).ok()?;
            frames.list.push((number, self));
            Some(number)
        });
        Entered {
            number: number.flatten(),
            _thread: PhantomData,
            _kind: PhantomData,
        }
    }

    /// Makes `frames` those of the thread until the guard is dropped, which takes them back.
    fn swap(frames: &mut Frames<Self>) -> Swapped<'_, Self> {
        Self::with_frames(|current| std::mem::swap(current, frames));
        Swapped { frames }
    }

    /// Puts `frames` on top of those of the thread until the guard is dropped, which takes them
    /// back together with what was entered since.
    fn resume(frames: &mut Frames<Self>) -> Resumed<'_, Self> {
        Self::with_frames(|current| {
            current.bases.push(current.list.len());
            current.list.append(&mut frames.list);
        });
        Resumed { frames }
    }
}

/// Leaves what was entered when dropped. Stays on its thread.
#[derive(Debug)]
pub(crate) struct Entered<T: Ambient> {
    /// `None` once it is left, and on a thread that ends.
    number: Option<u64>,
    // As a lock's guard: it stays on its thread, but may be looked at from others.
    _thread: PhantomData<MutexGuard<'static, ()>>,
    _kind: PhantomData<T>,
}

impl<T: Ambient> Entered<T> {
    /// Leaves what was entered, and returns whether nothing that was entered later is left.
    pub(crate) fn leave(&mut self) -> bool {
        let Some(number) = self.number.take() else {
            return true;
        };
        let left = T::with_frames(|frames| {
            let mut entered = frames.list.iter();
            let at = entered.rposition(|(entered, _)| *entered == number)?;
            let mixed = at + 1 < frames.list.len();
            if mixed {
                for (_, value) in &frames.list[at..] {
                    value.mixed();
                }
            }
            for base in &mut frames.bases {
                *base -= usize::from(*base > at);
            }
            Some((mixed, frames.list.remove(at)))
        });
        let ordered = match left {
            // The thread ends.
            None => true,
            // It was left where it was not entered.
            Some(None) => false,
            // Dropped outside of the borrow: dropping a log may enter another.
            Some(Some((mixed, frame))) => {
                drop(frame);
                !mixed
            }
        };
        if !ordered {
            report_mixed(T::NAME);
        }
        ordered
    }
}

impl<T: Ambient> Drop for Entered<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Warns of guards that were dropped out of order, each time that their number has doubled.
#[cold]
fn report_mixed(name: &str) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    if count.is_power_of_two() {
        log_or_print(
            log::Level::Warn,
            &format!(
                "the guard of an audit {name} was dropped before one that was entered after it ({count} so far), so entries may have the wrong actor or transaction: drop the inner guard first, and do not hold guards across `.await`; use `in_audit_context` and `transaction_async` for futures"
            ),
        );
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

/// Takes a future's frames off those of the thread when dropped.
pub(crate) struct Resumed<'f, T: Ambient> {
    frames: &'f mut Frames<T>,
}

impl<T: Ambient> Drop for Resumed<'_, T> {
    fn drop(&mut self) {
        T::with_frames(|current| {
            if let Some(base) = current.bases.pop() {
                self.frames.list = current.list.split_off(base.min(current.list.len()));
            }
        });
    }
}
