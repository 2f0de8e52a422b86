//! SQLite: an entry as a row, and the statement that keeps entries.

mod append;
mod row;

pub use self::append::{APPEND, Batch, FIND_CONFLICT, SCHEMA, is_conflict};
pub use self::row::{Row, changed_fields, top_level_field};
