//! A [`Federated`](audit_archive::Federated) as the hot store of the tools: they look for entries in the store that it
//! follows, since the archive has all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use audit_archive::{Error, Verifier, plan_restore, restore};
use audit_core::{Follow, Position, Query, Store, TrailStore};

use super::hooked::Hooked;
use super::scratch::{Folder, trail};
use super::{archive, archiver, federated, prune};

#[test]
fn the_followed_store_is_the_hot_one_also_through_pointers() {
    let (folder, hot) = (Folder::new(), trail(5, 91));
    let location = folder.location();
    archive(hot.clone(), &location);
    let inner = federated(hot.clone(), &location);
    let store: Box<dyn TrailStore> = Box::new(federated(inner, &location));
    let id = hot.find(&Query::new().limit(1)).expect("found").entries[0].id;
    prune(&hot, &location, Query::new());
    let followed = store.followed().expect("the hot store");
    assert_eq!(store.by_ids(&[id]).expect("found").len(), 1);
    assert_eq!(followed.by_ids(&[id]).expect("found"), []);
    assert!(followed.followed().is_none());
}

#[test]
fn an_archiver_recognizes_another_trail_behind_its_archive() {
    let (folder, hot) = (Folder::new(), trail(50, 92));
    let location = folder.location();
    archive(hot.clone(), &location);
    // The newest archived entry leaves by other means than a pruner.
    assert_eq!(hot.purge(&Query::new()).expect("purged"), 50);
    let error = archiver(federated(hot, &location), &location)
        .run_once()
        .expect_err("another trail");
    assert!(matches!(error, Error::OtherTrail { .. }), "{error}");
}

#[test]
fn entries_are_restored_into_the_hot_store() {
    let (folder, hot) = (Folder::new(), trail(50, 93));
    let location = folder.location();
    archive(hot.clone(), &location);
    let all = hot.find(&Query::new().limit(100)).expect("found").entries;
    prune(&hot, &location, Query::new());
    let store = federated(hot.clone(), &location);
    let planned = plan_restore(store.archive(), &store, &Query::new()).expect("planned");
    assert_eq!((planned.restored, planned.existing), (49, 1));
    let done = restore(store.archive(), &store, &Query::new()).expect("restored");
    assert_eq!(done, planned);
    let found = hot.find(&Query::new().limit(100)).expect("found").entries;
    assert_eq!(found, all);
}

/// Entries leave the hot store at any moment of a verification. Through the archive, each would still exist.
#[test]
fn entries_that_leave_the_hot_store_while_it_is_verified_are_not_missing() {
    let steps_of = |step: usize| {
        let (folder, hot) = (Folder::new(), trail(130, 94));
        let location = folder.location();
        archive(hot.clone(), &location);
        // Without the last entry of its first segment, the hot store shows where it ends by the next one.
        let first = hot.committed_after(&Position::START, 40).expect("a batch");
        let last = first.entries.last().expect("an entry");
        let last = (last.id(), audit_sql::checksum(last.bytes()));
        assert_eq!(hot.purge_exact(&[last]).expect("removed"), 1);
        let steps = Arc::new(AtomicUsize::new(0));
        let moving = Hooked::new(hot.clone(), {
            let (steps, location) = (Arc::clone(&steps), location.clone());
            move || {
                if steps.fetch_add(1, Ordering::SeqCst) == step {
                    prune(&hot, &location, Query::new());
                }
            }
        });
        let found = Verifier::new(&location)
            .against(&federated(moving, &location))
            .run()
            .expect("verified");
        assert!(found.is_clean(), "step {step}: {:#?}", found.findings);
        steps.load(Ordering::SeqCst)
    };
    let steps = steps_of(usize::MAX);
    for step in 0..steps {
        steps_of(step);
    }
}
