//! Histories: versions of an object, what differs between them, who set what, and what is missing.

mod as_of;
mod before_first;
mod blame;
mod breaks;
mod breaks_by_hand;
mod breaks_in_sets;
mod breaks_loose;
mod diff;
mod doc;
mod missing;
mod older_parts;
mod order;
mod schema_evolution;
mod snapshots;
mod typed;
mod undo;
mod user;
mod versions;
