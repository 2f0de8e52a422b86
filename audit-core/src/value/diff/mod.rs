//! The diff: what changed from one value to another.

mod flat;
mod replace;

use std::cell::Cell;
use std::mem;
use std::sync::Arc;

use super::AuditValue;
use super::before::Before;
use super::env::Env;
use super::rules::Rules;
use super::schema::{FieldSchema, Place, Sensitivity};
use crate::change::{Change, Changes};
use crate::error::ValueError;
use crate::json::nesting::MAX_DEPTH;
use crate::level::Level;
use crate::path::{Node, PathSegment, Segment};

/// How many steps a comparison takes into fields and items, before the values count as ones
/// whose parts are shared without end.
const MAX_STEPS: usize = 1 << 26;

/// Compares two values and returns what changed, secrets masked.
///
/// Pure: neither the registry nor the context plays a part. Changes come in declaration
/// order, those of a map or a set by key.
///
/// # Panics
/// If a value nests deeper than [`MAX_DEPTH`] or a field marked `#[audit(serde)]` fails to
/// serialize. [`try_diff`] returns the error.
///
/// # Example: one field of two
/// ```
/// # use std::collections::BTreeMap;
/// let old = BTreeMap::from([("name", "ann"), ("city", "Bonn")]);
/// let new = BTreeMap::from([("name", "ann"), ("city", "Mainz")]);
/// let changes = audit_core::diff(&old, &new);
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes["city"].new, Some("Mainz".into()));
/// ```
#[inline]
pub fn diff<T: AuditValue + ?Sized>(old: &T, new: &T) -> Changes {
    match try_diff(old, new) {
        Ok(changes) => changes,
        Err(error) => refuse(&error),
    }
}

#[cold]
#[inline(never)]
fn refuse(error: &ValueError) -> ! {
    panic!("cannot diff the values: {error}")
}

/// Compares two values as [`diff`] does and returns what fails as an error.
///
/// # Errors
/// [`ValueError`] if a value nests deeper than [`MAX_DEPTH`] or cannot be serialized.
#[inline]
pub fn try_diff<T: AuditValue + ?Sized>(old: &T, new: &T) -> Result<Changes, ValueError> {
    let mut out = Output::new(Env::default());
    out.compare(old, new);
    out.finish()
}

/// What a comparison found.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) changes: Changes,
    /// The level that the changed fields ask for.
    pub(crate) level: Option<Level>,
    /// Whether a field changed that is not ignored.
    pub(crate) notable: bool,
    /// The changed keys of flattened maps that are not recorded, since a declared field has
    /// their name.
    pub(crate) passed_over: Vec<String>,
}

/// Compares under the rules that `register_with` set.
pub(crate) fn compare<T: AuditValue + ?Sized>(
    old: &T,
    new: &T,
    env: Env,
    rules: Option<&Rules>,
) -> Result<Difference, ValueError> {
    let mut out = Output::new(env);
    out.compare(old, new);
    out.take_difference(rules)
}

/// Compares as [`compare`] does, and the fields that clones share with what they were before.
pub(crate) fn compare_with<T: AuditValue + ?Sized>(
    (old, before): (&T, &Before),
    (new, after): (&T, &Before),
    env: Env,
    rules: Option<&Rules>,
) -> Result<Difference, ValueError> {
    let mut out = Output::new(env);
    out.env.leave_out(Some(Arc::clone(before.names())));
    out.compare(old, new);
    out.env.leave_out(None);
    before.diff(
        after,
        &mut Diff {
            out: &mut out,
            at: None,
        },
    );
    // In the order of the declaration, as the walk over all fields would find them.
    let place = |change: &Change| {
        let top = change.path.segments().into_iter().next();
        T::FIELDS.iter().position(|field| match &top {
            Some(PathSegment::Name(name)) => field.name == name,
            Some(PathSegment::Index(index)) => {
                matches!(field.place, Place::Indexed(at) if at == *index)
            }
            _ => false,
        })
    };
    out.changes
        .sort_by_cached_key(|change| place(change).unwrap_or(usize::MAX));
    out.take_difference(rules)
}

/// Where [`AuditValue::diff`] reports changes.
#[derive(Debug)]
pub struct Diff<'a> {
    out: &'a mut Output,
    at: Option<&'a Node<'a>>,
}

