//! The type under the derive, with what its attributes say and its own source kept.

mod body;
mod container;
mod field;
mod held;
mod variant;

pub(crate) use self::body::{Body, Shape};
pub(crate) use self::container::{Container, Conversion, Data};
pub(crate) use self::field::{Field, Presence};
pub(crate) use self::held::{Holds, held, held_by_option};
pub(crate) use self::variant::{Tagging, Variant};
