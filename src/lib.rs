// The examples of the README use these features.
#![cfg_attr(
    all(feature = "derive", feature = "logging", feature = "sqlite"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "derive", feature = "logging", feature = "sqlite")),
    doc = "Audit trails for Rust; with the features `derive`, `logging` and `sqlite` this page has examples."
)]

#[doc(no_inline)]
pub use audit_core::*;

#[cfg(feature = "logging")]
#[doc(inline)]
pub use audit_logging as logging;

#[cfg(feature = "derive")]
pub use audit_derive::Auditable;

#[cfg(feature = "postgres")]
pub use audit_postgres as postgres;

#[cfg(feature = "sqlite")]
pub use audit_sqlite as sqlite;

#[doc(hidden)]
pub use audit_core::__private;

#[cfg(feature = "derive")]
pub mod recipes {
    #![doc = include_str!("../docs/recipes.md")]
}

#[cfg(feature = "derive")]
pub mod testing_guide {
    #![doc = include_str!("../docs/testing.md")]
}

/// What most programs import.
pub mod prelude {
    #[doc(no_inline)]
    pub use audit_core::prelude::*;

    #[cfg(feature = "derive")]
    #[doc(no_inline)]
    pub use audit_derive::Auditable;

    #[cfg(feature = "postgres")]
    #[doc(no_inline)]
    pub use audit_postgres::PostgresStore;

    #[cfg(feature = "sqlite")]
    #[doc(no_inline)]
    pub use audit_sqlite::SqliteStore;
}