/// The state of the walk before an entity was entered.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entered {
    changes: usize,
    notable: usize,
}

#[derive(Debug)]
struct Output {
    changes: Vec<Change>,
    level: Option<Level>,
    /// How many changes are not ignored.
    notable: usize,
    /// Inside a field marked `ignore`.
    ignoring: bool,
    /// Only whether anything differs is asked; nothing is recorded.
    probing: bool,
    /// Whether a probe asked for the changes of a flattened value.
    in_probe: bool,
    found: usize,
    /// How deep the values themselves are, in a probe that another probe asked for.
    base: usize,
    /// How many steps the comparison took into fields and items.
    steps: usize,
    env: Env,
}

thread_local! {
    /// How deep the present probe is: `AuditValue::same` has no context to count in, and of a
    /// recursive type it may ask for a probe again at every level.
    static PROBED: Cell<usize> = const { Cell::new(0) };
}

/// Sets the depth of the present probe, until it is dropped.
struct Probing {
    before: usize,
}

impl Probing {
    fn at(depth: usize) -> Self {
        Self {
            before: PROBED.replace(depth),
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        PROBED.set(self.before);
    }
}

impl Output {
    /// Made where it stays: moving it would cost as much as comparing a few fields.
    #[inline]
    fn new(env: Env) -> Self {
        Self {
            changes: Vec::new(),
            level: None,
            notable: 0,
            ignoring: false,
            probing: false,
            in_probe: false,
            found: 0,
            base: 0,
            steps: 0,
            env,
        }
    }

    #[inline]
    fn compare<T: AuditValue + ?Sized>(&mut self, old: &T, new: &T) {
        if T::COMPOSITE || !old.same(new) {
            old.diff(
                new,
                &mut Diff {
                    out: self,
                    at: None,
                },
            );
        }
    }

    #[inline]
    fn finish(self) -> Result<Changes, ValueError> {
        let Self { changes, env, .. } = self;
        match env.into_error() {
            Some(error) => Err(error),
            None => Ok(Changes::from_vec(changes)),
        }
    }

    /// Not generic: it is compiled once, not for every type.
    fn take_difference(&mut self, rules: Option<&Rules>) -> Result<Difference, ValueError> {
        if let Some(error) = self.env.take_error() {
            return Err(error);
        }
        let mut difference = Difference {
            changes: Changes::from_vec(mem::take(&mut self.changes)),
            level: self.level,
            notable: self.notable > 0,
            passed_over: self.env.take_passed_over(),
        };
        if let Some(rules) = rules {
            rules.apply(&mut difference);
        }
        Ok(difference)
    }
}

impl Diff<'_> {
    /// Returns whether both values are the same, by asking for the first difference.
    #[doc(hidden)]
    pub fn probe<T: AuditValue + ?Sized>(old: &T, new: &T) -> bool {
        let base = PROBED.get() + 1;
        if base > 2 * MAX_DEPTH {
            return false;
        }
        let _depth = Probing::at(base);
        let mut out = Output::new(Env::default());
        out.probing = true;
        out.base = base;
        old.diff(
            new,
            &mut Diff {
                out: &mut out,
                at: None,
            },
        );
        // A value too deep to compare is not the same: the diff then names the limit.
        out.found == 0 && out.env.into_error().is_none()
    }

    /// Returns whether two values inside the present one are the same, in a probe at the
    /// present path: none of its own starts for each of them.
    pub(crate) fn same<T: AuditValue + ?Sized>(&mut self, old: &T, new: &T) -> bool {
        if !T::COMPOSITE {
            return old.same(new);
        }
        let (found, probing) = (self.out.found, self.out.probing);
        self.out.found = 0;
        self.out.probing = true;
        old.diff(new, self);
        let same = self.out.found == 0;
        self.out.found = found;
        self.out.probing = probing;
        same
    }

    /// Returns how many pairs from the beginning are the same, in one probe of all.
    pub(crate) fn common<'v, T: AuditValue + 'v>(
        &mut self,
        pairs: impl Iterator<Item = (&'v T, &'v T)>,
    ) -> usize {
        if !T::COMPOSITE {
            return pairs.take_while(|(old, new)| old.same(new)).count();
        }
        let (found, probing) = (self.out.found, self.out.probing);
        self.out.found = 0;
        self.out.probing = true;
        let mut common = 0;
        for (old, new) in pairs {
            old.diff(new, self);
            if self.out.found > 0 {
                break;
            }
            common += 1;
        }
        self.out.found = found;
        self.out.probing = probing;
        common
    }

