//! The core of `auditlog`: values and their differences, entries, registry, context, stores
//! and sinks. Applications use the `auditlog` crate, which re-exports all of it.

mod action;
mod actor;
mod change;
mod context;
mod critical;
mod entry;
mod error;
mod functions;
mod history;
mod json;
mod level;
mod log;
mod mask;
mod misleading;
mod one_line;
mod parsed;
mod path;
mod pipeline;
mod record;
mod registry;
mod sink;
mod store;
mod suggest;
pub mod testing;
mod value;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use crate::action::{Action, Outcome, ParseOutcomeError};
pub use crate::actor::{Actor, ActorKind};
pub use crate::change::{
    ApplyError, Change, Changes, Conflict, ConflictKind, Move, Rebase, Redaction,
};
pub use crate::context::{
    ActorSource, Context, ContextGuard, IntoActor, RunsInScope, context, disabled, set_actor,
};
pub use crate::entry::{ENTRY_FORMAT, LogEntry, ObjectRef, Source};
pub use crate::error::{
    Error, Missing, MissingReason, ParseTimeError, RegistrationError, Result, StoreError,
    TypedError, ValueError,
};
pub use crate::functions::{
    accessed, baseline, bulk, created, created_many, custom, deleted, deleted_many, described,
    event, is_registered, lint_registered, record_all, register, register_with, registered,
    try_register, unregister, update, updated, updated_many,
};
pub use crate::history::{Blame, Break, History, Reconstruction, Version};
pub use crate::level::{Level, ParseLevelError};
pub use crate::log::ask::Entries;
#[cfg(feature = "auto")]
pub use crate::log::auto::{register_all, try_register_all};
pub use crate::log::builder::AuditLogBuilder;
pub use crate::log::histories::{Histories, ObjectState, ObjectStates};
pub use crate::log::past::{as_of, as_of_async, history, history_async, objects_as_of};
pub use crate::log::{AuditLog, Flow, LogGuard, ShutdownGuard};
pub use crate::mask::{Mask, ParseMaskError};
pub use crate::path::{ParsePathError, Path, PathSegment};
pub use crate::pipeline::receipt::{Receipt, SkipReason};
pub use crate::pipeline::ticket::Ticket;
pub use crate::pipeline::{FailurePolicy, LogStats};
pub use crate::record::draft::Draft;
pub use crate::record::drafts::Drafts;
pub use crate::record::in_context::{FutureExt, InContext, StreamExt};
pub use crate::record::in_transaction::{InTransaction, transaction_async};
pub use crate::record::pending::Pending;
pub use crate::record::tracked::Tracked;
pub use crate::record::transaction::{Attempt, Transaction, begin, transaction};
pub use crate::record::unit::{Unit, unit};
pub use crate::registry::UnregisteredPolicy;
pub use crate::registry::description::{FieldDescription, ModelDescription, Recorded};
pub use crate::registry::lint::{LintFinding, LintReason, lint};
pub use crate::registry::options::RegisterOptions;
pub use crate::registry::settings::SnapshotPolicy;
pub use crate::registry::upcast::Upcast;
pub use crate::sink::{Filtered, JsonLinesSink, LogSink, Sink, SinkError, SinkFn, sink_fn};
pub use crate::store::follow::{Batch, Follow, ParsePositionError, Position, Stored};
pub use crate::store::health;
pub use crate::store::memory::MemoryStore;
pub use crate::store::query::{
    Cancellation, Cursor, Filter, Group, ParseCursorError, ParseQueryError, Query, QueryTime,
    parse_time,
};
pub use crate::store::trail::{DamageReport, DamagedRow, TrailStore};
pub use crate::store::{AsyncStore, Page, Store, StoreFuture};
pub use crate::value::AuditValue;
pub use crate::value::auditable::Auditable;
pub use crate::value::diff::{Diff, diff, try_diff};
pub use crate::value::model::{ActionLevels, ActionSet, ModelSchema};
pub use crate::value::schema::{FieldSchema, Sensitivity};
pub use crate::value::sensitive::Sensitive;
pub use crate::value::snapshot::{Snapshot, snapshot, try_snapshot};

/// Items for authors of stores, database adapters, loggers and tools. Applications do not need them.
pub mod backend {
    pub use crate::entry::size::approximate_bytes;
    pub use crate::entry::table;
    pub use crate::json::nesting::MAX_DEPTH;
    pub use crate::misleading::{escape_misleading, is_misleading};
    pub use crate::one_line::{OneLineWriter, is_forging};
    pub use crate::pipeline::receipt::Receipts;
    pub use crate::record::pending::IntoPending;
    pub use crate::store::follow::SequencePosition;
    pub use crate::store::output_failed;
    pub use crate::store::projection;
    pub use crate::store::query::limit;
    pub use crate::store::scan_objects;
    pub use crate::suggest::nearest;
}

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

/// Re-exports the items that most programs import.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};

    pub use crate::FailurePolicy::{FailClosed, FailOpen};
    pub use crate::SnapshotPolicy::{Always, Every};
    pub use crate::{
        Action, Actor, AuditLog, Auditable, FutureExt as _, JsonLinesSink, Level, LogEntry,
        LogSink, MemoryStore, Outcome, Receipt, Sink, StreamExt as _, Tracked,
    };
}
