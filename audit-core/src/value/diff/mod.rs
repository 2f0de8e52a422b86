//! Compares two values and reports the changes between them.
//!
//! The walk follows the types: the derive visits the fields of both values side by side, so equal fields
//! cost one comparison and allocate nothing. The path of a change is built only when a value differs.
//!
//! Structs, maps, sets and lists take time in proportion to their size. A value nests at most
//! [`MAX_DEPTH`] levels, and a walk takes at most 2^26 steps: values that share their parts many times,
//! or contain themselves, are an error instead of a walk without end.

mod flatten;
mod replace;

use std::cell::Cell;
use std::mem;
use std::sync::Arc;

use super::AuditValue;
use super::env::Env;
use super::redaction_rules::Rules;
use super::schema::{FieldSchema, Placement, Sensitivity};
use super::shared_fields::SharedFields;
use crate::change::{Change, Changes};
use crate::error::ValueError;
use crate::json::nesting::MAX_DEPTH;
use crate::level::Level;
use crate::path::{Node, PathSegment, Segment};

/// The number of steps into fields and items after which a comparison fails: the values then
/// share parts so heavily, or form a cycle, that walking them would not end.
const MAX_STEPS: u32 = 1 << 26;

/// Compares two values and returns the changes, with secrets masked.
///
/// A pure function: it reads neither the registry nor the context. Changes are in declaration
/// order; those of a map or a set are ordered by key.
///
/// # Panics
/// Panics if a value nests deeper than [`MAX_DEPTH`] or a field marked `#[audit(serde)]` fails to
/// serialize. [`try_diff`] returns an error instead.
///
/// # Example: one field of two
/// ```
/// # use std::collections::BTreeMap;
/// let old = BTreeMap::from([("name", "ann"), ("city", "Bonn")]);
/// let new = BTreeMap::from([("name", "ann"), ("city", "Mainz")]);
/// let changes = auditlog::diff(&old, &new);
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes["city"].new, Some("Mainz".into()));
/// ```
#[inline]
pub fn diff<T: AuditValue + ?Sized>(old: &T, new: &T) -> Changes {
    match try_diff(old, new) {
        Ok(changes) => changes,
        Err(error) => panic_on(&error),
    }
}

#[cold]
#[inline(never)]
fn panic_on(error: &ValueError) -> ! {
    panic!("cannot diff the values: {error}")
}

/// Compares two values as [`diff`] does, but returns an error instead of panicking.
///
/// # Errors
/// Returns [`ValueError`] if a value nests deeper than [`MAX_DEPTH`] or cannot be serialized.
#[inline]
pub fn try_diff<T: AuditValue + ?Sized>(old: &T, new: &T) -> Result<Changes, ValueError> {
    let mut out = Output::new(Env::default());
    out.compare(old, new);
    if out.env.is_untouched() {
        let changes = mem::take(&mut out.changes);
        // Nothing is left to drop, which the compiler does not see.
        mem::forget(out);
        return Ok(Changes::from_vec(changes));
    }
    out.finish()
}

/// The result of a comparison.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) changes: Changes,
    /// The highest level that a changed field declares.
    pub(crate) level: Option<Level>,
    /// Whether any field changed that is not marked `ignore`.
    pub(crate) notable: bool,
    /// The changed keys of flattened maps that are not recorded because a declared field has
    /// the same name.
    pub(crate) shadowed_keys: Vec<String>,
}

/// Compares two values and applies the rules set by `register_with`.
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

/// Compares two objects as [`compare`] does, taking the fields that clones share from the states
/// captured before and after the change.
pub(crate) fn compare_with<T: AuditValue + ?Sized>(
    (old, before): (&T, &SharedFields),
    (new, after): (&T, &SharedFields),
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
    // In declaration order, as a walk over all fields would report them.
    let field_index = |change: &Change| {
        let top = change.path.segments().into_iter().next();
        T::FIELDS.iter().position(|field| match &top {
            Some(PathSegment::Name(name)) => field.name == name,
            Some(PathSegment::Index(index)) => {
                matches!(field.placement, Placement::Indexed(at) if at == *index)
            }
            _ => false,
        })
    };
    out.changes
        .sort_by_cached_key(|change| field_index(change).unwrap_or(usize::MAX));
    out.take_difference(rules)
}

/// Collects the changes that [`AuditValue::diff`] reports.
#[derive(Debug)]
pub struct Diff<'a> {
    out: &'a mut Output,
    at: Option<&'a Node<'a>>,
}