    /// Whether only the fact of a difference is asked for.
    pub(crate) fn probing(&self) -> bool {
        self.out.probing
    }

    /// Whether a probe knows its answer.
    #[inline]
    pub(crate) fn answered(&self) -> bool {
        self.out.probing && self.out.found > 0
    }

    /// Answers a probe: the values differ.
    pub(crate) fn differs(&mut self) {
        self.out.found += 1;
    }

    /// Begins to compare two entities. What is reported until [`leave`](Self::leave) comes
    /// under the rules that `register_with` set for their model.
    #[doc(hidden)]
    #[inline]
    pub fn enter(&mut self) -> Option<Entered> {
        if self.out.env.ruling().is_some() && !self.out.probing {
            Some(Entered {
                changes: self.out.changes.len(),
                notable: mem::take(&mut self.out.notable),
            })
        } else {
            None
        }
    }

    /// Ends the comparison of two entities with these fields.
    #[doc(hidden)]
    #[inline]
    pub fn leave(&mut self, fields: &'static [FieldSchema], entered: Option<Entered>) {
        if let Some(entered) = entered {
            self.rule(fields, &entered);
        }
    }

    #[cold]
    #[inline(never)]
    fn rule(&mut self, fields: &'static [FieldSchema], entered: &Entered) {
        let outermost = self.at.is_none();
        let out = &mut *self.out;
        let rules = out
            .env
            .ruling()
            .and_then(|ruling| ruling.of(fields, outermost));
        if let Some(rules) = rules {
            let mut list = out.changes.split_off(entered.changes);
            rules.apply_to_changes(&mut list, self.at.map_or(0, Node::depth));
            if list.is_empty() {
                out.notable = 0;
            }
            out.changes.append(&mut list);
        }
        out.notable += entered.notable;
    }

    /// Whether paths may not show what a field of these holds, by the rules of their model.
    pub(crate) fn hides_field(&self, fields: &'static [FieldSchema], name: &str) -> bool {
        let ruling = self.out.env.ruling();
        let rules = ruling.and_then(|ruling| ruling.of(fields, false));
        rules.is_some_and(|rules| rules.hides_field(name))
    }

