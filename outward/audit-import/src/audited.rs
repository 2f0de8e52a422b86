//! Reads the audits of audited.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use audit_core::{Action, Change, Changes, LogEntry, ObjectRef};
use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
use crate::losses::{LossKind, Losses, Report};
use crate::rails::{self, Changelog};
use crate::record::Record;
use crate::schema::{Schema, Table, quoted};
use crate::source::{Draft, Reading, Source, Step, Users, change, mark_masked, pair, user_name};

const FORMAT: Format = Format::Audited;

const COLUMNS: &[&str] = &[
    "id",
    "auditable_id",
    "auditable_type",
    "action",
    "audited_changes",
    "created_at",
];

/// The placeholders of redacted attributes, unless a model's `redaction_value` says otherwise,
/// and of encrypted ones.
const REDACTED: [&str; 2] = ["[REDACTED]", "[FILTERED]"];

/// The maximum number of placeholders of a model or field; a model normally has one.
const MAX_PLACEHOLDERS: usize = 16;

#[derive(Debug)]
struct Audited {
    tables: Vec<Table>,
    schema: Schema,
    /// Read from the tables before the first entry.
    placeholders: OnceCell<HashMap<String, Placeholders>>,
}

/// The values that replace redacted ones in the audits of a model.
///
/// The library records only what changed, so both sides of a pair are equal only if they are
/// redacted.
#[derive(Debug, Default)]
struct Placeholders {
    /// The texts of all fields: a model has one `redaction_value`.
    texts: HashSet<String>,
    /// The values of each field.
    of_field: HashMap<String, HashSet<Value>>,
}

impl Placeholders {
    /// Adds the value of a pair with two equal sides.
    fn add(&mut self, field: &str, value: &Value) {
        if let Value::String(text) = value
            && is_word(text)
            && self.texts.len() < MAX_PLACEHOLDERS
        {
            self.texts.insert(text.clone());
        }
        let known = self.of_field.entry(field.to_owned()).or_default();
        if known.len() < MAX_PLACEHOLDERS {
            known.insert(value.clone());
        }
    }

    /// Returns whether a value of a field is redacted; of a list, whether all its items are.
    fn has(&self, field: &str, value: &Value) -> bool {
        let is_one = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| REDACTED.contains(&text) || self.texts.contains(text))
                || self
                    .of_field
                    .get(field)
                    .is_some_and(|known| known.contains(value))
        };
        match value {
            Value::Array(items) if !items.is_empty() => is_one(value) || items.iter().all(is_one),
            value => is_one(value),
        }
    }
}

/// Returns whether a text is neither empty, nor a number or a time, which rounding may make
/// equal.
fn is_word(text: &str) -> bool {
    text.chars()
        .any(|c| !c.is_ascii_digit() && !" +-.,:/TZ".contains(c))
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
        placeholders: OnceCell::new(),
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
        let columns = ["action", "auditable_type", "auditable_id"];
        let mut draft = rails::draft(FORMAT, record, columns)?;
        self.set_actor(record, &mut draft, cx)?;
        if let (Some(model), Some(pk)) = (
            record.text("associated_type")?,
            record.text("associated_id")?,
        ) {
            draft.entry.parent = Some(ObjectRef::new(model, pk));
        }
        let placeholders = self.placeholders(&draft.entry.model, cx)?;
        let mut losses = cx.losses(FORMAT, &record.table().name, record.id());
        draft.entry.reason = record.text("comment")?;
        if let Some(fields) = rails::payload(record, "audited_changes", &mut losses)? {
            draft.entry.changes = changes(fields, &draft.entry.action, placeholders, &mut losses);
        }
        for column in &record.table().columns {
            let column = column.name.as_str();
            if !COLUMNS.contains(&column) && !READ.contains(&column) {
                let value = record.text(column)?.map_or(Value::Null, Value::from);
                draft.set_or_keep(column, value, &mut losses);
            }
        }
        draft.keep("version", record.integer("version")?);
        draft.finish_row(record, step, "created_at")
    }
}

impl Audited {
    /// Returns the placeholders of a model, which are read from all tables at the first call.
    fn placeholders(
        &self,
        model: &str,
        cx: &mut Reading<'_>,
    ) -> Result<Option<&Placeholders>, ImportError> {
        let found = if let Some(found) = self.placeholders.get() {
            found
        } else {
            let mut found = HashMap::new();
            for table in &self.tables {
                find_placeholders(table, &mut found, cx)?;
            }
            self.placeholders.get_or_init(|| found)
        };
        Ok(found.get(model))
    }

    /// Sets the actor: a record of any class, or a name.
    fn set_actor(
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
                draft.set_actor(Some(id), display);
            }
            (None, name) => draft.set_actor(name, None),
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

/// Finds the placeholders in the pairs of a table. Skips invalid rows, which are reported when
/// their entries are made.
fn find_placeholders(
    table: &Table,
    found: &mut HashMap<String, Placeholders>,
    cx: &mut Reading<'_>,
) -> Result<(), ImportError> {
    let connection = cx.connection;
    let failed = |error| ImportError::read(&table.name, error);
    let sql = format!(
        "SELECT rowid FROM {} WHERE action NOT IN ('create', 'destroy')",
        quoted(&table.name)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut report = Report::default();
    let mut quiet = cx.with_report(&mut report);
    while let Some(row) = rows.next().map_err(failed)? {
        let record = quiet.record(table, row.get(0).map_err(failed)?)?;
        let mut losses = quiet.losses(FORMAT, &table.name, "");
        let (Ok(model), Ok(Some(fields))) = (
            record.text("auditable_type"),
            rails::payload(&record, "audited_changes", &mut losses),
        ) else {
            continue;
        };
        for (field, stored) in fields {
            if let Ok((old, new)) = pair(stored)
                && old == new
            {
                let of_model = found.entry(model.clone().unwrap_or_default()).or_default();
                of_model.add(&field, &old);
            }
        }
    }
    Ok(())
}

/// Reads the stored changes: plain values in creations and deletions, pairs in updates.
fn changes(
    fields: Map<String, Value>,
    action: &Action,
    placeholders: Option<&Placeholders>,
    losses: &mut Losses<'_>,
) -> Changes {
    let empty = Placeholders::default();
    let placeholders = placeholders.unwrap_or(&empty);
    let read = |(field, stored): (String, Value)| {
        let (old, new) = match (action, stored) {
            (Action::Create, value) => (None, Some(value)),
            (Action::Delete, value) => (Some(value), None),
            (_, stored) => match pair(stored) {
                Ok((old, new)) => (Some(old), Some(new)),
                // Several audits may be combined into one, with the creation among them.
                Err(value) => (None, Some(value)),
            },
        };
        let hidden = old.is_some() && old == new
            || [&old, &new]
                .into_iter()
                .flatten()
                .any(|value| placeholders.has(&field, value));
        if hidden {
            losses.add(&field, LossKind::Masked);
        }
        let made: Change = change(&field, old, new);
        if hidden { mark_masked(made) } else { made }
    };
    fields.into_iter().map(read).collect()
}
