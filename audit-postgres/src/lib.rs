//! The store of `auditlog` for many writers: a trail in a PostgreSQL database.

mod background;
mod check;
mod connection;
mod error;
mod options;
mod query;
mod retention;
mod roles;
mod row;
mod schema;
mod store;
mod tls;
mod writer;

pub use crate::check::{Check, Mismatch};
pub use crate::options::PostgresOptions;
pub use crate::roles::Roles;
pub use crate::schema::SCHEMA_VERSION;
pub use crate::store::PostgresStore;
