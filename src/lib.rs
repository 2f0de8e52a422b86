//! Audit trails for Rust: derived field-level changes, a durable trail, and the questions
//! people ask of it.

#[doc(no_inline)]
pub use audit_core::*;

#[cfg(feature = "logging")]
#[doc(inline)]
pub use audit_logging as logging;

#[cfg(feature = "derive")]
pub use audit_derive::Auditable;

#[doc(hidden)]
pub use audit_core::__private;
