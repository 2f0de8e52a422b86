//! The operations of tools on a [`TrailStore`].

use audit_core::{DamageReport, LogEntry, Query, StoreError, TrailStore};
use hmac_sha256::Hash;
use uuid::Uuid;

use super::access::{all, append, find, has, must, sorted};
use crate::sample::entries;

/// Entries by their ids, in the order of the ids; unknown ids are left out.
pub fn finds_by_ids(store: &dyn TrailStore) {
    let sample = entries(20, 95);
    append(store, &sample);
    assert_eq!(must(store.by_ids(&[])), []);
    assert_eq!(must(store.by_ids(&[Uuid::nil(), Uuid::max()])), []);
    let asked = [sample[7].id, Uuid::nil(), sample[2].id, sample[19].id];
    let expected = [&sample[7], &sample[2], &sample[19]].map(Clone::clone);
    assert_eq!(must(store.by_ids(&asked)), expected);
}

/// Entries whose ids begin with some digits: in either case, with hyphens, up to a limit.
pub fn finds_by_the_beginning_of_an_id(store: &dyn TrailStore) {
    let sample = with_ids([
        0xa000_0000 << 96 | 1,
        0xa100_0000 << 96 | 2,
        0xb000_0000 << 96 | 3,
    ]);
    append(store, &sample);
    let found = |prefix: &str, limit| must(store.with_id_prefix(prefix, limit));
    assert_eq!(found("a", 9), sample[..2]);
    assert_eq!(found("A1", 9), sample[1..2]);
    assert_eq!(found("a1000000-00", 9), sample[1..2]);
    assert_eq!(found("", 9), sample);
    assert_eq!(found("", 2), sample[..2]);
    assert_eq!(found("a", 0), []);
    assert_eq!(found(&sample[2].id.to_string(), 9), sample[2..]);
    for nothing in ["c", "%", "_", "é", &"0".repeat(33)] {
        assert_eq!(found(nothing, 9), [], "{nothing}");
    }
}

/// Entries whose ids end with some digits: in either case, with hyphens, up to a limit.
pub fn finds_by_the_end_of_an_id(store: &dyn TrailStore) {
    let base = 0xa000_0000 << 96;
    let sample = with_ids([base | 0xabc_def0, base | 0x1abc_def0, base | 0x2abc_def1]);
    append(store, &sample);
    let found = |suffix: &str, limit| must(store.with_id_suffix(suffix, limit));
    assert_eq!(found("0", 9), sample[..2]);
    assert_eq!(found("0", 1), sample[..1]);
    assert_eq!(found("00ABCDEF0", 9), sample[..1]);
    assert_eq!(found("1a-bcdef0", 9), sample[1..2]);
    assert_eq!(found(&sample[2].id.to_string(), 9), sample[2..]);
    for nothing in ["", "-", "_", "%", "5", "é", &"0".repeat(33)] {
        assert_eq!(found(nothing, 9), [], "{nothing}");
    }
}

/// Exactly the entries with the ids and bytes are removed, those of a changed field too. A store that
/// cannot remove by id returns `Unsupported`.
pub fn purges_exact_entries(store: &dyn TrailStore) {
    let sample = sorted(entries(60, 98));
    append(store, &sample);
    let (gone, stay): (Vec<_>, Vec<_>) = sample
        .iter()
        .cloned()
        .partition(|entry| entry.id.as_u128().is_multiple_of(3));
    let exact = |entry: &LogEntry| {
        (
            entry.id,
            Hash::hash(must(entry.to_canonical_json()).as_bytes()),
        )
    };
    let mut exactly: Vec<_> = gone.iter().map(exact).collect();
    let checksum = exactly[0].1;
    exactly.extend([(Uuid::nil(), checksum), exactly[0]]);
    // Entries with other bytes stay.
    exactly.extend(stay.iter().map(|entry| (entry.id, checksum)));
    match store.purge_exact(&exactly) {
        Err(StoreError::Unsupported { .. }) => {
            assert_eq!(all(store), sample);
            return;
        }
        removed => assert_eq!(must(removed), gone.len() as u64),
    }
    assert_eq!(all(store), stay);
    let changed: Vec<_> = stay
        .iter()
        .filter(|e| has(e, &["email"]))
        .cloned()
        .collect();
    assert_eq!(find(store, Query::new().changed("email")), changed);
    assert_eq!(must(store.purge_exact(&exactly)), 0, "a second time");
    assert_eq!(must(store.purge_exact(&[])), 0, "no entries");
    append(store, &gone[..1]);
    assert_eq!(all(store).len(), stay.len() + 1);
}

/// The models, sorted and each once; that of an event is empty.
pub fn lists_models(store: &dyn TrailStore) {
    assert_eq!(must(store.models()), [""; 0]);
    let models = ["User", "", "Invoice", "User", "", "crate::Übung"];
    let sample = models.map(|model| LogEntry::new("update", model, "1", "x"));
    append(store, &sample);
    let expected = ["", "Invoice", "User", "crate::Übung"];
    assert_eq!(must(store.models()), expected);
}

/// The report counts the entries, and has the schema and the plans that were asked for.
pub fn reports_its_health(store: &dyn TrailStore) {
    append(store, &entries(25, 96));
    let queries = [
        ("everything", Query::new()),
        ("a model", Query::new().model_name("User")),
    ];
    let health = must(store.health(&queries));
    assert_eq!(health.entries, 25);
    assert_eq!(health.schema, must(store.schema_version()));
    assert_eq!(health.schema, health.schema_supported);
    assert_eq!(health.plans.is_empty(), health.schema.is_none());
    for (plan, (question, _)) in health.plans.iter().zip(&queries) {
        assert_eq!(plan.question, *question);
        assert!(!plan.steps.is_empty());
    }
    assert_eq!(store.damaged(), DamageReport::default());
}

/// Makes entries with some ids, in ascending order.
fn with_ids<const N: usize>(ids: [u128; N]) -> Vec<LogEntry> {
    let mut sample = entries(N, 97);
    for (entry, id) in sample.iter_mut().zip(ids) {
        entry.id = Uuid::from_u128(id);
    }
    sample
}
