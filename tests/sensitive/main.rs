//! Sensitive values: masks, keyed hashes, hidden keys and the lint.

mod hash;
mod hidden_keys;
mod lint;
mod mask;
