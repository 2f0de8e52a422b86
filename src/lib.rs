#![doc = include_str!("../README.md")]

#[doc(no_inline)]
pub use audit_core::*;

#[cfg(feature = "logging")]
#[doc(inline)]
pub use audit_logging as logging;

#[cfg(feature = "derive")]
pub use audit_derive::Auditable;

#[cfg(feature = "sqlite")]
pub use audit_sqlite as sqlite;

#[doc(hidden)]
pub use audit_core::__private;

#[cfg(feature = "derive")]
pub mod recipes {
    #![doc = include_str!("../RECIPES.md")]
}

/// What most programs import.
pub mod prelude {
    #[doc(no_inline)]
    pub use audit_core::prelude::*;

    #[cfg(feature = "derive")]
    #[doc(no_inline)]
    pub use audit_derive::Auditable;

    #[cfg(feature = "sqlite")]
    #[doc(no_inline)]
    pub use audit_sqlite::SqliteStore;
}
