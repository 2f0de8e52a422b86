//! Changes as a tree of edits, on which they are inverted, composed and applied.
//!
//! A flat list of paths says what changed, but the index of an item in a path refers to the old or the new
//! list depending on the change. The tree has them apart: the edits of a list are the items that are
//! removed, inserted, moved and edited inside, each by the index of the list that it refers to.
//!
//! - [`compile`] builds the tree from changes, and rejects changes that contradict each other.
//! - [`Edit`] is applied to a state in time linear in its size and that of the touched lists.
//! - [`ChangeWriter`] renders a tree as changes again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Change, Changes, Move, Redaction};
use crate::json::nesting::{self, MAX_DEPTH};
use crate::path::{MAX_INDEX, Path, PathSegment, Segment};

/// The edit of one value.
#[derive(Debug)]
pub(super) enum Edit {
    /// The value is replaced, added or removed.
    Replace(Replace),
    /// Fields of an object are edited.
    Fields(Vec<(String, Edit)>),
    /// Items of an array are edited.
    Items(Items),
}

/// The replacement of a value; `None` means absent.
#[derive(Debug, Default)]
pub(super) struct Replace {
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
    pub(super) redaction: Option<Redaction>,
}

/// The edits of an array's items.
///
/// The new array results from the old one by taking out `removed` and `moved` and then putting
/// `inserted` and `moved` at their new indices. No index is in two maps that refer to the same
/// array, except that `kept`, which has the edits inside items, may include moved items.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// By index in the old array.
    pub(super) removed: BTreeMap<usize, Item>,
    /// By index in the new array.
    pub(super) inserted: BTreeMap<usize, Item>,
    /// By index in the old array.
    pub(super) moved: BTreeMap<usize, Moved>,
    /// By index in the old array.
    pub(super) kept: BTreeMap<usize, Kept>,
}

/// A removed or inserted item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) label: Option<Label>,
    pub(super) value: Value,
    pub(super) redaction: Option<Redaction>,
}

/// A moved item.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) label: Option<Label>,
    /// The index in the new array.
    pub(super) to: usize,
}

/// An item that is edited inside.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) label: Option<Label>,
    pub(super) edit: Edit,
}

/// The property by which a path identifies an item, if not its index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    /// By a field of the item.
    Key { field: String, value: Value },
    /// By the text of a set's member.
    Member(String),
}

impl Label {
    pub(super) fn segment(&self, index: usize) -> Segment<'_> {
        match self {
            Self::Key { field, value } => Segment::Match {
                field,
                value,
                index,
            },
            Self::Member(name) => Segment::Member { name, index },
        }
    }

    fn to_path_segment(&self) -> PathSegment {
        match self {
            Self::Key { field, value } => PathSegment::Match {
                field: field.clone(),
                value: value.clone(),
            },
            Self::Member(name) => PathSegment::Name(name.clone()),
        }
    }

    fn from_path_segment(segment: &PathSegment) -> Option<Self> {
        match segment {
            PathSegment::Match { field, value } => Some(Self::Key {
                field: field.clone(),
                value: value.clone(),
            }),
            PathSegment::Name(name) => Some(Self::Member(name.clone())),
            PathSegment::Index(_) => None,
        }
    }
}

/// The path of changes that contradict each other, are incomplete or nest too deeply.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) Path);

/// Builds the tree; `None` if there are no changes.
pub(super) fn compile(changes: &[Change]) -> Result<Option<Edit>, Malformed> {
    if changes.is_empty() {
        return Ok(None);
    }
    let mut root = Trie::default();
    for change in changes {
        root.insert(change)?;
    }
    root.build().map(Some)
}

