//! Errors for the stores whose features are not enabled.
//!
//! The compiler names the feature for a path such as `auditlog::SqliteStore`, but not for a name that
//! a glob import of the prelude lacks. The prelude has an alias instead, of the associated type of a
//! trait without implementations, so that every use of it is an error with the message below.

/// Has no implementation. See the [module](self).
#[cfg(not(feature = "sqlite"))]
#[diagnostic::on_unimplemented(
    message = "`SqliteStore` needs the feature `sqlite` of `auditlog`",
    label = "the feature `sqlite` of `auditlog` is not enabled",
    note = "run `cargo add auditlog --features sqlite`"
)]
pub trait Sqlite {
    /// The store.
    type Store;
}

/// Has no implementation. See the [module](self).
#[cfg(not(feature = "postgres"))]
#[diagnostic::on_unimplemented(
    message = "`PostgresStore` needs the feature `postgres` of `auditlog`",
    label = "the feature `postgres` of `auditlog` is not enabled",
    note = "run `cargo add auditlog --features postgres`"
)]
pub trait Postgres {
    /// The store.
    type Store;
}