/// The state of the walk from before it entered an entity.
#[doc(hidden)]
#[derive(Debug)]
pub struct EntityScope {
    changes: usize,
    notable: u32,
}

#[derive(Debug)]
struct Output {
    changes: Vec<Change>,
    level: Option<Level>,
    /// The number of changes outside of ignored fields.
    notable: u32,
    /// Whether the walk is inside a field marked `ignore`.
    ignoring: bool,
    /// Whether the walk only checks for a difference and records nothing.
    probing: bool,
    /// Whether the walk records the changes of a flattened value for a probe.
    in_probe: bool,
    /// The number of differences so far.
    found: u32,
    /// The depth at which a nested probe starts.
    base: usize,
    /// The number of steps so far into fields and items.
    steps: u32,
    env: Env,
}

thread_local! {
    /// The depth of the current probe. `AuditValue::same` has no context to count in, and on a
    /// recursive type it may start another probe at every level.
    static PROBED: Cell<usize> = const { Cell::new(0) };
}

/// Sets the depth of the current probe and restores the previous one when dropped.
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
    /// Inlined so that it is built in its final location: moving it costs as much as comparing a
    /// few fields.
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

    #[cold]
    #[inline(never)]
    fn finish(self) -> Result<Changes, ValueError> {
        match self.env.into_error() {
            Some(error) => Err(error),
            None => Ok(Changes::from_vec(self.changes)),
        }
    }

    /// Not generic, so it is compiled once rather than for every type.
    fn take_difference(&mut self, rules: Option<&Rules>) -> Result<Difference, ValueError> {
        if let Some(error) = self.env.take_error() {
            return Err(error);
        }
        let mut difference = Difference {
            changes: Changes::from_vec(mem::take(&mut self.changes)),
            level: self.level,
            notable: self.notable > 0,
            shadowed_keys: self.env.take_shadowed_keys(),
        };
        if let Some(rules) = rules {
            rules.apply(&mut difference);
        }
        Ok(difference)
    }
}

