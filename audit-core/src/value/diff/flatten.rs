//! Changes of flattened fields, whose members are members of the parent object.

use std::collections::BTreeSet;

use super::Diff;
use crate::path::{Node, Path, PathSegment, Segment};
use crate::value::env::Redactions;
use crate::value::flatten::{self, NameClaim};
use crate::value::schema::FieldSchema;

impl Diff<'_> {
    /// Compares a flattened field. A change at the parent's own path becomes one change for each
    /// member.
    #[cold]
    #[inline(never)]
    pub(super) fn flattened(
        &mut self,
        field: &'static FieldSchema,
        report: &mut dyn FnMut(&mut Diff<'_>),
    ) {
        if !self.out.probing {
            return self.flattened_changes(field, report);
        }
        // Only the changes show whether the values differ: not every difference is recorded.
        if self.out.found > 0 {
            return;
        }
        let out = &mut *self.out;
        let before = (out.changes.len(), out.level, out.notable, out.in_probe);
        out.probing = false;
        out.in_probe = true;
        self.flattened_changes(field, report);
        let out = &mut *self.out;
        out.found = u32::from(out.changes.len() > before.0 || out.env.failed());
        out.probing = true;
        out.changes.truncate(before.0);
        (_, out.level, out.notable, out.in_probe) = before;
    }

    fn flattened_changes(
        &mut self,
        field: &'static FieldSchema,
        report: &mut dyn FnMut(&mut Diff<'_>),
    ) {
        let (start, notable) = (self.out.changes.len(), self.out.notable);
        let node = Node::flattened(self.at);
        let outer = self.out.env.note_redactions();
        self.below(&node, report);
        let redactions = self.out.env.take_redactions(outer);
        if self.out.changes.len() == start {
            return;
        }
        let ignoring = self.out.ignoring;
        self.out.ignoring |= self.out.notable == notable;
        self.split_into_members(field, &node, start, &redactions);
        self.out.ignoring = ignoring;
    }

    /// Gives the changes from `start` on, which are those of a flattened field, the paths of its
    /// members.
    fn split_into_members(
        &mut self,
        field: &'static FieldSchema,
        node: &Node<'_>,
        start: usize,
        redactions: &Redactions,
    ) {
        let parent = node.to_path();
        let taken = self.names_before(start, &parent, node.depth());
        for change in self.out.changes.split_off(start) {
            if change.path != parent {
                let name = change.path.segments().into_iter().nth(node.depth());
                let Some(PathSegment::Name(name)) = name else {
                    return self.fail(flatten::not_an_object(field));
                };
                if self.admits(field, &name, &taken) {
                    self.out.changes.push(change);
                } else {
                    self.drop_change();
                }
                continue;
            }
            // A replacement of the whole value becomes one change for each member.
            self.drop_change();
            let Some(parts) = flatten::parts(field, change, redactions) else {
                return self.fail(flatten::not_an_object(field));
            };
            for part in parts {
                if !self.admits(field, &part.name, &taken) {
                    continue;
                }
                let ignoring = self.out.ignoring;
                self.out.ignoring |= part.field.is_some_and(FieldSchema::is_ignored);
                let node = Node::below(Some(node), Segment::Name(&part.name));
                Diff {
                    out: &mut *self.out,
                    at: Some(&node),
                }
                .push(part.old, part.new, part.redaction);
                self.out.ignoring = ignoring;
                let level = part.field.and_then(FieldSchema::level);
                self.out.level = self.out.level.max(level);
            }
        }
    }

    /// Returns the members of the object at `parent` that changes before `start` have named; its
    /// changes are the last ones.
    fn names_before(&self, start: usize, parent: &Path, depth: usize) -> BTreeSet<String> {
        if self.at.is_some_and(Node::is_flattened) {
            // Checked together with the value that this one is flattened into.
            return BTreeSet::new();
        }
        let earlier = self.out.changes[..start].iter().rev();
        earlier
            .take_while(|change| change.path.is_within(parent))
            .filter_map(
                |change| match change.path.segments().into_iter().nth(depth) {
                    Some(PathSegment::Name(name)) => Some(name),
                    _ => None,
                },
            )
            .collect()
    }

    /// Returns whether a change at `name` of a flattened field is recorded; fails if the name is
    /// `taken` by a change of another field.
    fn admits(
        &mut self,
        field: &'static FieldSchema,
        name: &str,
        taken: &BTreeSet<String>,
    ) -> bool {
        match flatten::claim(field, name) {
            NameClaim::Shadowed => {
                self.out.env.note_shadowed_key(field, name);
                false
            }
            NameClaim::Conflict => {
                self.fail(flatten::name_conflict(name));
                false
            }
            NameClaim::Free => {
                if taken.contains(name) {
                    self.fail(flatten::key_conflict(field));
                }
                true
            }
        }
    }
}
