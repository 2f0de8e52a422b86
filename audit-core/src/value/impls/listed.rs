//! Lists that can be matched by key or compared as a set.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::list::diff_lists;
use crate::value::AuditValue;
use crate::value::diff::Diff;

/// What a field marked `key` or `set` may hold: a list, or an option or a pointer of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list, so its items cannot be matched",
    note = "`#[audit(key = ..)]` and `#[audit(set)]` go on a `Vec`, a `VecDeque`, a slice or an array, and on an `Option` or a pointer of one"
)]
pub trait Listed {
    /// The items.
    type Item: AuditValue;

    /// Returns the items; `None` where the list is null.
    fn list(&self) -> Option<Items<'_, Self::Item>>;
}

/// The items of a list, which a `VecDeque` has in two parts.
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

    /// Returns the item at an index that is below the length.
    pub(super) fn at(self, index: usize) -> &'v T {
        match self.front.get(index) {
            Some(item) => item,
            None => &self.back[index - self.front.len()],
        }
    }

    /// Whether both lists are the same item by item.
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

impl<T: AuditValue> Listed for [T] {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        Some(Items {
            front: self,
            back: &[],
        })
    }
}

impl<T: AuditValue> Listed for Vec<T> {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        self.as_slice().list()
    }
}

impl<T: AuditValue, const N: usize> Listed for [T; N] {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        self.as_slice().list()
    }
}

impl<T: AuditValue> Listed for VecDeque<T> {
    type Item = T;

    fn list(&self) -> Option<Items<'_, T>> {
        let (front, back) = self.as_slices();
        Some(Items { front, back })
    }
}

impl<L: Listed> Listed for Option<L> {
    type Item = L::Item;

    fn list(&self) -> Option<Items<'_, L::Item>> {
        self.as_ref().and_then(Listed::list)
    }
}

impl<L: Listed + ToOwned + ?Sized> Listed for Cow<'_, L> {
    type Item = L::Item;

    fn list(&self) -> Option<Items<'_, L::Item>> {
        L::list(self)
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<L: Listed + ?Sized> Listed for $pointer {
            type Item = L::Item;

            fn list(&self) -> Option<Items<'_, L::Item>> {
                L::list(self)
            }
        }
    )*};
}

pointers!(&L, Box<L>, Rc<L>, Arc<L>);
