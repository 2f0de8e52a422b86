//! `AuditValue` for the types of the standard library and of other crates.

mod either;
mod foreign;
mod interior;
pub(crate) mod keyed;
pub(crate) mod list;
mod listed;
mod map;
pub(crate) mod moment;
pub(crate) mod number;
mod pointer;
pub(crate) mod serialize;
pub(crate) mod set;
mod text;
mod time;
pub(crate) mod tree;
mod tuple;
pub(crate) mod wrap;
