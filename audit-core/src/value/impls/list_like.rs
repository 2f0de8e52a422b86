//! The list types that `key` and `set` accept.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::list::diff_lists;
use crate::value::AuditValue;
use crate::value::diff::Diff;

/// A type that a field marked `key` or `set` may have: a list, or an option of or a pointer to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list, so its items cannot be matched",
    note = "`#[audit(key = ..)]` and `#[audit(set)]` go on a `Vec`, a `VecDeque`, a slice or an array, and on an `Option` of or a pointer to one"
)]
pub trait ListLike {
    /// The type of the items.
    type Item: AuditValue;

    /// Returns the items, or `None` if the list is null.
    fn list(&self) -> Option<Items<'_, Self::Item>>;
}

/// The items of a list, in two slices for a `VecDeque`.
#[derive(Debug)]
pub struct Items<'v, T> {
    front: &'v [T],
    back: &'v [T],
}

impl<T> Clone for Items<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Items<'_, T> {}

impl<'v, T: AuditValue> Items<'v, T> {
    pub(super) fn len(self) -> usize {
        self.front.len() + self.back.len()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'v T> + Clone {
        self.front.iter().chain(self.back)
    }

    /// Returns the item at an index less than the length.
    pub(super) fn at(self, index: usize) -> &'v T {
        match self.front.get(index) {
            Some(item) => item,
            None => &self.back[index - self.front.len()],
        }
    }

    /// Returns whether both lists are the same, item by item.
    pub(super) fn same(self, other: Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(old, new)| old.same(new))
    }

    /// Compares by position.
    pub(super) fn diff(self, new: Self, cx: &mut Diff<'_>) {
        if self.back.is_empty() && new.back.is_empty() {
            return self.front.diff(new.front, cx);
        }
        let (old, new): (Vec<&T>, Vec<&T>) = (self.iter().collect(), new.iter().collect());
        diff_lists(old.iter().copied(), new.iter().copied(), cx);
    }
}

impl<T: AuditValue> ListLike for [T] {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        Some(Items {
            front: self,
            back: &[],
        })
    }
}

impl<T: AuditValue> ListLike for Vec<T> {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        self.as_slice().list()
    }
}

impl<T: AuditValue, const N: usize> ListLike for [T; N] {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        self.as_slice().list()
    }
}

impl<T: AuditValue> ListLike for VecDeque<T> {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        let (front, back) = self.as_slices();
        Some(Items { front, back })
    }
}

impl<L: ListLike> ListLike for Option<L> {
    type Item = L::Item;

    fn list(&self) -> Option<Items<'_, L::Item>> {
        self.as_ref().and_then(ListLike::list)
    }
}

impl<L: ListLike + ToOwned + ?Sized> ListLike for Cow<'_, L> {
    type Item = L::Item;

    fn list(&self) -> Option<Items<'_, L::Item>> {
        L::list(self)
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<L: ListLike + ?Sized> ListLike for $pointer {
            type Item = L::Item;

            fn list(&self) -> Option<Items<'_, L::Item>> {
                L::list(self)
            }
        }
    )*};
}

pointers!(&L, Box<L>, Rc<L>, Arc<L>);
