//! The type under the derive, with what its attributes say and its own source kept.

mod body;
mod container;
mod field;
mod inner_type;
mod variant;

pub(crate) use self::body::{Body, Shape};
pub(crate) use self::container::{Container, Conversion, Data};
pub(crate) use self::field::{Field, Presence};
pub(crate) use self::inner_type::{Wrapper, inner_type, option_inner};
pub(crate) use self::variant::{Tagging, Variant};
