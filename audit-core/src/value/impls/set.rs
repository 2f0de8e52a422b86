//! Sets, compared by membership.
//!
//! A set is recorded as an array in the total order of JSON values, and the path of a change is the text of
//! the member: `roles['admin']`. The index of the member in the sorted array is in [`Change::at`], so that
//! the change can be applied to a snapshot and be converted to a JSON Patch.
//!
//! [`Change::at`]: crate::Change::at

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use serde_json::Value;

use super::list_like::{Items, ListLike};
use crate::change::{Redaction, exact_text, member_text};
use crate::json::order::compare_values;
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::capture::Tag;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::{Snapshot, comparable_value};

/// Records the members of a set as an array ordered by value, so that equal sets have equal
/// snapshots.
pub(super) fn snapshot_set<'v, T: AuditValue + 'v>(
    members: impl Iterator<Item = &'v T>,
    cx: &mut Snapshot<'_>,
) -> Value {
    cx.nested(|cx| {
        let mut members: Vec<Value> = members.map(|member| member.snapshot(cx)).collect();
        members.sort_by(compare_values);
        cx.tagged(Tag::Set, Value::Array(members))
    })
}

/// The members of a set, each with whether the other set lacks it.
struct Members {
    values: Vec<Member>,
    redacted: bool,
}

struct Member {
    value: Value,
    /// Whether the other set lacks it.
    unmatched: bool,
    redacted: bool,
}

