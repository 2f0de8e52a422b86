//! Rule 2: what was appended survives.

use audit_core::Store;

use super::access::{all, append, sorted};
use crate::sample::entries;

/// Rule 2: what was appended is found by the store that `open` returns next.
///
/// Not part of [`CHECKS`](super::CHECKS): `open` opens the same place again and again, after what it
/// returned before was dropped.
///
/// # Panics
/// Panics if anything is missing or different.
pub fn keeps_after_reopening(open: &dyn Fn() -> Box<dyn Store>) {
    let sample = entries(120, 71);
    for part in sample.chunks(40) {
        append(&*open(), part);
    }
    assert_eq!(all(&*open()), sorted(sample), "after reopening");
}