    /// Reports a field of a struct: compares, and records what differs.
    #[doc(hidden)]
    #[inline]
    pub fn visit<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, old: &T, new: &T) {
        if T::COMPOSITE {
            self.nested(field, old, new);
        } else if !old.same(new) {
            self.changed(field, old, new);
        }
    }

    /// Reports a field that may be absent, as with `skip_serializing_if`.
    #[doc(hidden)]
    #[inline(never)]
    pub fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        if self.passes(field) {
            return;
        }
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) => self.visit(field, old, new),
            (old, new) => self.field(field, &mut |cx| cx.replace_field(field, old, new)),
        }
    }

    #[inline(never)]
    pub(crate) fn nested<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: &T,
        new: &T,
    ) {
        if self.passes(field) {
            return;
        }
        if self.out.probing {
            // Inside, so that the depth is counted; what of it may be shown does not matter.
            if self.out.found == 0 && field.sensitivity != Sensitivity::Skipped {
                self.field(field, &mut |cx| old.diff(new, cx));
            }
        } else if field.sensitivity == Sensitivity::Clear && !field.whole {
            self.field(field, &mut |cx| old.diff(new, cx));
        } else if !old.same(new) {
            self.changed(field, old, new);
        }
    }

    /// Records a field that is known to differ.
    #[doc(hidden)]
    #[cold]
    #[inline(never)]
    pub fn changed<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: &T,
        new: &T,
    ) {
        let node = Node::below(self.at, field.segment());
        if field.plain
            && !self.out.probing
            && self.out.env.is_without_notes()
            && node.depth() <= MAX_DEPTH
        {
            // What `changed_otherwise` comes to, for most fields.
            old.diff(
                new,
                &mut Diff {
                    out: &mut *self.out,
                    at: Some(&node),
                },
            );
        } else {
            self.changed_otherwise(field, old, new);
        }
    }

    #[inline(never)]
    fn changed_otherwise<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: &T,
        new: &T,
    ) {
        if self.passes(field) {
            return;
        }
        if self.out.probing && !T::COMPOSITE {
            // That it differs is all that is asked.
            self.out.found += usize::from(field.sensitivity != Sensitivity::Skipped);
            return;
        }
        if field.sensitivity == Sensitivity::Clear && !field.whole {
            self.field(field, &mut |cx| old.diff(new, cx));
        } else {
            self.field(field, &mut |cx| {
                cx.replace_field(field, Some(old), Some(new));
            });
        }
    }

    /// Whether a field is compared elsewhere, with what it was before.
    #[inline]
    fn passes(&self, field: &FieldSchema) -> bool {
        self.out.env.leaves_out(field.name) && self.at.is_none()
    }

    /// Runs `report` at the field's path and keeps the field's level and `ignore`.
    ///
    /// Not generic, as all that follows: it is compiled once, not for every type.
    pub(crate) fn field(
        &mut self,
        field: &'static FieldSchema,
        report: &mut dyn FnMut(&mut Diff<'_>),
    ) {
        let found = self.out.found;
        let ignoring = self.out.ignoring;
        self.out.ignoring |= field.ignored;
        match field.place {
            Place::Named => self.below(&Node::below(self.at, field.segment()), report),
            Place::Indexed(index) => {
                self.below(&Node::below(self.at, Segment::Index(index)), report);
            }
            // Counted nevertheless: a type may hold itself in its own place.
            Place::Inline | Place::Keys => self.below(&Node::inline(self.at), report),
            Place::Flat(_) => self.flat(field, report),
        }
        self.out.ignoring = ignoring;
        if self.out.found > found {
            self.out.level = self.out.level.max(field.level);
        }
    }

    /// Reports the fields of an enum's data variant, which both values are of.
    #[doc(hidden)]
    #[inline(never)]
    pub fn variant(&mut self, name: &'static str, report: impl FnOnce(&mut Diff<'_>)) {
        self.at(Segment::Field(name), report);
    }

    /// Reports the item at `index`.
    pub(crate) fn item<T: AuditValue + ?Sized>(&mut self, index: usize, old: &T, new: &T) {
        if T::COMPOSITE || !old.same(new) {
            self.at(Segment::Index(index), |cx| old.diff(new, cx));
        }
    }

    /// Reports the value under `name`.
    pub(crate) fn entry<T: AuditValue + ?Sized>(&mut self, name: &'static str, old: &T, new: &T) {
        if T::COMPOSITE || !old.same(new) {
            self.at(Segment::Field(name), |cx| old.diff(new, cx));
        }
    }

    /// Runs `report` one step below the present path.
    pub(crate) fn at(&mut self, segment: Segment<'_>, report: impl FnOnce(&mut Diff<'_>)) {
        let mut report = Some(report);
        self.below(&Node::below(self.at, segment), &mut |cx| {
            if let Some(report) = report.take() {
                report(cx);
            }
        });
    }

    fn below(&mut self, node: &Node<'_>, report: &mut dyn FnMut(&mut Diff<'_>)) {
        if self.out.env.failed() {
            // The first error ends the walk: values may hold each other in a ring.
            self.out.found += 1;
            return;
        }
        self.out.steps += 1;
        if self.out.steps > MAX_STEPS {
            self.out.found += 1;
            self.out.env.fail(ValueError::TooLarge { limit: MAX_STEPS });
            return;
        }
        let depth = self.out.base + node.depth() + node.inlined();
        // A probe counts steps of both kinds together, and is not to call different what only
        // nests as deep as it may.
        let probe = self.out.probing || self.out.in_probe;
        let limit = if probe {
            depth > 2 * MAX_DEPTH
        } else {
            node.depth().max(node.inlined()) > MAX_DEPTH
        };
        if limit {
            self.out.found += 1;
            self.out.env.fail(ValueError::TooDeep {
                path: node.to_path().to_string(),
                limit: MAX_DEPTH,
            });
            return;
        }
        let _depth = probe.then(|| Probing::at(depth));
        report(&mut Diff {
            out: &mut *self.out,
            at: Some(node),
        });
    }
}
