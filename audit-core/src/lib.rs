//! The core of `auditlog`: values and their differences, entries, registry, context, stores
//! and sinks. Applications use the `auditlog` crate, which re-exports all of it.

mod action;
mod actor;
mod ambient;
mod auditable;
#[cfg(feature = "auto")]
mod auto;
mod builder;
mod cadence;
mod canonical;
mod change;
mod clock;
mod context;
mod critical;
mod description;
mod diff;
mod draft;
mod drafts;
mod entry;
mod error;
mod flat;
mod frozen;
mod functions;
mod hash;
mod history;
mod ids;
mod level;
mod lint;
mod log;
mod mask;
mod memory;
mod one_line;
mod options;
mod path;
mod pending;
mod pipeline;
mod query;
mod queue;
mod receipt;
mod registry;
mod repr;
mod rules;
mod schema;
mod sensitive;
mod sink;
mod size;
mod snapshot;
mod spool;
mod store;
mod suggest;
pub mod testing;
mod ticket;
mod tracked;
mod transaction;
mod unit;
mod value;
mod visited;
mod walk;
mod whole;
mod writer;

#[doc(hidden)]
pub mod projection;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use crate::action::{Action, Outcome, ParseOutcomeError};
pub use crate::actor::{Actor, ActorKind};
pub use crate::auditable::Auditable;
#[cfg(feature = "auto")]
pub use crate::auto::{register_all, try_register_all};
pub use crate::builder::AuditLogBuilder;
pub use crate::change::{
    ApplyError, Change, Changes, Conflict, ConflictKind, Move, Rebase, Redaction,
};
pub use crate::context::{
    Context, ContextGuard, FutureExt, InContext, IntoActor, RunsInScope, StreamExt, context,
    disabled, set_actor,
};
pub use crate::description::{FieldDescription, ModelDescription, Recorded};
pub use crate::diff::{Diff, MAX_DEPTH, diff, try_diff};
pub use crate::draft::Draft;
pub use crate::drafts::Drafts;
pub use crate::entry::{ENTRY_FORMAT, LogEntry, ObjectRef, Source};
pub use crate::error::{Error, RegistrationError, Result, StoreError, ValueError};
pub use crate::functions::*;
pub use crate::history::{
    Blame, Break, Histories, History, Missing, MissingReason, ObjectState, ObjectStates,
    Reconstruction, TypedError, Upcast, Version, as_of, as_of_async, history, history_async,
    objects_as_of,
};
pub use crate::level::{Level, ParseLevelError};
pub use crate::lint::{LintFinding, LintReason, lint, lint_registered};
pub use crate::log::{AuditLog, Flow, LogGuard, ShutdownGuard};
pub use crate::mask::{Mask, ParseMaskError};
pub use crate::memory::MemoryStore;
pub use crate::options::{RegisterOptions, SnapshotPolicy};
pub use crate::path::{ParsePathError, Path, PathSegment};
pub use crate::pending::Pending;
pub use crate::pipeline::{FailurePolicy, LogStats};
pub use crate::query::{
    Cursor, Entries, Filter, Group, ParseCursorError, ParseQueryError, ParseTimeError, Query,
    parse_time,
};
pub use crate::receipt::{Receipt, SkipReason};
pub use crate::registry::UnregisteredPolicy;
pub use crate::schema::{ActionLevels, ActionSet, FieldSchema, ModelSchema, Sensitivity};
pub use crate::sensitive::Sensitive;
pub use crate::sink::{Filtered, JsonLinesSink, LogSink, Sink, SinkError, SinkFn, sink_fn};
pub use crate::snapshot::{Snapshot, snapshot, try_snapshot};
pub use crate::store::{AsyncStore, Page, Store, StoreFuture};
#[doc(hidden)]
pub use crate::suggest::nearest;
pub use crate::ticket::Ticket;
pub use crate::tracked::Tracked;
pub use crate::transaction::{
    Attempt, InTransaction, Transaction, begin, transaction, transaction_async,
};
pub use crate::unit::{Unit, unit};
pub use crate::value::AuditValue;

/// Lists a derived entity for `register_all`; nothing without the feature `auto`.
#[cfg(feature = "auto")]
#[doc(hidden)]
#[macro_export]
macro_rules! __derived {
    ($type:ty) => {
        $crate::__private::inventory::submit! { $crate::__private::Derived::of::<$type>() }
    };
}

/// Lists a derived entity for `register_all`; nothing without the feature `auto`.
#[cfg(not(feature = "auto"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __derived {
    ($type:ty) => {};
}

/// What most programs import.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};

    pub use crate::FailurePolicy::{FailClosed, FailOpen};
    pub use crate::SnapshotPolicy::{Always, Every};
    pub use crate::{
        Action, Actor, AuditLog, Auditable, FutureExt as _, JsonLinesSink, Level, LogEntry,
        LogSink, MemoryStore, Outcome, Receipt, Sink, StreamExt as _, Tracked,
    };
}
