//! `AuditValue` for the types of the standard library and of other crates.

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
