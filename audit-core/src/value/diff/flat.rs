//! Changes of flattened fields, which stand at the names of the parent.

use std::collections::BTreeSet;

use super::Diff;
use crate::path::{Node, Path, PathSegment, Segment};
use crate::value::env::Redactions;
use crate::value::flat::{self, Standing};
use crate::value::schema::FieldSchema;

impl Diff<'_> {
    /// Reports a flattened field: what stands at the parent's own path becomes changes at its
    /// names.
    #[cold]
    #[inline(never)]
    pub(super) fn flat(
        &mut self,
        field: &'static FieldSchema,
        report: &mut dyn FnMut(&mut Diff<'_>),
    ) {
        if !self.out.probing {
            return self.spread(field, report);
        }
        // Whether anything differs shows in the changes only: not every difference is recorded.
        if self.out.found > 0 {
            return;
        }
        let out = &mut *self.out;
        let before = (out.changes.len(), out.level, out.notable, out.in_probe);
        out.probing = false;
        out.in_probe = true;
        self.spread(field, report);
        let out = &mut *self.out;
        out.found = usize::from(out.changes.len() > before.0 || out.env.failed());
        out.probing = true;
        out.changes.truncate(before.0);
        (_, out.level, out.notable, out.in_probe) = before;
    }

    fn spread(&mut self, field: &'static FieldSchema, report: &mut dyn FnMut(&mut Diff<'_>)) {
        let (start, notable) = (self.out.changes.len(), self.out.notable);
        let node = Node::flat(self.at);
        let around = self.out.env.note_redactions();
        self.below(&node, report);
        let redactions = self.out.env.take_redactions(around);
        if self.out.changes.len() == start {
            return;
        }
        let ignoring = self.out.ignoring;
        self.out.ignoring |= self.out.notable == notable;
        self.name_parts(field, &node, start, &redactions);
        self.out.ignoring = ignoring;
    }

    /// Gives the changes from `start` on, which are of a flattened field, their names.
    fn name_parts(
        &mut self,
        field: &'static FieldSchema,
        node: &Node<'_>,
        start: usize,
        redactions: &Redactions,
    ) {
        let place = node.to_path();
        let taken = self.names_before(start, &place, node.depth());
        for change in self.out.changes.split_off(start) {
            if change.path != place {
                let name = change.path.segments().into_iter().nth(node.depth());
                let Some(PathSegment::Name(name)) = name else {
                    return self.fail(flat::no_object(field));
                };
                if self.admits(field, &name, &taken) {
                    self.out.changes.push(change);
                } else {
                    self.drop_change();
                }
                continue;
            }
            // One change becomes as many as there are names.
            self.drop_change();
            let Some(parts) = flat::parts(field, change, redactions) else {
                return self.fail(flat::no_object(field));
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

    /// Returns the names that changes before `start` have in the object at a place, whose changes
    /// are the last ones.
    fn names_before(&self, start: usize, place: &Path, depth: usize) -> BTreeSet<String> {
        if self.at.is_some_and(Node::is_flat) {
            // Judged with the value that this one is flattened into.
            return BTreeSet::new();
        }
        let here = self.out.changes[..start].iter().rev();
        here.take_while(|change| change.path.is_within(place))
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
        match flat::standing(field, name) {
            Standing::PassedOver => {
                self.out.env.pass_over(field, name);
                false
            }
            Standing::Taken => {
                self.fail(flat::taken(name));
                false
            }
            Standing::Free => {
                if taken.contains(name) {
                    self.fail(flat::twice(field));
                }
                true
            }
        }
    }
}
