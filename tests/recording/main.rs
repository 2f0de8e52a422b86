//! Recording: drafts, batches, submitted entries, transactions and tracked objects.

mod batches;
mod clock;
mod drafts;
mod failure_policy;
mod forms;
mod hashed_identity;
mod hooks;
mod identity;
mod shutdown;
mod submit;
mod tracked;
mod transactions;
mod user;
