//! The trait of entities: values with an identity.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use super::AuditValue;
use super::hash::{HashKeys, KeyForm};
use super::model::ModelSchema;
use super::repr::Repr;
use crate::entry::ObjectRef;

/// An entity: a value with an identity whose creation, updates and deletion are recorded.
///
/// `#[derive(Auditable)]` implements it for a struct with a field called `id`, with fields marked
/// `#[audit(id)]`, or with `#[audit(id(..))]` on the struct. For a struct without an identity it
/// implements only [`AuditValue`]; such a struct can be a field of an entity.
///
/// # Example: what the derive provides
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable)]
/// #[audit(model = "user", repr = "{name}")]
/// struct User {
///     id: u32,
///     #[audit(label = "Full name")]
///     name: String,
/// }
///
/// let user = User { id: 42, name: "Ann".into() };
/// assert_eq!(User::MODEL, "user");
/// assert_eq!(user.object_pk(), "42");
/// assert_eq!(user.object_repr(), "Ann");
/// assert_eq!(User::schema().field("name").expect("a field").label(), "Full name");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity: `Auditable` is not derived, or no field is the identity",
    label = "`{Self}` does not implement `Auditable`",
    note = "derive `Auditable` and mark the identifying field with `#[audit(id)]` (a field called `id` is found by itself)"
)]
pub trait Auditable: AuditValue {
    /// The stored name of the type, which is independent of the Rust name.
    const MODEL: &'static str;

    /// The hash domain of each part of the identity, `None` for a part that is not hashed. Empty
    /// if no part is hashed.
    #[doc(hidden)]
    const HASHED_KEY: &'static [Option<&'static str>] = &[];

    /// Whether entries identify the object or its parent by a token.
    #[doc(hidden)]
    const HASHES_KEYS: bool = !Self::HASHED_KEY.is_empty();

    /// Returns the identity as text. The parts of a composite identity are joined with `|`. Empty while the
    /// object has no key or only a part of it; such an object cannot be recorded.
    ///
    /// A hashed part is a token, computed with the key of the log that drafts the entry, or else of the
    /// [current log](crate::AuditLog::current).
    fn object_pk(&self) -> String;

    /// Returns whether two objects are known to have the same key, without building it. After
    /// `false` the caller compares the keys.
    #[doc(hidden)]
    #[inline]
    fn keeps_key(&self, _other: &Self) -> bool {
        false
    }

    /// Returns the object as human-readable text, with masked fields masked. The default is the
    /// model and the identity, such as `User 42`.
    fn object_repr(&self) -> String {
        format!("{} {}", Self::MODEL, self.object_pk())
    }

    /// Returns the static description of the type. The default has the model's name and the
    /// [fields](AuditValue::FIELDS) of the type.
    fn schema() -> &'static ModelSchema {
        const { &ModelSchema::new(Self::MODEL, Self::MODEL, Self::FIELDS) }
    }

    /// Returns the aggregate root this object belongs to.
    fn parent(&self) -> Option<ObjectRef> {
        None
    }

    /// Returns the entity itself, even if `self` is a pointer to it.
    #[doc(hidden)]
    fn entity(&self) -> &dyn Any
    where
        Self: Sized + 'static,
    {
        self
    }

    /// Writes [`object_repr`](Self::object_repr), with each field as `repr` allows it.
    #[doc(hidden)]
    fn repr_into(&self, repr: &mut Repr<'_>) {
        repr.text(&self.object_repr());
    }
}

macro_rules! pointers {
    ($($pointer:ident),*) => {$(
        /// Delegates to the entity that it points to.
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
    /// Returns a reference to the object of a type with this key, as in entries of the current
    /// log. A part of the key that the type hashes is given in clear or as a token.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn of<T: Auditable>(pk: impl ToString) -> Self {
        Self::keyed::<T>(None, pk.to_string())
    }

    /// Returns a reference as [`of`](Self::of) does, with other hash keys than those of the
    /// current log.
    pub(crate) fn keyed<T: Auditable>(keys: Option<&HashKeys>, pk: String) -> Self {
        let object_pk = match keys {
            _ if T::HASHED_KEY.is_empty() => pk,
            Some(keys) => keys.object_key(T::HASHED_KEY, pk, KeyForm::Any),
            None => HashKeys::current().object_key(T::HASHED_KEY, pk, KeyForm::Any),
        };
        Self::new(T::MODEL, object_pk)
    }
}
