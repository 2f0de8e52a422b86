//! The store that fails on demand.

use audit_core::{Follow, MemoryStore, Query, Store, StoreError, TrailStore};
use audit_testkit::{Fault, FaultStore, conformance, entries};

fn full() -> StoreError {
    StoreError::Full {
        location: "the disk".to_owned(),
    }
}

fn kept(store: &FaultStore<MemoryStore>) -> usize {
    store.inner().len()
}

#[test]
fn the_nth_append_fails_and_only_that_one() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_append(1, Fault::Before(full()));
    store.fail_append(3, Fault::Before(full()));
    let outcomes: Vec<_> = (0..4)
        .map(|seed| store.append(&entries(1, seed)).is_ok())
        .collect();
    assert_eq!(outcomes, [false, true, false, true]);
    assert_eq!((kept(&store), store.appends()), (2, 4));
    store.fail_append(1, Fault::Before(full()));
    assert!(store.append(&entries(1, 9)).is_err(), "counted from now on");
}

#[test]
fn a_lost_answer_leaves_the_entries_kept() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_append(1, Fault::After(full()));
    let sample = entries(5, 1);
    assert!(matches!(
        store.append(&sample),
        Err(StoreError::Full { .. })
    ));
    assert_eq!(kept(&store), 5);
    store.append(&sample).unwrap();
    assert_eq!(kept(&store), 5, "appended again without effect");
}

#[test]
fn everything_fails_until_it_is_healed() {
    let store = FaultStore::new(MemoryStore::new());
    store.fail_appends(Fault::Before(full()));
    store.fail_reads(StoreError::Closed);
    for seed in 0..3 {
        assert!(store.append(&entries(1, seed)).is_err());
    }
    assert!(matches!(store.find(&Query::new()), Err(StoreError::Closed)));
    assert!(store.count(&Query::new()).is_err());
    assert!(store.position().is_err());
    assert!(store.models().is_err());
    store.heal();
    store.append(&entries(1, 1)).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 1);
}

#[test]
fn a_conflict_of_the_inner_store_is_not_hidden() {
    let store = FaultStore::new(MemoryStore::new());
    let mut entry = entries(1, 1);
    store.append(&entry).unwrap();
    entry[0].object_repr.push('!');
    store.fail_append(1, Fault::After(full()));
    assert!(matches!(
        store.append(&entry),
        Err(StoreError::Conflict { .. })
    ));
}

#[test]
fn without_a_fault_it_keeps_the_contract() {
    let store = || FaultStore::new(MemoryStore::new());
    for (_, check) in conformance::CHECKS {
        check(&store());
    }
    for (_, check) in conformance::FOLLOW_CHECKS {
        check(&store());
    }
    for (_, check) in conformance::TRAIL_CHECKS {
        check(&store());
    }
}
