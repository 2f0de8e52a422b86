//! A hot store and its archive return the entries that one store with all of them returns, while
//! entries are archived, removed from the hot store and appended again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use audit_archive::object_store::memory::InMemory;
use audit_archive::{Archiver, Federated, Location};
use audit_core::{
    Action, Cursor, Level, LogEntry, MemoryStore, ObjectRef, Page, Query, Store, TrailStore,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::hooked::Hooked;
use super::{archiver, federated, prune};

const ENTRIES: usize = 60;
const MODELS: [&str; 4] = ["User", "Invoice", "crate::Übung", "o'Brien \"x\""];

/// A step of the writers and the tools of a trail.
#[derive(Clone, Debug)]
enum Step {
    /// Appends the next entries; their times may be before those of entries that exist.
    Append(usize),
    Archive,
    /// Replaces the files of a date by one, and deletes them.
    Compact,
    /// Removes the archived entries of a model from the hot store.
    PruneModel(usize),
    /// Removes the archived entries before that of a number by time.
    PruneUntil(usize),
    /// Appends an entry again.
    Again(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..20_usize).prop_map(Step::Append),
        3 => Just(Step::Archive),
        1 => Just(Step::Compact),
        2 => (0..MODELS.len()).prop_map(Step::PruneModel),
        1 => (0..ENTRIES).prop_map(Step::PruneUntil),
        1 => (0..ENTRIES).prop_map(Step::Again),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let condition = (0..9_usize, 0..ENTRIES, 0..20_u32);
    (
        any::<bool>(),
        1..8_usize,
        vec(condition, 0..3),
        any::<u64>(),
    )
        .prop_map(|(newest_first, limit, conditions, seed)| {
            let sample = audit_testkit::entries(ENTRIES, seed % SEEDS);
            let mut query = Query::new().limit(limit);
            for (kind, number, pk) in conditions {
                let time = sample[number].timestamp;
                query = match kind {
                    0 => query.model_name(MODELS[number % 4]),
                    1 => query.object_pk(pk),
                    2 => query.action(Action::Update),
                    3 => query.actor("alice"),
                    4 => query.level_at_least(Level::Warning),
                    5 => query.since(time),
                    6 => query.until(time),
                    7 => query.changed("email"),
                    _ => query.not(Query::new().model_name(MODELS[number % 4])),
                };
            }
            if newest_first {
                query.newest_first()
            } else {
                query
            }
        })
}

/// The number of different trails.
const SEEDS: u64 = 16;

/// A trail: in a hot store and an archive, and all of it in one store.
struct Trail {
    entries: Vec<LogEntry>,
    appended: usize,
    hot: MemoryStore,
    location: Location,
    archiver: Archiver<MemoryStore>,
    all: MemoryStore,
}

impl Trail {
    fn new(seed: u64, order: &[prop::sample::Index]) -> Self {
        let mut entries = audit_testkit::entries(ENTRIES, seed % SEEDS);
        // Commits in another order than that of the times.
        for (at, index) in order.iter().enumerate() {
            let other = index.index(entries.len());
            entries.swap(at, other);
        }
        let hot = MemoryStore::new();
        let location = Location::new(Arc::new(InMemory::new()), "trail").expect("a location");
        let archiver = archiver(hot.clone(), &location);
        let mut trail = Self {
            entries,
            appended: 0,
            hot,
            location,
            archiver,
            all: MemoryStore::new(),
        };
        trail.run(&Step::Append(5));
        trail.run(&Step::Archive);
        trail
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(number) => {
                let end = self.entries.len().min(self.appended + number);
                let next = &self.entries[self.appended..end];
                self.hot.append(next).expect("appended");
                self.all.append(next).expect("appended");
                self.appended = end;
            }
            Step::Archive => drop(self.archiver.run_once().expect("a run")),
            Step::Compact => drop(self.archiver.compact().expect("compacted")),
            Step::PruneModel(model) => {
                let query = Query::new().model_name(MODELS[*model]);
                prune(&self.hot, &self.location, query);
            }
            Step::PruneUntil(number) => {
                let mut times: Vec<_> = self.entries.iter().map(|entry| entry.timestamp).collect();
                times.sort_unstable();
                prune(
                    &self.hot,
                    &self.location,
                    Query::new().until(times[*number]),
                );
            }
            Step::Again(number) => {
                if let Some(entry) = self.entries[..self.appended].get(*number) {
                    self.hot
                        .append(std::slice::from_ref(entry))
                        .expect("appended");
                }
            }
        }
    }
}

fn entries(store: &dyn Store, query: &Query) -> Vec<LogEntry> {
    store
        .find(&query.clone().limit(1_000))
        .expect("a page")
        .entries
}

