//! JSON as the trail writes and compares it.

pub(crate) mod canonical;
mod escape;
pub(crate) mod nesting;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod writer;
