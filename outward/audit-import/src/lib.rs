//! Reads the audit tables that other libraries wrote in a SQLite file, as entries of auditlog.
//!
//! [`detect`] returns the libraries whose tables a file has. [`Import`] reads them in one pass,
//! oldest first, in the library's own order, with the file opened read-only. Tables are found by
//! their columns, so their names do not matter; models, keys and types come from the database
//! itself. The id of an entry depends on its row alone, so a repeated import adds only the rows
//! that are new.
//!
//! # Mapping
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
//! "column" and "meta key" are columns and keys that applications add, with these names:
//! `remote_addr`, `remote_address`, `remote_ip`, `ip_address`, `ip`, `client_ip`;
//! `correlation_id`, `request_id`, `request_uuid`, `cid`; `reason`, `comment`, `change_reason`;
//! `trace_id`. [`Import::column`] maps others.
//!
//! Everything else is in `additional_data`. Its member `imported` has the `format`, the `table`,
//! the row's `id`, and every other column by its name. The additional data of django-auditlog is at
//! the top; if it is not an object (a list, a text, a number), or has a member `imported`, that
//! value is in `additional_data.imported.additional_data`. An actor's `display` is its current
//! name in the table of users. [`Entries::report`] returns the values that could not be carried
//! over exactly.
//!
//! # Values
//!
//! A value has a type only if the database defines one; types are never guessed.
//!
//! - django-simple-history and SQLAlchemy-Continuum keep columns, so the declared types decide:
//!   decimals are text, instants RFC 3339, UUIDs have dashes, JSON columns have their value.
//! - django-auditlog: values stored as text stay text, as in the library's own report: a `"5"` may
//!   be a number or not, and `"None"` a null.
//! - audited: values have the types of the YAML or JSON.
//! - PaperTrail: values have the types of the model's own table, as in the library, if Rails'
//!   naming rules find that table: JSON that is stored as text is parsed, and instants are written
//!   in one form.
//!
//! YAML is read as Ruby reads it, with the types of Ruby and Rails. Numbers that a double would
//! round are text, except integers of 64 bits. Bytes are an object with `$base64`, and masked
//! values stay as the library masked them.
//!
//! A creation has all its fields as new and nothing as old, a deletion all as old and nothing as
//! new, also if the library stores a null, a default or the text `None` on the other side.
//! Many-to-many fields change by member: `topics['sea']`.
//!
//! # Differences from the libraries' reports
//!
//! The tests compare every entry with the library's own report. Besides creations and deletions,
//! these differ:
//!
//! - django-auditlog: masked values are recognized by the form of the library's own mask
//!   ([`Redaction::Masked`](audit_core::Redaction)); other masks cannot be recognized.
//! - django-simple-history: changes of fields that are not editable (`auto_now`) are listed.
//!   Decimals lack trailing zeros, because SQLite's column does not have the scale. A foreign key
//!   has Django's name (`issue` for `issue_id`) if the model's own table declares it.
//! - SQLAlchemy-Continuum: the creation of a key that is used again has all fields as new, and is
//!   not compared with the deleted object; the same holds for an update without a version before
//!   it. Rows of association tables are objects, as in the library. A transaction without versions
//!   is an entry without an object, with the action `transaction`.
//! - PaperTrail: an enum is the number in the database, and an attribute that the model serializes
//!   is its text, also for deleted objects, whose values the library reports without types.
//!   Instants are in UTC with six digits. The snapshot of a creation has the column's default for
//!   fields that it does not list. The snapshot of an update is the object before it with the new
//!   values, so an unrecorded change appears in the next version (the library dates it back). A
//!   table without `object_changes` has its changes from the version after.
//! - SQLAlchemy-Continuum's `NullDeletePlugin` writes nulls into the row of a deletion: a field
//!   that is null there has the value of the version before. Without a version before, the nulls
//!   are kept.
//! - PaperTrail and audited: a Ruby object that wraps one value (a time of day, an `Enumerize`
//!   value, a `SafeBuffer`, a `Set`, a `Duration`, an `IPAddr`, a `Pathname`) becomes that value;
//!   other objects become their parts. Both are reported once for each type. A duplicate key in
//!   JSON, or two keys of YAML with the same text, make the row an error.
//! - audited: a pair of two equal values is masked, regardless of `redaction_value`, because the
//!   library records only values that changed. All pairs are read before the first entry, so the
//!   same value is recognized as masked in a creation, a deletion, and another field of the model.
//!   A `redaction_value` that is in no pair is read as the value of the field.
//! - audited: instants of YAML are in UTC, the zone is left out.
//!
//! Times without an offset are read as UTC, which Django and Rails write by default.
//!
//! # Ids
//!
//! An id has the layout of a UUID of version 7: the row's time in milliseconds, 44 bits for the
//! row's position in the library's order, and 30 bits of the SHA-256 of format, table and row. The
//! position is the rank of the table among those with a row of the same time, and the low 32 bits
//! of the row's number; for SQLAlchemy-Continuum the low 24 bits of the transaction's number and
//! the position in it.

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
