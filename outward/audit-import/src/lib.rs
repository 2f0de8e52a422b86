//! Reads the audit tables that other libraries wrote in a SQLite file, as entries of auditlog.
//!
//! [`detect`] says which libraries' tables a file has, [`Import`] reads them: in one pass,
//! oldest first, in the library's own order, with the file opened read-only. Tables are found by
//! their columns, so that their names do not matter, and models, keys and types come from the
//! database itself. Entries have ids that depend on nothing but the row, so that importing again
//! adds nothing to a store, and adds what is new when the table has grown.
//!
//! # What becomes what
//!
//! | | django-auditlog | django-simple-history | SQLAlchemy-Continuum | PaperTrail | audited |
//! |---|---|---|---|---|---|
//! | `model` | content type: `app.model` | the same | the versioned table | `item_type` | `auditable_type` |
//! | `object_pk` | `object_pk` | the model's key | key columns, joined by a bar | `item_id` | `auditable_id` |
//! | `action` | `action` | `history_type` | `operation_type` | `event`, `destroy` as delete | `action`, `destroy` as delete |
//! | `actor` | `actor_id` | `history_user_id` | `user_id` | `whodunnit` | `user_id`, else `username` |
//! | `reason` | | `history_change_reason` | meta key | column | `comment` |
//! | `correlation_id` | `cid` | column | meta key | column | `request_uuid` |
//! | `remote_addr` | `remote_addr` | column | `remote_addr` | column | `remote_address` |
//! | `transaction_id` | | | made of `transaction_id` | the same | |
//! | `parent` | | | | | `associated_*` |
//! | `changes` | `changes`, `changes_text` | between rows | between versions | `object_changes` | `audited_changes` |
//! | `snapshot` | | the row | the version | `object` with the changes | |
//!
//! "column" and "meta key" are what applications add, by name: `remote_addr`,
//! `remote_address`, `remote_ip`, `ip_address`, `ip`, `client_ip`; `correlation_id`,
//! `request_id`, `request_uuid`, `cid`; `reason`, `comment`, `change_reason`; `trace_id`.
//!
//! All the rest is in `additional_data`: under `imported` the `format`, the `table`, the row's
//! `id`, and every other column by its name; of django-auditlog also its own additional data,
//! at the top, or where that is not an object (a list, a text, a number) beside the row's own values
//! as `additional_data.imported.additional_data`, as is a member `imported` of it. An actor's
//! `display` is the name that the table of users has now.
//! [`Entries::report`] tells what could not be carried over exactly.
//!
//! # Values
//!
//! A value has a type where the database is certain of it, and is never guessed at.
//! django-simple-history and SQLAlchemy-Continuum keep columns, so their declared types decide:
//! decimals are text, instants RFC 3339, UUIDs have dashes, JSON columns hold their value. What
//! django-auditlog stores as text stays text, as the library itself tells it: a `"5"` may be a
//! number or not, and `"None"` a null. audited's values are what its YAML or JSON says.
//! PaperTrail's are given the types of the model's own table, as the library gives them, where
//! that table is found by Rails' rules: JSON that is stored as text is parsed, and instants are
//! written in one form. YAML is read as Ruby reads it, with the types of Ruby and Rails.
//! Numbers that a double would round are text, except integers of 64 bits. Bytes are an object
//! with `$base64`, and masked values are as the library masked them.
//!
//! A creation has all its fields as new and nothing as old, a deletion all as old and nothing
//! as new, also where the library stores a null, a default or the text `None` on the other
//! side. Many-to-many fields change by member: `topics['sea']`.
//!
//! # Where entries differ from what the library tells
//!
//! The tests compare every entry with the library's own report. Besides the creations and
//! deletions above these differ:
//!
//! - django-auditlog: what a masked field stands for is known by the form that the library's own
//!   mask gives ([`Redaction::Masked`](audit_core::Redaction)); other masks cannot be told.
//! - django-simple-history: changes of fields that are not editable (`auto_now`) are listed.
//!   Decimals lack trailing zeros: SQLite's column does not have the scale. A foreign key has
//!   Django's name (`issue` for `issue_id`) where the model's own table declares it.
//! - SQLAlchemy-Continuum: the creation of a key that is used again has all fields as new, and
//!   is not compared with what was deleted; so has an update without a version before it. Rows
//!   of association tables are objects of their own, as in the library. A transaction without
//!   versions is an entry without an object, with the action `transaction`.
//! - PaperTrail: an enum is the number that the database has, an attribute that the model
//!   serializes is its text, both for objects that are gone too, of which the library tells
//!   untyped values. Instants are in UTC with six digits. The snapshot of a creation has the
//!   column's default for what it does not list; that of an update is the object before with
//!   the new values, so that what was changed past the library shows from the next version on
//!   (the library dates it back). A table without `object_changes` has its changes from the
//!   version after.
//! - A deletion under SQLAlchemy-Continuum's `NullDeletePlugin`, which writes nulls into the
//!   row: a field that is null there has the value of the version before. Of a deletion without a
//!   version before the nulls are kept.
//! - PaperTrail and audited: a Ruby object around one value (a time of day, an `Enumerize` value,
//!   a `SafeBuffer`, a `Set`, a `Duration`, an `IPAddr`, a `Pathname`) is that value; other objects
//!   are their parts. Either is reported once for each type. Of two equal keys in JSON, or two
//!   keys of YAML that are one text, the row is an error.
//! - audited: a pair of two equal values is a masked one, whatever `redaction_value` is: the
//!   library records what changed only. All pairs are read before the first entry, so that the
//!   same value is known as masked in a creation, a deletion, and another field of the model.
//!   A `redaction_value` that is in no pair is taken for the value of the field.
//! - audited: instants of YAML are in UTC, the zone is left out.
//!
//! Times without an offset are taken for UTC, which Django and Rails write by default.
//!
//! # Ids
//!
//! An id is a UUID of version 7 in layout: the row's time in milliseconds, 44 bits for the
//! row's place in the library's order, and 30 bits of the SHA-256 of format, table and row. The
//! place is the rank of the table among those with a row of that very time, and the low 32 bits
//! of the row's number; for SQLAlchemy-Continuum the low 24 bits of the transaction's number and
//! the place in it.

mod audited;
mod continuum;
mod django;
mod django_auditlog;
mod error;
mod format;
mod ids;
mod import;
mod json;
mod losses;
mod paper_trail;
mod rails;
mod record;
mod schema;
mod simple_history;
mod source;
mod time;
mod value;
mod yaml;

pub use crate::error::ImportError;
pub use crate::format::{Format, ParseFormatError};
pub use crate::import::{Entries, Import, detect};
pub use crate::losses::{Loss, LossKind, Report};
