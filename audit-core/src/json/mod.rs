//! JSON values: canonical text, comparison, order, numbers, and the depth limit.

pub(crate) mod canonical;
mod escape;
pub(crate) mod nesting;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod writer;
