//! Reads the log entries of django-auditlog.

use std::collections::HashSet;

use audit_core::{Action, Change, Changes, LogEntry};
use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::django::ContentTypes;
use crate::error::ImportError;
use crate::format::Format;
use crate::json;
use crate::losses::{LossKind, Losses, Report};
use crate::record::Record;
use crate::schema::{Schema, Table, quoted};
use crate::source::{
    Draft, Reading, Source, Step, Users, change, mark_loose, mark_masked, membership, pair,
    rows_by_time, table_of_step, user_name,
};

const FORMAT: Format = Format::DjangoAuditlog;

/// The columns of its table in every version.
const COLUMNS: &[&str] = &[
    "id",
    "object_pk",
    "object_repr",
    "action",
    "timestamp",
    "content_type_id",
    "changes",
];

#[derive(Debug)]
struct DjangoAuditlog {
    tables: Vec<LogTable>,
    models: ContentTypes,
    schema: Schema,
}

#[derive(Debug)]
struct LogTable {
    table: Table,
    users: Option<Users>,
    /// Whether version 2 wrote any row. It records a foreign key by the text of its object, version
    /// 3 by the key.
    upgraded: bool,
}

impl LogTable {
    fn of(connection: &Connection, schema: &Schema, table: &Table) -> Result<Self, ImportError> {
        let read = || {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {} WHERE changes IS NULL AND changes_text <> '')",
                quoted(&table.name)
            );
            connection.query_row(&sql, [], |row| row.get(0))
        };
        let upgraded = if table.has("changes_text") {
            read().map_err(|error| ImportError::read(&table.name, error))?
        } else {
            false
        };
        Ok(Self {
            users: Users::referenced_by(schema, table, "actor_id"),
            table: table.clone(),
            upgraded,
        })
    }
}

pub(crate) fn find(
    connection: &Connection,
    schema: &Schema,
) -> Result<Option<Box<dyn Source>>, ImportError> {
    let mut tables = Vec::new();
    for table in schema.with(COLUMNS) {
        table.check_rows(connection)?;
        tables.push(LogTable::of(connection, schema, table)?);
    }
    let Some(first) = tables.first() else {
        return Ok(None);
    };
    let named = first.table.refers("content_type_id");
    let named = named.and_then(|key| schema.table(&key.table));
    let models = ContentTypes::read(connection, named.or_else(|| ContentTypes::table(schema)))?;
    Ok(Some(Box::new(DjangoAuditlog {
        tables,
        models,
        schema: schema.clone(),
    })))
}

impl Source for DjangoAuditlog {
    fn format(&self) -> Format {
        FORMAT
    }

    fn rows(&self) -> String {
        rows_by_time(
            self.tables.iter().map(|log| &log.table),
            "timestamp",
            "NULL",
        )
    }

    fn report_table_losses(&self, report: &mut Report) {
        for log in &self.tables {
            report.add(
                FORMAT,
                &log.table.name,
                None,
                "timestamp",
                LossKind::AssumedUtc,
            );
        }
    }

    fn entry(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        let log = table_of_step(&self.tables, step, FORMAT)?;
        let record = cx.record(&log.table, step.row)?;
        let id = record.text("id")?.unwrap_or_default();
        self.read(log, step, &record.with_id(id), cx)
    }
}