impl Members {
    fn record<'v, T: AuditValue + 'v>(
        members: impl Iterator<Item = (&'v T, bool)>,
        cx: &mut Diff<'_>,
    ) -> Self {
        let mut values: Vec<Member> = members
            .map(|(member, unmatched)| {
                let (value, redacted) = cx.record(member);
                Member {
                    value,
                    unmatched,
                    redacted,
                }
            })
            .collect();
        values.sort_by(|a, b| compare_values(&a.value, &b.value));
        let redacted = values.iter().any(|member| member.redacted);
        Self { values, redacted }
    }

    /// Returns whether two members have equal values, as masked ones may.
    fn ambiguous(&self) -> bool {
        self.values
            .windows(2)
            .any(|pair| compare_values(&pair[0].value, &pair[1].value).is_eq())
    }

    /// Returns the members that the other set lacks, with their indices.
    fn unmatched(&self) -> impl Iterator<Item = (usize, &Member)> {
        let members = self.values.iter().enumerate();
        members.filter(|(_, member)| member.unmatched)
    }

    fn into_array(self) -> Value {
        self.values.into_iter().map(|member| member.value).collect()
    }
}

/// Reports added and removed members, ordered by their text.
///
/// A set in which two members have the same snapshot is recorded whole.
pub(super) fn diff_sets<'v, T: AuditValue + 'v>(
    old: impl Iterator<Item = (&'v T, bool)> + Clone,
    new: impl Iterator<Item = (&'v T, bool)> + Clone,
    cx: &mut Diff<'_>,
) {
    if !old
        .clone()
        .chain(new.clone())
        .any(|(_, unmatched)| unmatched)
    {
        return;
    }
    if cx.probing() {
        return cx.differs();
    }
    let (old, new) = (Members::record(old, cx), Members::record(new, cx));
    if old.ambiguous() || new.ambiguous() {
        let redaction = (old.redacted || new.redacted).then_some(Redaction::Partial);
        return cx.push(Some(old.into_array()), Some(new.into_array()), redaction);
    }
    let mut differing = Differing::named(&old, &new, member_text);
    if differing.values().any(|(old, new)| {
        matches!((&old[..], &new[..]), ([_, _, ..], _) | (_, [_, _, ..]))
            || matches!((&old[..], &new[..]), ([old], [new]) if old.1.value != new.1.value)
    }) {
        // Two members have the same name, such as the number 1 and the text "1".
        differing = Differing::named(&old, &new, exact_text);
    }
    for (name, (old, new)) in &differing {
        let (old, new) = (old.first(), new.first());
        let Some(index) = old.or(new).map(|(index, _)| *index) else {
            continue;
        };
        let redacted = [old, new].into_iter().flatten().any(|(_, m)| m.redacted);
        let value = |member: &(usize, &Member)| member.1.value.clone();
        cx.at(Segment::Member { name, index }, |cx| {
            let redaction = redacted.then_some(Redaction::Partial);
            cx.push(old.map(value), new.map(value), redaction);
        });
    }
}

/// The removed and the added members, by name.
type Differing<'m> = BTreeMap<Cow<'m, str>, (Vec<(usize, &'m Member)>, Vec<(usize, &'m Member)>)>;

trait Named<'m> {
    fn named(old: &'m Members, new: &'m Members, name: fn(&'m Value) -> Cow<'m, str>) -> Self;
}

impl<'m> Named<'m> for Differing<'m> {
    fn named(old: &'m Members, new: &'m Members, name: fn(&'m Value) -> Cow<'m, str>) -> Self {
        let mut differing = Self::new();
        for member in old.unmatched() {
            let (old, _) = differing.entry(name(&member.1.value)).or_default();
            old.push(member);
        }
        for member in new.unmatched() {
            let (_, new) = differing.entry(name(&member.1.value)).or_default();
            new.push(member);
        }
        differing
    }
}

/// `#[audit(set)]`: a list compared without regard to order and repetition.
///
/// Members are the same if the trail treats them as equal and their snapshots are equal.
#[derive(Debug)]
pub struct AsSet<'v, L: ?Sized>(pub &'v L);

/// Returns the distinct members of a list, indexed by snapshot. Members whose snapshots are equal
/// only because they are masked stay distinct.
fn members<T: AuditValue>(items: Items<'_, T>) -> AsSetMembers<'_, T> {
    let mut index: HashMap<Value, Vec<&T>> = HashMap::with_capacity(items.len());
    let mut members = Vec::with_capacity(items.len());
    for member in items.iter() {
        let value = comparable_value(member);
        let candidates = index.entry(value.clone()).or_default();
        if !candidates
            .iter()
            .any(|candidate| T::same(candidate, member))
        {
            candidates.push(member);
            members.push((member, value));
        }
    }
    AsSetMembers { index, members }
}

/// The distinct members of a list, with an index by snapshot.
struct AsSetMembers<'v, T> {
    index: HashMap<Value, Vec<&'v T>>,
    members: Vec<(&'v T, Value)>,
}

impl<'v, T: AuditValue> AsSetMembers<'v, T> {
    fn has(&self, member: &T, value: &Value) -> bool {
        let candidates = self.index.get(value);
        candidates.is_some_and(|candidates| {
            candidates
                .iter()
                .any(|candidate| T::same(candidate, member))
        })
    }

    /// Returns the members, each with whether the other set lacks it.
    fn without<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = (&'v T, bool)> + Clone + 's {
        self.members
            .iter()
            .map(move |(member, value)| (*member, !other.has(member, value)))
    }
}

impl<L: ListLike + ?Sized> AuditValue for AsSet<'_, L> {
    const COMPOSITE: bool = true;

    fn same(&self, other: &Self) -> bool {
        match (self.0.list(), other.0.list()) {
            // Fast path for lists that are the same item by item.
            (Some(old), Some(new)) => {
                old.same(new) || {
                    let (old, new) = (members(old), members(new));
                    let mut all = old.without(&new).chain(new.without(&old));
                    !all.any(|(_, unmatched)| unmatched)
                }
            }
            (None, None) => true,
            _ => false,
        }
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match self.0.list() {
            Some(items) => {
                let members = members(items);
                snapshot_set(members.members.iter().map(|(member, _)| *member), cx)
            }
            None => Value::Null,
        }
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self.0.list(), new.0.list()) {
            (Some(old), Some(new)) if old.same(new) => {}
            (Some(old), Some(new)) => {
                let (old, new) = (members(old), members(new));
                diff_sets(old.without(&new), new.without(&old), cx);
            }
            (None, None) => {}
            _ => cx.replace(Some(self), Some(new)),
        }
    }

    fn fields() -> &'static [FieldSchema] {
        L::Item::fields()
    }
}

/// Expands to whether a set has a member that the trail treats as equal, which may compare more than `Eq`.
macro_rules! has {
    ($set:expr, $member:expr) => {
        $set.get($member).is_some_and(|found| found.same($member))
    };
}

macro_rules! sets {
    ($([$($bound:tt)*] [$($generics:tt)*] $set:ty;)*) => {$(
        impl<T: AuditValue $($bound)* $($generics)*> AuditValue for $set {
            const COMPOSITE: bool = true;
            const SET: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                self.len() == other.len() && self.iter().all(|member| has!(other, member))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                snapshot_set(self.iter(), cx)
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                diff_sets(
                    self.iter().map(|member| (member, !has!(new, member))),
                    new.iter().map(|member| (member, !has!(self, member))),
                    cx,
                );
            }

            fn fields() -> &'static [FieldSchema] {
                T::fields()
            }
        }
    )*};
}

sets! {
    [+ Ord] [] BTreeSet<T>;
    [+ Eq + Hash] [, S: BuildHasher] HashSet<T, S>;
}

#[cfg(feature = "indexmap")]
sets! {
    [+ Eq + Hash] [, S: BuildHasher] indexmap::IndexSet<T, S>;
}
