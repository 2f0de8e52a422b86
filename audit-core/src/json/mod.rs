//! JSON: canonical text, comparison, order, numbers, depth.
//!
//! Stored entries are JSON, so everything that decides whether two recorded values are equal, and which
//! bytes they have, is here:
//!
//! - `canonical` and `writer`: the stored text, with sorted keys and without whitespace
//! - `escape`: quoted strings
//! - `number`: the stored form of a number, and comparison by value
//! - `nesting`: the depth limit, and comparisons that cannot overflow the stack
//! - `order`: a total order, for sets

pub(crate) mod canonical;
mod escape;
pub(crate) mod nesting;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod writer;
