//! Drafts of entries, and what records them: alone, as a unit or in a transaction.

mod confirmation;
pub(crate) mod draft;
pub(crate) mod drafts;
mod entity;
mod full_snapshot;
mod gate;
pub(crate) mod in_context;
pub(crate) mod in_transaction;
pub(crate) mod pending;
mod ready;
mod staging;
pub(crate) mod tracked;
pub(crate) mod transaction;
pub(crate) mod unit;
