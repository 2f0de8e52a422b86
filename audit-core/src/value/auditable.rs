//! Entities: values with an identity.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use super::AuditValue;
use super::hash::{HashKeys, KeyForm};
use super::model::ModelSchema;
use super::repr::Repr;
use crate::entry::ObjectRef;

/// An entity: a value with an identity, whose creations, updates and deletions are entries.
///
/// `#[derive(Auditable)]` implements it for a struct with a field called `id`, with fields
/// marked `#[audit(id)]`, or with `#[audit(id(..))]` on the struct. A struct without
/// identity gets only [`AuditValue`] and can be a field of an entity.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity: `Auditable` is not derived, or no field is the identity",
    label = "`{Self}` does not implement `Auditable`",
    note = "derive `Auditable` and mark the identifying field with `#[audit(id)]` (a field called `id` is found by itself)"
)]
pub trait Auditable: AuditValue {
    /// The stored name of the type, which stays when the type is renamed.
    const MODEL: &'static str;

    /// The parts of the identity, each with what its tokens are made for if it is hashed. Empty
    /// if no part is.
    #[doc(hidden)]
    const HASHED_KEY: &'static [Option<&'static str>] = &[];

    /// Whether entries name the object or its parent by a token.
    #[doc(hidden)]
    const HASHES_KEYS: bool = !Self::HASHED_KEY.is_empty();

    /// Returns the identity as text; the parts of a composite one are joined with `|`. Empty
    /// while the object has no key, or only a part of one: it cannot be recorded then.
    ///
    /// A part that is hashed is a token, made with the key of the log that drafts an entry, or
    /// else of the [current log](crate::AuditLog::current).
    fn object_pk(&self) -> String;

    /// Returns whether two objects are known to have one key, without making it. After `false`
    /// the keys are compared.
    #[doc(hidden)]
    #[inline]
    fn keeps_key(&self, _other: &Self) -> bool {
        false
    }

    /// Returns the object as people read it, with masked fields masked; by default the
    /// model and the identity, `User 42`.
    fn object_repr(&self) -> String {
        format!("{} {}", Self::MODEL, self.object_pk())
    }

    /// Returns what is known of the type before any value is seen; by default the model's
    /// name and the [fields](AuditValue::FIELDS) of the type.
    fn schema() -> &'static ModelSchema {
        const { &ModelSchema::new(Self::MODEL, Self::MODEL, Self::FIELDS) }
    }

    /// Returns the aggregate root this object belongs to.
    fn parent(&self) -> Option<ObjectRef> {
        None
    }

    /// Returns the entity itself, also where `self` points to it.
    #[doc(hidden)]
    fn entity(&self) -> &dyn Any
    where
        Self: Sized + 'static,
    {
        self
    }

    /// Writes [`object_repr`](Self::object_repr), asking `repr` what may be shown of a field.
    #[doc(hidden)]
    fn repr_into(&self, repr: &mut Repr<'_>) {
        repr.text(&self.object_repr());
    }
}

macro_rules! pointers {
    ($($pointer:ident),*) => {$(
        /// The entity it points to.
        impl<T: Auditable> Auditable for $pointer<T> {
            const MODEL: &'static str = T::MODEL;
            const HASHED_KEY: &'static [Option<&'static str>] = T::HASHED_KEY;
            const HASHES_KEYS: bool = T::HASHES_KEYS;

            fn object_pk(&self) -> String {
                T::object_pk(self)
            }

            fn keeps_key(&self, other: &Self) -> bool {
                T::keeps_key(self, other)
            }

            fn object_repr(&self) -> String {
                T::object_repr(self)
            }

            fn schema() -> &'static ModelSchema {
                T::schema()
            }

            fn parent(&self) -> Option<ObjectRef> {
                T::parent(self)
            }

            fn entity(&self) -> &dyn Any
            where
                Self: 'static,
            {
                T::entity(self)
            }

            fn repr_into(&self, repr: &mut Repr<'_>) {
                T::repr_into(self, repr);
            }
        }
    )*};
}

pointers!(Box, Rc, Arc);

impl ObjectRef {
    /// Returns the object of a type with this key, as entries of the current log name it. A part
    /// of the key that the type hashes is given in clear or as a token.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn of<T: Auditable>(pk: impl ToString) -> Self {
        Self::keyed::<T>(None, pk.to_string())
    }

    /// As [`of`](Self::of), with keys other than those of the current log.
    pub(crate) fn keyed<T: Auditable>(keys: Option<&HashKeys>, pk: String) -> Self {
        let object_pk = match keys {
            _ if T::HASHED_KEY.is_empty() => pk,
            Some(keys) => keys.object_key(T::HASHED_KEY, pk, KeyForm::Any),
            None => HashKeys::current().object_key(T::HASHED_KEY, pk, KeyForm::Any),
        };
        Self::new(T::MODEL, object_pk)
    }
}
