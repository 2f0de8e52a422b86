//! Items that the generated code of the derive uses. Not part of the public API.

#[cfg(feature = "auto")]
pub use inventory;
pub use log;
pub use serde::Serialize;
pub use serde_json::Value;
pub use std::string::String;
pub use std::vec::Vec;

pub use crate::__derived as derived;
pub use crate::entry::ObjectRef;
pub use crate::level::Level;
#[cfg(feature = "auto")]
pub use crate::log::auto::Derived;
pub use crate::mask::Mask;
pub use crate::one_line::OneLine;
pub use crate::value::auditable::Auditable;
pub use crate::value::diff::Diff;
pub use crate::value::fields::{field, indexed_field, inline_field, no_fields, quoted_field};
pub use crate::value::hash::{hashed_key, hashes_keys, parent_key};
pub use crate::value::model::{ActionLevels, ActionSet, ModelSchema};
pub use crate::value::repr::{Repr, composite_key, key_text};
pub use crate::value::schema::FieldSchema;
pub use crate::value::schema_walk::of_newtype;
pub use crate::value::snapshot::{ArraySnapshot, ObjectSnapshot, Snapshot};
pub use crate::value::walk::{Fields, Walk};
pub use crate::value::within_time;
pub use crate::value::{
    AsSet, AuditValue, Concealed, Debugged, Displayed, FieldsOf, Keyed, MaskOf, MaskedWith,
    ModelOf, NoFields, NoModel, Recorder, Referenced, Serialized, SerializedWith, Via, fields_of,
    masked,
};

/// Returns what serde's `into` makes of a value before it is written.
pub fn convert<T: Clone + Into<U>, U>(value: &T) -> U {
    value.clone().into()
}

/// Levels by action; what is not given stays at the default.
pub const fn action_levels(
    create: Option<Level>,
    update: Option<Level>,
    delete: Option<Level>,
    access: Option<Level>,
) -> ActionLevels {
    const fn or(level: Option<Level>, default: Level) -> Level {
        match level {
            Some(level) => level,
            None => default,
        }
    }
    let default = ActionLevels::DEFAULT;
    ActionLevels {
        create: or(create, default.create),
        update: or(update, default.update),
        delete: or(delete, default.delete),
        access: or(access, default.access),
        custom: default.custom,
    }
}

/// Returns the recorded actions, of these three; with `actions(..)` accesses are not recorded.
pub const fn action_set(create: bool, update: bool, delete: bool) -> ActionSet {
    ActionSet {
        create,
        update,
        delete,
        access: false,
    }
}

/// A number that `#[audit(tolerance = ..)]` compares.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a float, which a `tolerance` needs",
    label = "not a float",
    note = "`#[audit(tolerance = 1e-9)]` goes on a float or an `Option` of one, and `#[audit(tolerance = \"1us\")]` on a time",
    note = "for another type give its equality with `#[audit(eq = path)]`"
)]
pub trait Measured: Copy + Into<f64> {}

#[diagnostic::do_not_recommend]
impl<T: Copy + Into<f64>> Measured for T {}

/// Returns whether two floats differ by no more than `tolerance`; NaN is within NaN.
#[expect(clippy::float_cmp, reason = "equal infinities differ by NaN")]
pub fn within<T: Measured>(old: T, new: T, tolerance: f64) -> bool {
    let (old, new): (f64, f64) = (old.into(), new.into());
    // Equal covers the infinities, whose difference is NaN.
    old == new || (old.is_nan() && new.is_nan()) || (old - new).abs() <= tolerance
}
