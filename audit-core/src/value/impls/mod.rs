//! `AuditValue` for the types of the standard library and of other crates.
//!
//! Every implementation follows the form that serde writes, so that a recorded state can be deserialized;
//! ATTRIBUTES.md of the derive lists the exceptions. A value has one recorded form, whatever its address,
//! capacity, hash order or time zone: two values that a program treats as equal are equal in the trail.
//!
//! | file | types |
//! |---|---|
//! | `number`, `text`, `time` | scalars |
//! | `list`, `keyed`, `set`, `map`, `tuple` | collections, and how their items are matched |
//! | `pointer`, `interior_mutability` | wrappers, recorded as their content |
//! | `json`, `std_enum` | values that are JSON already, and enums of the standard library |
//! | `third_party` | types of other crates, each behind a feature |
//! | `field_wrapper`, `serialize` | the forms that an attribute selects |

pub(crate) mod field_wrapper;
mod interior_mutability;
pub(crate) mod json;
pub(crate) mod keyed;
pub(crate) mod list;
mod list_like;
mod map;
pub(crate) mod number;
mod pointer;
pub(crate) mod serialize;
pub(crate) mod set;
mod std_enum;
mod text;
mod third_party;
mod time;
pub(crate) mod time_tolerance;
mod tuple;