/// Compares each kind of read with the store that has all entries.
fn check(store: &Federated, all: &MemoryStore, query: &Query) -> Result<(), TestCaseError> {
    let (mut found, mut rest) = (Vec::new(), query.clone());
    loop {
        let Page { entries, next, .. } = store.find(&rest).expect("a page");
        prop_assert!(!entries.is_empty() || next.is_none());
        found.extend(entries);
        match next {
            Some(next) => rest = rest.after(next),
            None => break,
        }
    }
    let expected = entries(all, query);
    prop_assert_eq!(&found, &expected);
    prop_assert_eq!(store.count(query).expect("a count"), expected.len() as u64);

    let lines = |store: &dyn Store, query: &Query| {
        let mut lines = Vec::new();
        let count = store.export(query, &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        (count.expect("exported"), lines)
    };
    prop_assert_eq!(lines(store, query), lines(all, query));

    let mut objects = Vec::new();
    let mut after: Option<ObjectRef> = None;
    loop {
        let next = store.objects(query, after.as_ref()).expect("objects");
        let Some(last) = next.last() else { break };
        after = Some(ObjectRef::new(last.model.clone(), last.object_pk.clone()));
        objects.extend(next);
    }
    prop_assert_eq!(objects, all.objects(query, None).expect("objects"));

    prop_assert_eq!(
        store.models().expect("models"),
        all.models().expect("models")
    );
    let ids: Vec<_> = expected.iter().map(|entry| entry.id).collect();
    prop_assert_eq!(store.by_ids(&ids).expect("entries"), expected);
    if let Some(id) = ids.first() {
        let text = id.simple().to_string();
        for limit in [1, 3, 100] {
            prop_assert_eq!(
                store.with_id_prefix(&text[..6], limit).expect("entries"),
                all.with_id_prefix(&text[..6], limit).expect("entries")
            );
            prop_assert_eq!(
                store.with_id_suffix(&text[31..], limit).expect("entries"),
                all.with_id_suffix(&text[31..], limit).expect("entries")
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64)
    ))]

    /// Between two reads, entries are archived, removed, and appended again.
    #[test]
    fn reads_as_one_store(
        seed: u64,
        order in vec(any::<prop::sample::Index>(), ENTRIES),
        steps in vec(step(), 0..12),
        query in query(),
    ) {
        let mut trail = Trail::new(seed, &order);
        let store = federated(trail.hot.clone(), &trail.location);
        check(&store, &trail.all, &query)?;
        for step in &steps {
            trail.run(step);
            check(&store, &trail.all, &query)?;
        }
    }

    /// Before and after each read of the hot store, and so between those of both sides, the next steps
    /// run. Pages have the entries that existed at their start, once and in order, and no others than
    /// those that were appended.
    #[test]
    fn reads_as_one_store_while_entries_move(
        seed: u64,
        order in vec(any::<prop::sample::Index>(), ENTRIES),
        begin in 5..ENTRIES,
        steps in vec(vec(step(), 0..5), 0..12),
        query in query(),
    ) {
        let mut trail = Trail::new(seed, &order);
        trail.run(&Step::Append(begin));
        let before = entries(&trail.all, &query);
        let (hot, location, all) = (trail.hot.clone(), trail.location.clone(), trail.all.clone());
        let moving = Mutex::new((trail, steps.into_iter()));
        let store = federated(
            Hooked::new(hot, move || {
                let mut moving = moving.lock().expect("a trail");
                let (trail, steps) = &mut *moving;
                for step in steps.next().unwrap_or_default() {
                    trail.run(&step);
                }
            }),
            &location,
        );
        let (mut found, mut rest) = (Vec::new(), query.clone());
        while let Some(next) = {
            let page = store.find(&rest).expect("a page");
            found.extend(page.entries);
            page.next
        } {
            rest = rest.after(next);
        }
        let keys: Vec<Cursor> = found.iter().map(Cursor::of).collect();
        let in_order = |a: &Cursor, b: &Cursor| if query.is_newest_first() { a > b } else { a < b };
        prop_assert!(keys.is_sorted_by(in_order));
        let keys: BTreeSet<Cursor> = keys.into_iter().collect();
        for entry in &before {
            prop_assert!(keys.contains(&Cursor::of(entry)), "{} is missing", entry.id);
        }
        let count = store.count(&query).expect("a count");
        let after = entries(&all, &query);
        for entry in &found {
            prop_assert!(after.contains(entry));
        }
        prop_assert!((before.len() as u64..=after.len() as u64).contains(&count));
    }
}