/// The changes, by the steps of their paths.
#[derive(Default)]
struct Trie<'c> {
    change: Option<&'c Change>,
    children: Vec<(Step, Trie<'c>)>,
    lookup: HashMap<Step, usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Step {
    Name(String),
    Index(usize),
    Label(Label, usize),
}

impl<'c> Trie<'c> {
    fn insert(&mut self, change: &'c Change) -> Result<(), Malformed> {
        let malformed = || Malformed(change.path.clone());
        let steps = steps(change).ok_or_else(malformed)?;
        let mut node = self;
        for step in steps {
            let index = if let Some(&index) = node.lookup.get(&step) {
                index
            } else {
                node.lookup.insert(step.clone(), node.children.len());
                node.children.push((step, Trie::default()));
                node.children.len() - 1
            };
            node = &mut node.children[index].1;
        }
        match node.change.replace(change) {
            None => Ok(()),
            Some(_) => Err(malformed()),
        }
    }

    /// Returns an error with the path of one of the changes.
    fn malformed(&self) -> Malformed {
        let mut node = self;
        loop {
            match (node.change, node.children.first()) {
                (Some(change), _) => return Malformed(change.path.clone()),
                (None, Some((_, child))) => node = child,
                (None, None) => return Malformed(Path::ROOT),
            }
        }
    }

    fn build(self) -> Result<Edit, Malformed> {
        let malformed = self.malformed();
        let moves = self.change.filter(|change| !change.moved.is_empty());
        if self.children.is_empty() && moves.is_none() {
            return match self.change {
                Some(change) => Ok(Edit::Replace(Replace {
                    old: change.old.clone(),
                    new: change.new.clone(),
                    redaction: change.redaction,
                })),
                None => Err(malformed),
            };
        }
        if let Some(change) = self.change
            && (moves.is_none() || change.old.is_some() || change.new.is_some())
        {
            // The value is both replaced and edited inside.
            return Err(malformed);
        }
        let named = |(step, _): &(Step, Trie<'_>)| matches!(step, Step::Name(_));
        if moves.is_none() && self.children.iter().all(named) {
            let mut fields = Vec::with_capacity(self.children.len());
            for (step, child) in self.children {
                if let Step::Name(name) = step {
                    fields.push((name, child.build()?));
                }
            }
            return Ok(Edit::Fields(fields));
        }
        if self.children.iter().any(named) {
            return Err(malformed);
        }
        let mut items = Items::default();
        for step in moves.into_iter().flat_map(|change| &change.moved) {
            let label = Label::from_path_segment(&step.item);
            let entry = Moved { label, to: step.to };
            if step.from > MAX_INDEX
                || step.to > MAX_INDEX
                || items.moved.insert(step.from, entry).is_some()
            {
                return Err(malformed);
            }
        }
        for (step, child) in self.children {
            items.add(step, child)?;
        }
        items.check().ok_or(malformed)?;
        Ok(Edit::Items(items))
    }
}

/// Returns the steps of a change's path, with their indices.
fn steps(change: &Change) -> Option<Vec<Step>> {
    // Copies of values that nest too deeply would overflow the stack when dropped.
    let values = [&change.old, &change.new];
    if values.into_iter().flatten().any(nesting::too_deep) {
        return None;
    }
    let segments = change.path.segments();
    if segments.len() > MAX_DEPTH + 1 || change.at.iter().any(|index| *index > MAX_INDEX) {
        return None;
    }
    let mut at = change.at.iter().copied();
    let mut steps = Vec::with_capacity(segments.len());
    for segment in segments {
        steps.push(match segment {
            PathSegment::Name(name) => Step::Name(name),
            PathSegment::Index(index) => Step::Index(index),
            PathSegment::Match { field, value } => {
                Step::Label(Label::Key { field, value }, at.next()?)
            }
        });
    }
    if let Some(index) = at.next() {
        // An additional index: the last step is a set's member.
        match steps.pop() {
            Some(Step::Name(name)) => steps.push(Step::Label(Label::Member(name), index)),
            _ => return None,
        }
    }
    at.next().is_none().then_some(steps)
}

/// Inserts a value at an index; `None` if the index is occupied.
fn insert_new<T>(map: &mut BTreeMap<usize, T>, index: usize, value: T) -> Option<()> {
    match map.entry(index) {
        Entry::Vacant(entry) => {
            entry.insert(value);
            Some(())
        }
        Entry::Occupied(_) => None,
    }
}

impl Items {
    fn add(&mut self, step: Step, mut child: Trie<'_>) -> Result<(), Malformed> {
        let malformed = child.malformed();
        let (label, index) = match step {
            Step::Index(index) => (None, index),
            Step::Label(label, index) => (Some(label), index),
            Step::Name(_) => return Err(malformed),
        };
        let own = child.change.filter(|change| change.moved.is_empty());
        let inserted = if let Some(change) = own {
            child.change = None;
            let item = |value: &Value| Item {
                label: label.clone(),
                value: value.clone(),
                redaction: change.redaction,
            };
            let inside = !child.children.is_empty();
            match (&change.old, &change.new) {
                (Some(old), Some(new)) if label.is_some() && !inside => insert_new(
                    &mut self.kept,
                    index,
                    Kept {
                        label,
                        edit: Edit::Replace(Replace {
                            old: Some(old.clone()),
                            new: Some(new.clone()),
                            redaction: change.redaction,
                        }),
                    },
                ),
                (Some(old), Some(new)) if !inside => {
                    insert_new(&mut self.removed, index, item(old))
                        .and_then(|()| insert_new(&mut self.inserted, index, item(new)))
                }
                (Some(old), None) if !inside => insert_new(&mut self.removed, index, item(old)),
                (None, Some(new)) if !inside => insert_new(&mut self.inserted, index, item(new)),
                // An insertion at an index of the new array is independent of an edit inside the
                // item at the same index of the old one.
                (None, Some(new)) if label.is_none() => {
                    insert_new(&mut self.inserted, index, item(new));
                    let edit = child.build()?;
                    insert_new(&mut self.kept, index, Kept { label, edit })
                }
                _ => None,
            }
        } else {
            let edit = child.build()?;
            insert_new(&mut self.kept, index, Kept { label, edit })
        };
        inserted.ok_or(malformed)
    }

    /// Checks that no item is both removed and kept, and no new index is used twice.
    fn check(&self) -> Option<()> {
        let is_removed = |index: &usize| self.removed.contains_key(index);
        let mut to: Vec<usize> = self.moved.values().map(|moved| moved.to).collect();
        to.sort_unstable();
        let fine = !self.moved.keys().any(is_removed)
            && !self.kept.keys().any(is_removed)
            && to.is_sorted_by(|a, b| a < b)
            && !to.iter().any(|to| self.inserted.contains_key(to));
        fine.then_some(())
    }

    /// Returns the indices of removed and moved items in the old array, ascending.
    pub(super) fn vacated_indices(&self) -> Vec<usize> {
        let mut vacated: Vec<usize> = self
            .removed
            .keys()
            .chain(self.moved.keys())
            .copied()
            .collect();
        vacated.sort_unstable();
        vacated
    }

    /// Returns the indices of inserted and moved items in the new array, ascending.
    pub(super) fn target_indices(&self) -> Vec<usize> {
        let moved = self.moved.values().map(|moved| moved.to);
        let mut targets: Vec<usize> = self.inserted.keys().copied().chain(moved).collect();
        targets.sort_unstable();
        targets
    }

    pub(super) fn index_shift(&self) -> IndexShift {
        IndexShift {
            vacated: self.vacated_indices(),
            targets: self.target_indices(),
        }
    }
}

/// Returns the number of the sorted indices that are less than `index`.
pub(super) fn below(sorted: &[usize], index: usize) -> usize {
    sorted.partition_point(|other| *other < index)
}

/// Maps the indices of items that keep their order between the old and the new array.
pub(super) struct IndexShift {
    vacated: Vec<usize>,
    targets: Vec<usize>,
}

impl IndexShift {
    /// Returns the new index of the item that is at `old` and keeps its order.
    pub(super) fn forward(&self, old: usize) -> usize {
        shift(&self.vacated, &self.targets, old)
    }

    /// Returns the old index of the item that is at `new` and kept its order.
    pub(super) fn backward(&self, new: usize) -> usize {
        shift(&self.targets, &self.vacated, new)
    }
}

fn shift(vacated: &[usize], targets: &[usize], index: usize) -> usize {
    let rank = index - below(vacated, index);
    // The nth target precedes the kept item of this rank if at most `rank` kept items precede the
    // target. The search is valid because `targets[n] - n` never decreases.
    let (mut low, mut high) = (0, targets.len());
    while low < high {
        let middle = low.midpoint(high);
        if targets[middle] - middle <= rank {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    rank + low
}

/// Converts a tree to changes.
pub(super) fn render(edit: Option<Edit>) -> Changes {
    let mut writer = ChangeWriter::default();
    if let Some(edit) = edit {
        writer.render(edit);
    }
    Changes::from_vec(writer.changes)
}

/// Writes the changes of a tree, with the path of the current edit.
#[derive(Default)]
pub(super) struct ChangeWriter {
    text: String,
    at: Vec<usize>,
    changes: Vec<Change>,
}

impl ChangeWriter {
    /// Appends a step to the path. Returns the mark for [`leave`](Self::leave).
    pub(super) fn enter(&mut self, segment: Segment<'_>) -> (usize, usize) {
        let mark = (self.text.len(), self.at.len());
        segment.render(&mut self.text);
        if let Segment::Member { index, .. } | Segment::Match { index, .. } = segment {
            self.at.push(index);
        }
        mark
    }

    /// Restores the path from before [`enter`](Self::enter).
    pub(super) fn leave(&mut self, (text, at): (usize, usize)) {
        self.text.truncate(text);
        self.at.truncate(at);
    }

    /// Runs `inside` at an item of an array.
    fn item(&mut self, label: Option<&Label>, index: usize, inside: impl FnOnce(&mut Self)) {
        let mark = self.enter(label.map_or(Segment::Index(index), |label| label.segment(index)));
        inside(self);
        self.leave(mark);
    }

    pub(super) fn path(&self) -> Path {
        Path::from_text(self.text.clone())
    }

    fn push(&mut self, replace: Replace) {
        self.changes.push(Change {
            path: self.path(),
            old: replace.old,
            new: replace.new,
            redaction: replace.redaction,
            at: self.at.as_slice().into(),
            moved: Box::default(),
            loose: false,
        });
    }

    fn render(&mut self, edit: Edit) {
        match edit {
            Edit::Replace(replace) => self.push(replace),
            Edit::Fields(fields) => {
                for (name, edit) in fields {
                    let mark = self.enter(Segment::Name(&name));
                    self.render(edit);
                    self.leave(mark);
                }
            }
            Edit::Items(items) => self.render_items(items),
        }
    }

    fn render_items(&mut self, mut items: Items) {
        if !items.moved.is_empty() {
            let moved = items.moved.iter().map(|(&from, moved)| Move {
                item: moved
                    .label
                    .as_ref()
                    .map_or(PathSegment::Index(from), Label::to_path_segment),
                from,
                to: moved.to,
            });
            let moved = moved.collect();
            self.push(Replace::default());
            if let Some(change) = self.changes.last_mut() {
                change.moved = moved;
            }
        }
        let mut kept = items.kept.into_iter().peekable();
        let mut removed = items.removed.into_iter().peekable();
        loop {
            let next = match (kept.peek(), removed.peek()) {
                (Some((kept, _)), Some((removed, _))) => kept < removed,
                (kept, _) => kept.is_some(),
            };
            if next && let Some((index, kept)) = kept.next() {
                self.item(kept.label.as_ref(), index, |writer| {
                    writer.render(kept.edit);
                });
            } else if let Some((index, item)) = removed.next() {
                let mut replace = Replace {
                    old: Some(item.value),
                    new: None,
                    redaction: item.redaction,
                };
                // A removal and an insertion at the same index are one change.
                if item.label.is_none()
                    && let Entry::Occupied(entry) = items.inserted.entry(index)
                    && entry.get().label.is_none()
                {
                    let item = entry.remove();
                    replace.new = Some(item.value);
                    replace.redaction = join(replace.redaction, item.redaction);
                }
                self.item(item.label.as_ref(), index, |writer| writer.push(replace));
            } else {
                break;
            }
        }
        for (index, item) in items.inserted {
            let replace = Replace {
                old: None,
                new: Some(item.value),
                redaction: item.redaction,
            };
            self.item(item.label.as_ref(), index, |writer| writer.push(replace));
        }
    }
}

/// Returns the redaction of a change composed of two.
pub(super) fn join(a: Option<Redaction>, b: Option<Redaction>) -> Option<Redaction> {
    match (a, b) {
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Redaction::Partial), Some(b)) => Some(b),
        (Some(a), Some(Redaction::Partial)) => Some(a),
        (Some(_), Some(_)) => Some(Redaction::Masked),
        (a, b) => a.or(b),
    }
}