impl Diff<'_> {
    /// Returns whether both values are the same: a walk that stops at the first difference.
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
        // A value too deep to compare counts as different, so that the diff reports the limit.
        out.found == 0 && out.env.into_error().is_none()
    }

    /// Returns whether two values inside the current one are the same. Probes at the current
    /// path instead of starting a nested probe for each value.
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

    /// Returns the number of leading pairs that are the same, in a single probe.
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

    /// Returns whether the walk only checks for a difference.
    pub(crate) fn probing(&self) -> bool {
        self.out.probing
    }

    /// Returns whether a probe has found a difference and can stop.
    #[inline]
    pub(crate) fn is_decided(&self) -> bool {
        self.out.probing && self.out.found > 0
    }

    /// Reports a difference to a probe.
    pub(crate) fn differs(&mut self) {
        self.out.found += 1;
    }

    /// Starts the comparison of two entities. The rules that `register_with` set for their model
    /// apply to all changes reported until [`leave`](Self::leave).
    #[doc(hidden)]
    #[inline]
    pub fn enter(&mut self) -> Option<EntityScope> {
        if self.out.env.model_rules().is_some() && !self.out.probing {
            Some(EntityScope {
                changes: self.out.changes.len(),
                notable: mem::take(&mut self.out.notable),
            })
        } else {
            None
        }
    }

    /// Ends the comparison of two entities that have these fields.
    #[doc(hidden)]
    #[inline]
    pub fn leave(&mut self, fields: &'static [FieldSchema], scope: Option<EntityScope>) {
        if let Some(scope) = scope {
            self.apply_rules(fields, &scope);
        }
    }

    #[cold]
    #[inline(never)]
    fn apply_rules(&mut self, fields: &'static [FieldSchema], scope: &EntityScope) {
        let outermost = self.at.is_none();
        let out = &mut *self.out;
        let rules = out
            .env
            .model_rules()
            .and_then(|model_rules| model_rules.for_fields(fields, outermost));
        if let Some(rules) = rules {
            let mut list = out.changes.split_off(scope.changes);
            rules.apply_to_changes(&mut list, self.at.map_or(0, Node::depth));
            if list.is_empty() {
                out.notable = 0;
            }
            out.changes.append(&mut list);
        }
        out.notable += scope.notable;
    }

    /// Returns whether the model's rules forbid paths to show the value of a field.
    pub(crate) fn hides_field(&self, fields: &'static [FieldSchema], name: &str) -> bool {
        let model_rules = self.out.env.model_rules();
        let rules = model_rules.and_then(|model_rules| model_rules.for_fields(fields, false));
        rules.is_some_and(|rules| rules.hides_field(name))
    }

    /// Compares a field of a struct and records its changes.
    #[doc(hidden)]
    #[inline]
    pub fn visit<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, old: &T, new: &T) {
        if T::COMPOSITE {
            self.nested(field, old, new);
        } else if !old.same(new) {
            self.changed(field, old, new);
        }
    }

    /// Compares a field that may be absent, as with `skip_serializing_if`.
    #[doc(hidden)]
    #[inline(never)]
    pub fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        if self.is_compared_separately(field) {
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
        if self.is_compared_separately(field) {
            return;
        }
        if self.out.probing {
            // Walks inside so that the depth is counted; sensitivity is irrelevant in a probe.
            if self.out.found == 0 && field.sensitivity != Sensitivity::Skipped {
                self.field(field, &mut |cx| old.diff(new, cx));
            }
        } else if field.sensitivity == Sensitivity::Clear && !field.whole {
            self.field(field, &mut |cx| old.diff(new, cx));
        } else if !old.same(new) {
            self.changed(field, old, new);
        }
    }

    /// Records a field that differs.
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
            // Equivalent to `changed_with_attributes` for a field without attributes.
            let mut cx = Diff {
                out: &mut *self.out,
                at: Some(&node),
            };
            if T::PLAIN {
                cx.replace_plain(old, new);
            } else {
                old.diff(new, &mut cx);
            }
        } else {
            self.changed_with_attributes(field, old, new);
        }
    }

    #[inline(never)]
    fn changed_with_attributes<T: AuditValue + ?Sized>(
        &mut self,
        field: &'static FieldSchema,
        old: &T,
        new: &T,
    ) {
        if self.is_compared_separately(field) {
            return;
        }
        if self.out.probing && !T::COMPOSITE {
            // A probe needs no more than the fact that the field differs.
            self.out.found += u32::from(field.sensitivity != Sensitivity::Skipped);
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

    /// Returns whether a field is compared through its captured states instead.
    #[inline]
    fn is_compared_separately(&self, field: &FieldSchema) -> bool {
        self.out.env.leaves_out(field.name) && self.at.is_none()
    }

    /// Runs `report` at the field's path and applies the field's level and `ignore`.
    ///
    /// Not generic, like the functions below, so it is compiled once rather than for every type.
    pub(crate) fn field(
        &mut self,
        field: &'static FieldSchema,
        report: &mut dyn FnMut(&mut Diff<'_>),
    ) {
        let found = self.out.found;
        let ignoring = self.out.ignoring;
        self.out.ignoring |= field.ignored;
        match field.placement {
            Placement::Named => self.below(&Node::below(self.at, field.segment()), report),
            Placement::Indexed(index) => {
                self.below(&Node::below(self.at, Segment::Index(index)), report);
            }
            // Counted although the path stays the same: a newtype may contain itself.
            Placement::Inline | Placement::Keys => self.below(&Node::inline(self.at), report),
            Placement::Flattened(_) => self.flattened(field, report),
        }
        self.out.ignoring = ignoring;
        if self.out.found > found {
            self.out.level = self.out.level.max(field.level);
        }
    }

    /// Compares the fields of an enum's data variant when both values are of that variant.
    #[doc(hidden)]
    #[inline(never)]
    pub fn variant(&mut self, name: &'static str, report: impl FnOnce(&mut Diff<'_>)) {
        self.at(Segment::Field(name), report);
    }

    /// Compares the item at `index`.
    pub(crate) fn item<T: AuditValue + ?Sized>(&mut self, index: usize, old: &T, new: &T) {
        if T::COMPOSITE || !old.same(new) {
            self.at(Segment::Index(index), |cx| old.diff(new, cx));
        }
    }

    /// Compares the value under `name`.
    pub(crate) fn entry<T: AuditValue + ?Sized>(&mut self, name: &'static str, old: &T, new: &T) {
        if T::COMPOSITE || !old.same(new) {
            self.at(Segment::Field(name), |cx| old.diff(new, cx));
        }
    }

    /// Runs `report` one step below the current path.
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
            // The first error ends the walk: values may refer to each other in a cycle.
            self.out.found += 1;
            return;
        }
        self.out.steps += 1;
        if self.out.steps > MAX_STEPS {
            self.out.found += 1;
            self.out.env.fail(ValueError::TooLarge {
                limit: MAX_STEPS as usize,
            });
            return;
        }
        let depth = self.out.base + node.depth() + node.inlined();
        // A probe adds up named and inline steps. Its limit is twice as high, so that values
        // within both limits never count as different.
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
