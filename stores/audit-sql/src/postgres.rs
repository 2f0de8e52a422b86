//! PostgreSQL: an entry as a row, and the statement that keeps entries.

mod append;
mod row;
mod schema;

pub use self::append::{append, append_one, conflict, rows};
pub use self::row::{Row, changed_fields, json, key};
pub use self::schema::Schema;
