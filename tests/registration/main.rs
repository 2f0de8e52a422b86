//! Registration: options, rules for fields, and what is refused.

mod options;
mod rules;
mod user;
