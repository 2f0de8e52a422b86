//! The walk over the fields of a struct, shared by the diff and the snapshot.
//!
//! The derive emits one function body for both, which halves the generated code: the function is generic over
//! the visitor, and the compiler makes one copy for the diff and one for the snapshot.

use super::AuditValue;
use super::diff::Diff;
use super::schema::FieldSchema;
use super::snapshot::{ArraySnapshot, ObjectSnapshot};

/// A struct whose fields can be walked.
#[doc(hidden)]
pub trait Fields: AuditValue {
    /// Visits the fields of two values. For a snapshot both are the same value.
    fn walk<W: Walk>(&self, new: &Self, walk: &mut W);
}

/// The visitor of a walk. A field is identified by its index in the type's fields.
#[doc(hidden)]
pub trait Walk {
    /// Visits a field.
    fn visit<T: AuditValue + ?Sized>(
        &mut self,
        fields: &'static [FieldSchema],
        index: usize,
        old: &T,
        new: &T,
    );

    /// Visits a field that may be absent.
    fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        fields: &'static [FieldSchema],
        index: usize,
        old: Option<&T>,
        new: Option<&T>,
    );

    /// Visits a field with its own equality function.
    fn visit_unless<T: AuditValue + ?Sized>(
        &mut self,
        same: impl FnOnce() -> bool,
        fields: &'static [FieldSchema],
        index: usize,
        old: &T,
        new: &T,
    );

    /// Visits a field that may be absent and has its own equality function.
    fn visit_optional_unless<T: AuditValue + ?Sized>(
        &mut self,
        same: impl FnOnce() -> bool,
        fields: &'static [FieldSchema],
        index: usize,
        old: Option<&T>,
        new: Option<&T>,
    );

    /// Skips a field. In an array it leaves a null.
    fn skip(&mut self) {}
}

impl Walk for Diff<'_> {
    #[inline]
    fn visit<T: AuditValue + ?Sized>(
        &mut self,
        fields: &'static [FieldSchema],
        index: usize,
        old: &T,
        new: &T,
    ) {
        if T::COMPOSITE {
            self.nested(&fields[index], old, new);
        } else if !old.same(new) {
            self.changed(&fields[index], old, new);
        }
    }

    #[inline]
    fn visit_optional<T: AuditValue + ?Sized>(
        &mut self,
        fields: &'static [FieldSchema],
        index: usize,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) => Walk::visit(self, fields, index, old, new),
            (old, new) => Diff::visit_optional(self, &fields[index], old, new),
        }
    }

    #[inline]
    fn visit_unless<T: AuditValue + ?Sized>(
        &mut self,
        same: impl FnOnce() -> bool,
        fields: &'static [FieldSchema],
        index: usize,
        old: &T,
        new: &T,
    ) {
        if !same() {
            self.changed(&fields[index], old, new);
        }
    }

    #[inline]
    fn visit_optional_unless<T: AuditValue + ?Sized>(
        &mut self,
        same: impl FnOnce() -> bool,
        fields: &'static [FieldSchema],
        index: usize,
        old: Option<&T>,
        new: Option<&T>,
    ) {
        if !same() {
            match (old, new) {
                (Some(old), Some(new)) => self.changed(&fields[index], old, new),
                (old, new) => Diff::visit_optional(self, &fields[index], old, new),
            }
        }
    }
}

macro_rules! collectors {
    ($($collector:ident)*) => {$(
        impl Walk for $collector<'_, '_> {
            #[inline]
            fn visit<T: AuditValue + ?Sized>(
                &mut self,
                fields: &'static [FieldSchema],
                index: usize,
                _: &T,
                new: &T,
            ) {
                $collector::visit(self, &fields[index], new);
            }

            #[inline]
            fn visit_optional<T: AuditValue + ?Sized>(
                &mut self,
                fields: &'static [FieldSchema],
                index: usize,
                _: Option<&T>,
                new: Option<&T>,
            ) {
                $collector::visit_optional(self, &fields[index], new);
            }

            #[inline]
            fn visit_unless<T: AuditValue + ?Sized>(
                &mut self,
                _: impl FnOnce() -> bool,
                fields: &'static [FieldSchema],
                index: usize,
                _: &T,
                new: &T,
            ) {
                $collector::visit(self, &fields[index], new);
            }

            #[inline]
            fn visit_optional_unless<T: AuditValue + ?Sized>(
                &mut self,
                _: impl FnOnce() -> bool,
                fields: &'static [FieldSchema],
                index: usize,
                _: Option<&T>,
                new: Option<&T>,
            ) {
                $collector::visit_optional(self, &fields[index], new);
            }

            fn skip(&mut self) {
                self.skip_field();
            }
        }
    )*};
}

collectors! { ObjectSnapshot ArraySnapshot }
