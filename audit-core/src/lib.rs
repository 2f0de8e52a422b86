//! The core of `auditlog`: values and their differences, entries, registry, context, stores
//! and sinks. Applications use the `auditlog` crate, which re-exports all of it.

mod action;
mod actor;
mod auditable;
mod canonical;
mod change;
mod clock;
mod diff;
mod entry;
mod error;
mod hash;
mod ids;
mod level;
mod log;
mod mask;
mod memory;
mod path;
mod query;
mod repr;
mod rules;
mod schema;
mod snapshot;
mod store;
mod suggest;
mod value;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use crate::action::{Action, Outcome, ParseOutcomeError};
pub use crate::actor::{Actor, ActorKind};
pub use crate::auditable::Auditable;
pub use crate::change::{
    ApplyError, Change, Changes, Conflict, ConflictKind, Move, Rebase, Redaction,
};
pub use crate::diff::{Diff, MAX_DEPTH, diff, try_diff};
pub use crate::entry::{ENTRY_FORMAT, LogEntry, ObjectRef, Source};
pub use crate::error::{Error, RegistrationError, Result, StoreError, ValueError};
pub use crate::level::{Level, ParseLevelError};
pub use crate::log::AuditLog;
pub use crate::mask::{Mask, ParseMaskError};
pub use crate::memory::MemoryStore;
pub use crate::path::{ParsePathError, Path, PathSegment};
pub use crate::query::{Cursor, Entries, Filter, ParseCursorError, Query};
pub use crate::schema::{ActionLevels, ActionSet, FieldSchema, ModelSchema, Sensitivity};
pub use crate::snapshot::{Snapshot, snapshot, try_snapshot};
pub use crate::store::{Page, Store};
pub use crate::value::AuditValue;
