//! Registration: options, rules for fields, and what is refused.

mod options;
mod rules;
#[path = "../recording/user.rs"]
mod user;
