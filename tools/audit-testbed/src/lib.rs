//! Servers and disks for the tests of this workspace, and the suite that every adapter passes.
//! Tools for users' own tests are in `audit-testkit`.

mod disk;
#[cfg(feature = "in-transaction")]
pub mod in_transaction;
mod mysql;
mod pooler;
mod postgres;
mod process;
mod s3;

pub use crate::disk::SmallDisk;
pub use crate::mysql::MysqlServer;
pub use crate::pooler::PgBouncer;
pub use crate::postgres::PostgresServer;
pub use crate::s3::{S3Server, send};
