//! Drafts of entries, and what records them: alone, as a unit or in a transaction.

pub(crate) mod draft;
pub(crate) mod drafts;
pub(crate) mod full_snapshot;
pub(crate) mod in_context;
pub(crate) mod pending;
pub(crate) mod tracked;
pub(crate) mod transaction;
pub(crate) mod unit;