impl DjangoAuditlog {
    fn read(
        &self,
        log: &LogTable,
        step: &Step,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<LogEntry, ImportError> {
        let name = &log.table.name;
        let user = user_name(
            log.users.as_ref(),
            cx.connection,
            record.text("actor_id")?.as_deref(),
        )?;
        let mut losses = cx.losses(FORMAT, name, record.id());
        let action = action(record)?;
        let model = self.model(record, &mut losses)?;
        let pk = record.text("object_pk")?.unwrap_or_default();
        let mut draft = Draft::new(FORMAT, action, &model, &pk);
        if let Some(repr) = record.text("object_repr")? {
            draft.entry.object_repr = repr;
        }
        draft.set_actor(record.key("actor_id")?, user);
        draft.entry.correlation_id = record.text("cid")?;
        if let Some(address) = record.text("remote_addr")? {
            draft.set_address_or_keep("remote_addr", &address, &mut losses);
        }
        if let Some(port) = record.integer("remote_port")? {
            match u16::try_from(port) {
                Ok(port) => draft.entry.remote_port = Some(port),
                Err(_) => draft.keep("remote_port", port),
            }
        }
        draft.keep("actor_email", record.text("actor_email")?);
        draft.keep("object_id", record.integer("object_id")?);
        draft.keep("serialized_data", parse_json(record, "serialized_data")?);
        match parse_json(record, "additional_data")? {
            Value::Object(data) => draft.entry.additional_data = data,
            other => draft.keep("additional_data", other),
        }
        set_changes(record, &mut draft, &mut losses)?;
        if log.upgraded {
            self.loosen_keys(&mut draft.entry);
        }
        keep_extra_columns(record, &mut draft)?;
        draft.finish_row(record, step, "timestamp")
    }

    /// Marks changes of foreign keys as loose, because their two forms cannot be compared.
    fn loosen_keys(&self, entry: &mut LogEntry) {
        let Some(live) = self.schema.table(&entry.model.replace('.', "_")) else {
            return;
        };
        mark_loose(entry, |field| {
            !live.has(field) && live.has(&format!("{field}_id"))
        });
    }

    fn model(&self, record: &Record<'_>, losses: &mut Losses<'_>) -> Result<String, ImportError> {
        let id = record.integer("content_type_id")?;
        let id = id.ok_or_else(|| record.error("content_type_id", "is null"))?;
        Ok(self.models.name(id).unwrap_or_else(|| {
            losses.add("content_type_id", LossKind::ModelName);
            format!("content_type {id}")
        }))
    }
}

/// Keeps the columns that do not belong to the library.
fn keep_extra_columns(record: &Record<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    const KNOWN: &[&str] = &[
        "actor_id",
        "actor_email",
        "additional_data",
        "changes_text",
        "cid",
        "object_id",
        "remote_addr",
        "remote_port",
        "serialized_data",
    ];
    for column in &record.table().columns {
        let name = column.name.as_str();
        if !COLUMNS.contains(&name) && !KNOWN.contains(&name) {
            draft.keep(name, record.text(name)?);
        }
    }
    Ok(())
}

fn action(record: &Record<'_>) -> Result<Action, ImportError> {
    Ok(match record.integer("action")? {
        Some(0) => Action::Create,
        Some(1) => Action::Update,
        Some(2) => Action::Delete,
        Some(3) => Action::Access,
        Some(other) => Action::named(format!("action {other}")),
        None => return Err(record.error("action", "is null")),
    })
}

fn parse_json(record: &Record<'_>, column: &str) -> Result<Value, ImportError> {
    match record.text(column)? {
        Some(text) if !text.is_empty() => json::parse(&text)
            .and_then(|value| json::exact(&value))
            .map_err(|detail| record.error(column, detail)),
        _ => Ok(Value::Null),
    }
}

/// Sets the changes, from the column of version 3 or else that of version 2.
fn set_changes(
    record: &Record<'_>,
    draft: &mut Draft,
    losses: &mut Losses<'_>,
) -> Result<(), ImportError> {
    let (column, stored) = match parse_json(record, "changes")? {
        Value::Null => ("changes_text", parse_json(record, "changes_text")?),
        changes => ("changes", changes),
    };
    let fields = match stored {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        other => {
            losses.add(column, LossKind::UnknownShape);
            draft.keep(column, other);
            return Ok(());
        }
    };
    let action = draft.entry.action.clone();
    let mut list: Vec<Change> = Vec::with_capacity(fields.len());
    let mut unknown = Map::new();
    let (mut typed, mut none_texts) = (false, Vec::new());
    for (field, stored) in fields {
        match Stored::of(stored) {
            Stored::Pair(old, new) => {
                for value in [&old, &new] {
                    typed |= !value.is_string();
                }
                let hidden = is_masked(&old, &new);
                if hidden {
                    losses.add(&field, LossKind::Masked);
                }
                let (old, new) = match action {
                    Action::Create if is_missing(&old, hidden) => (None, Some(new)),
                    Action::Delete if is_missing(&new, hidden) => (Some(old), None),
                    _ => (Some(old), Some(new)),
                };
                if [&old, &new]
                    .into_iter()
                    .flatten()
                    .any(|value| value == "None")
                {
                    none_texts.push(field.clone());
                }
                let made = change(&field, old, new);
                list.push(if hidden { mark_masked(made) } else { made });
            }
            Stored::Members { added, members } => {
                // Members are identified by their text, which two may share.
                if members.iter().collect::<HashSet<_>>().len() < members.len() {
                    losses.add(&field, LossKind::SameMembers);
                    unknown.insert(field.clone(), members.clone().into());
                }
                let (empty, members) = (HashSet::new(), members.into_iter().collect());
                let (old, new) = if added {
                    (&empty, &members)
                } else {
                    (&members, &empty)
                };
                list.extend(membership(&field, old, new).map(|mut change| {
                    // The other members are unknown, and so are the indices among them.
                    change.at = Box::default();
                    // The library does not list members that are added from the other side, and
                    // lists every row of the other model in a `clear`.
                    change.loose = true;
                    change
                }));
            }
            Stored::Other(other) => {
                losses.add(&field, LossKind::UnknownShape);
                unknown.insert(field, other);
            }
        }
    }
    if !typed {
        for field in none_texts {
            losses.add(&field, LossKind::NoneAsText);
        }
    }
    draft.entry.changes = Changes::from_iter(list);
    if !unknown.is_empty() {
        draft.keep(column, unknown);
    }
    Ok(())
}

/// The stored change of a field.
enum Stored {
    Pair(Value, Value),
    Members { added: bool, members: Vec<Value> },
    Other(Value),
}

impl Stored {
    fn of(stored: Value) -> Self {
        match stored {
            Value::Object(mut change) if change.get("type").is_some_and(|kind| kind == "m2m") => {
                let operation = change.get("operation").and_then(Value::as_str);
                let added = match operation {
                    Some("add") => true,
                    Some("delete" | "remove" | "clear") => false,
                    _ => return Self::Other(Value::Object(change)),
                };
                match change.remove("objects") {
                    Some(Value::Array(members)) => Self::Members { added, members },
                    other => {
                        change.extend(other.map(|other| ("objects".to_owned(), other)));
                        Self::Other(Value::Object(change))
                    }
                }
            }
            other => pair(other).map_or_else(Self::Other, |(old, new)| Self::Pair(old, new)),
        }
    }
}

/// Returns whether a value stands for a missing one, as before a creation.
fn is_missing(value: &Value, masked: bool) -> bool {
    // The library also masks the text of a null.
    value.is_null() || value == "None" || masked && value == "**ne"
}

/// Returns whether both values have the form of the library's masked ones: the first half,
/// rounded down, is replaced by asterisks.
fn is_masked(old: &Value, new: &Value) -> bool {
    let halves = |value: &Value| {
        let text = value.as_str()?;
        let half = text.chars().count() / 2;
        let fits = text.chars().take(half).all(|c| c == '*');
        fits.then_some(half)
    };
    match (halves(old), halves(new)) {
        (Some(old), Some(new)) => old + new > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn masked_values_have_their_first_half_hidden() {
        for (old, new, expected) in [
            (json!("**ne"), json!("***4567"), true),
            (json!(""), json!("*b"), true),
            (json!("None"), json!("***4567"), false),
            (json!("a"), json!("b"), false),
            (json!("***4567"), json!(null), false),
            (json!("****"), json!("****"), true),
            (json!(5), json!("**"), false),
        ] {
            assert_eq!(is_masked(&old, &new), expected, "{old} {new}");
        }
    }
}
