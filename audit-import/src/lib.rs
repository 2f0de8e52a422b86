//! x
#![allow(missing_docs, dead_code, unused)]
mod audited; mod continuum; mod paper_trail; mod rails; mod simple_history; 
mod django; mod django_auditlog; mod import; mod source;
mod error; mod format; mod ids; mod json; mod losses; mod record; mod schema; mod time; mod value; mod yaml;
pub use crate::error::ImportError;
pub use crate::format::{Format, ParseFormatError};
pub use crate::import::{Entries, Import, detect};
pub use crate::losses::{Loss, LossKind, Report};
