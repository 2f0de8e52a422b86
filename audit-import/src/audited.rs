//! The audits of audited.

use audit_core::{Action, Change, Changes, LogEntry, ObjectRef};
use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
use crate::losses::{LossKind, Losses};
use crate::rails::Changelog;
use crate::record::Record;
use crate::schema::{Schema, Table};
use crate::source::{Draft, Reading, Source, Step, Users, change, masked, user_name};
use crate::{ids, rails};

const FORMAT: Format = Format::Audited;

const COLUMNS: &[&str] = &[
    "id",
    "auditable_id",
    "auditable_type",
    "action",
    "audited_changes",
    "created_at",
];

/// What the library puts in place of a redacted value, unless a model's `redaction_value` says
/// otherwise.
const REDACTED: &str = "[REDACTED]";

#[derive(Debug)]
struct Audited {
    tables: Vec<Table>,
    schema: Schema,
}

pub(crate) fn find(
    connection: &Connection,
    schema: &Schema,
) -> Result<Option<Box<dyn Source>>, ImportError> {
    let tables = rails::tables(connection, schema.with(COLUMNS))?;
    if tables.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(Audited {
        tables,
        schema: schema.clone(),
    })))
}

impl Changelog for Audited {
    const FORMAT: Format = FORMAT;
    const NEXT: &'static str = "NULL";

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn read(
        &self,
        step: &Step,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<LogEntry, ImportError> {
        let name = &record.table().name;
        let action = match record.text("action")?.as_deref() {
            Some("destroy") => Action::Delete,
            Some(name) => Action::named(name.to_owned()),
            None => return Err(record.error("action", "is null")),
        };
        let model = record.text("auditable_type")?.unwrap_or_default();
        let pk = record.text("auditable_id")?.unwrap_or_default();
        let mut draft = Draft::new(FORMAT, action, &model, &pk);
        self.user(record, &mut draft, cx)?;
        if let (Some(model), Some(pk)) = (
            record.text("associated_type")?,
            record.text("associated_id")?,
        ) {
            draft.entry.parent = Some(ObjectRef::new(model, pk));
        }
        let mut losses = cx.losses(FORMAT, name, record.id());
        draft.entry.reason = record.text("comment")?;
        if let Some(fields) = rails::payload(record, "audited_changes", &mut losses)? {
            draft.entry.changes = changes(fields, &draft.entry.action, &mut losses);
        }
        for column in &record.table().columns {
            let column = column.name.as_str();
            if !COLUMNS.contains(&column) && !READ.contains(&column) {
                let value = record.text(column)?.map_or(Value::Null, Value::from);
                draft.place(column, value, &mut losses);
            }
        }
        draft.keep("version", record.integer("version")?);
        let time = record.time("created_at")?;
        let order = ids::order(step.rank, ids::number(record.id()));
        ids::stamp(&mut draft.entry, FORMAT, name, record.id(), time, order);
        Ok(draft.finish(FORMAT, name, record.id()))
    }
}

impl Audited {
    /// Sets who it was: a record of any class, or a name.
    fn user(
        &self,
        record: &Record<'_>,
        draft: &mut Draft,
        cx: &Reading<'_>,
    ) -> Result<(), ImportError> {
        let class = record.text("user_type")?;
        let id = record.text("user_id")?;
        let name = record.text("username")?;
        let users = class
            .as_deref()
            .and_then(|class| rails::table_of(&self.schema, class));
        let users = users.and_then(|users| Users::of(users, None));
        let display = user_name(users.as_ref(), cx.connection, id.as_deref())?;
        draft.keep("user_type", class);
        match (id, name) {
            (Some(id), name) => {
                draft.keep("username", name);
                draft.actor(Some(id), display);
            }
            (None, name) => draft.actor(name, None),
        }
        Ok(())
    }
}

/// The columns that are read by name, besides those that every table has.
const READ: &[&str] = &[
    "associated_id",
    "associated_type",
    "comment",
    "user_id",
    "user_type",
    "username",
    "version",
];

/// Reads what the library stores: plain values of what came or went, pairs of what changed.
fn changes(fields: Map<String, Value>, action: &Action, losses: &mut Losses<'_>) -> Changes {
    let read = |(field, stored): (String, Value)| {
        let (old, new) = match (action, stored) {
            (Action::Create, value) => (None, Some(value)),
            (Action::Delete, value) => (Some(value), None),
            (_, Value::Array(pair)) if pair.len() == 2 => {
                let mut pair = pair.into_iter();
                (pair.next(), pair.next())
            }
            // Of several audits combined into one the creation may be part.
            (_, value) => (None, Some(value)),
        };
        let hidden = [&old, &new]
            .into_iter()
            .flatten()
            .any(|value| value == REDACTED)
            // The library records what changed only, so a pair of equal values is redacted.
            || old.is_some() && old == new;
        if hidden {
            losses.add(&field, LossKind::Masked);
        }
        let made: Change = change(&field, old, new);
        if hidden { masked(made) } else { made }
    };
    fields.into_iter().map(read).collect()
}
