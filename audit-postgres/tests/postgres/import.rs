//! Many entries at once.

use audit_core::{Query, Store, StoreError};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = &[
    ("import::many_entries_are_copied", many_entries_are_copied),
    (
        "import::what_is_known_is_kept_once",
        what_is_known_is_kept_once,
    ),
];

fn many_entries_are_copied(scratch: &Scratch) {
    let store = scratch.store();
    let mut sample = entries(10_300, 1);
    sample[0].object_pk = "\0\u{1}".into();
    sample[1].reason = Some("x".repeat(1 << 20));
    sample[2].changes = [audit_core::Change::new(
        "note".parse().unwrap(),
        None,
        Some("a\0b".into()),
    )]
    .into_iter()
    .collect();
    assert_eq!(store.import(sample.clone()).unwrap(), 10_300);
    assert_eq!(store.commits(), 0, "nothing was appended");
    assert_kept(&store, &sample);
}

fn what_is_known_is_kept_once(scratch: &Scratch) {
    let store = scratch.store();
    let sample = entries(10_300, 1);
    store.append(&sample[10_200..10_210]).unwrap();
    for _again in 0..2 {
        assert_eq!(store.import(sample.clone()).unwrap(), 10_300);
        assert_kept(&store, &sample);
    }
    let mut contradicting = entries(50, 2);
    let mut other = sample[7].clone();
    other.reason = Some("another".to_owned());
    contradicting.push(other);
    let error = store.import(contradicting).unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { id } if id == sample[7].id),
        "{error:?}"
    );
    assert_eq!(store.count(&Query::new()).unwrap(), 10_300);
}
