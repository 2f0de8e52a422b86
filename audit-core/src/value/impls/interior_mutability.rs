//! Types with interior mutability, recorded as their content at that moment.
//!
//! All implementations for standard types whose value may change while an `Rc` or `Arc` shares it are in this
//! file.
//!
//! A lock is taken without blocking for longer than 100 ms. A value whose lock is held by another thread for
//! longer, or by the thread that records, is an error of the draft, not a deadlock: recording while a guard
//! is alive is an easy mistake to make. A poisoned lock is an error, too.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::ops::Deref;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{
    Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, TryLockError, TryLockResult,
};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use serde_json::Value;

use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::fields::no_fields;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

/// The time that a comparison or a snapshot waits for a lock held by another thread.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// The pause between two attempts to lock.
const RETRY_INTERVAL: Duration = Duration::from_micros(50);

/// Why a value cannot be read.
enum Unreadable {
    /// It is locked, or mutably borrowed.
    Locked,
    /// A thread panicked while it changed the value.
    Poisoned,
}

/// A value behind a lock or a borrow.
trait Guarded {
    type Value: AuditValue + ?Sized;
    type Guard<'g>: Deref<Target = Self::Value>
    where
        Self: 'g;

    /// Whether another thread may release the lock.
    const SHARED: bool = true;
    /// The message of the error for a locked value.
    const LOCKED: &'static str;
    /// The message of the error for a poisoned value.
    const POISONED: &'static str;

    /// Reads the value without waiting.
    fn try_read(&self) -> Result<Self::Guard<'_>, Unreadable>;

    fn guard(&self) -> Result<Self::Guard<'_>, &'static str> {
        attempt::<Self, _>(|| self.try_read())
    }

    /// Reads two values. Never waits for one while holding the other, so that two threads that
    /// compare the same pair cannot deadlock.
    fn guard_both<'g>(
        &'g self,
        other: &'g Self,
    ) -> Result<(Self::Guard<'g>, Self::Guard<'g>), &'static str> {
        attempt::<Self, _>(|| Ok((self.try_read()?, other.try_read()?)))
    }
}

/// Retries `read` until it succeeds or [`LOCK_TIMEOUT`] has passed: the calling thread may hold
/// the lock itself.
fn attempt<G: Guarded + ?Sized, T>(
    mut read: impl FnMut() -> Result<T, Unreadable>,
) -> Result<T, &'static str> {
    let mut deadline = None;
    loop {
        match read() {
            Ok(value) => return Ok(value),
            Err(Unreadable::Poisoned) => return Err(G::POISONED),
            Err(Unreadable::Locked) if !G::SHARED => return Err(G::LOCKED),
            Err(Unreadable::Locked) => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + LOCK_TIMEOUT);
                if Instant::now() >= deadline {
                    return Err(G::LOCKED);
                }
                thread::sleep(RETRY_INTERVAL);
            }
        }
    }
}

fn acquired<G>(result: TryLockResult<G>) -> Result<G, Unreadable> {
    result.map_err(|error| match error {
        TryLockError::WouldBlock => Unreadable::Locked,
        TryLockError::Poisoned(_) => Unreadable::Poisoned,
    })
}

impl<T: AuditValue + ?Sized> Guarded for RefCell<T> {
    type Value = T;
    type Guard<'g>
        = Ref<'g, T>
    where
        T: 'g;

    const SHARED: bool = false;
    const LOCKED: &'static str = "a `RefCell` is mutably borrowed";
    const POISONED: &'static str = "a `RefCell` cannot be read";

    fn try_read(&self) -> Result<Ref<'_, T>, Unreadable> {
        self.try_borrow().map_err(|_| Unreadable::Locked)
    }
}

impl<T: AuditValue + ?Sized> Guarded for Mutex<T> {
    type Value = T;
    type Guard<'g>
        = MutexGuard<'g, T>
    where
        T: 'g;

    const LOCKED: &'static str = "a `Mutex` is locked: release it before the object is recorded";
    const POISONED: &'static str = "a `Mutex` is poisoned: a thread panicked while it was locked";

    fn try_read(&self) -> Result<MutexGuard<'_, T>, Unreadable> {
        acquired(self.try_lock())
    }
}

impl<T: AuditValue + ?Sized> Guarded for RwLock<T> {
    type Value = T;
    type Guard<'g>
        = RwLockReadGuard<'g, T>
    where
        T: 'g;

    const LOCKED: &'static str =
        "an `RwLock` is locked for writing: release it before the object is recorded";
    const POISONED: &'static str = "an `RwLock` is poisoned: a thread panicked while it was locked";

    fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, Unreadable> {
        acquired(RwLock::try_read(self))
    }
}

macro_rules! guarded {
    ($($(#[$doc:meta])* $cell:ident;)*) => {$(
        $(#[$doc])*
        impl<T: AuditValue + ?Sized> AuditValue for $cell<T> {
            const COMPOSITE: bool = T::COMPOSITE;
            const SET: bool = T::SET;

            fn same(&self, other: &Self) -> bool {
                // A value that cannot be read counts as different: the snapshot reports why.
                ptr::eq(self, other)
                    || self
                        .guard_both(other)
                        .is_ok_and(|(old, new)| old.same(&*new))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                match self.guard() {
                    Ok(value) => value.snapshot(cx),
                    Err(message) => cx.fail(message),
                }
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                if ptr::eq(self, new) {
                    return;
                }
                match self.guard_both(new) {
                    Ok((old, new)) => old.diff(&*new, cx),
                    Err(message) => cx.fail(message.to_owned()),
                }
            }

            fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
                match self.guard() {
                    Ok(value) => value.write_text(out, cx),
                    Err(message) => {
                        cx.fail(message);
                    }
                }
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[FieldSchema::cell(T::fields)] }
            }

            fn unit_names() -> &'static [&'static str] {
                T::unit_names()
            }
        }
    )*};
}

guarded! {
    /// An error while it is mutably borrowed.
    RefCell;
    /// An error if it is poisoned, or locked for longer than 100 ms.
    Mutex;
    /// An error if it is poisoned, or locked for writing for longer than 100 ms.
    RwLock;
}

macro_rules! cells {
    ($($(#[$doc:meta])* [$($generics:tt)*] $cell:ty;)*) => {$(
        $(#[$doc])*
        impl<$($generics)*> AuditValue for $cell {
            const COMPOSITE: bool = T::COMPOSITE;
            const SET: bool = T::SET;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.get().same(&other.get())
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                self.get().snapshot(cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                self.get().diff(&new.get(), cx);
            }

            fn write_text(&self, out: &mut String, cx: &mut Snapshot<'_>) {
                self.get().write_text(out, cx);
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[FieldSchema::cell(T::fields)] }
            }

            fn unit_names() -> &'static [&'static str] {
                T::unit_names()
            }
        }
    )*};
}

cells! {
    [T: AuditValue + Copy] Cell<T>;
    /// Null until it is set.
    [T: AuditValue] OnceCell<T>;
    /// Null until it is set.
    [T: AuditValue] OnceLock<T>;
}

macro_rules! atomics {
    ($($atomic:ident),*) => {$(
        impl AuditValue for $atomic {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.load(Ordering::SeqCst) == other.load(Ordering::SeqCst)
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                self.load(Ordering::SeqCst).snapshot(cx)
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[FieldSchema::cell(no_fields)] }
            }
        }
    )*};
}

atomics!(
    AtomicBool,
    AtomicI8,
    AtomicI16,
    AtomicI32,
    AtomicI64,
    AtomicIsize,
    AtomicU8,
    AtomicU16,
    AtomicU32,
    AtomicU64,
    AtomicUsize
);
