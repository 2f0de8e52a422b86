//! Reads the versions of PaperTrail.

use std::cell::RefCell;
use std::collections::HashMap;

use audit_core::{Action, Changes, LogEntry};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::format::Format;
use crate::losses::{LossKind, Losses, Report};
use crate::rails::{self, Changelog};
use crate::record::Record;
use crate::schema::{Column, Kind, Schema, Table, quoted};
use crate::source::{Draft, Reading, Source, Step, between, change, pair};
use crate::value::{Zone, instant};
use crate::{ids, json};

const FORMAT: Format = Format::PaperTrail;

const COLUMNS: &[&str] = &["id", "item_type", "item_id", "event", "created_at"];

/// The columns that are read by name, besides those that every table has.
const READ: &[&str] = &[
    "whodunnit",
    "object",
    "object_changes",
    "item_subtype",
    "transaction_id",
];

/// The field that a touch and a save of ignored fields set; the library lists neither.
const TOUCHED: &str = "updated_at";

/// The old and new value of each field.
type Pairs = Vec<(String, (Value, Value))>;

#[derive(Debug)]
struct PaperTrail {
    tables: Vec<Table>,
    schema: Schema,
    /// The default values of a model by table and model; creations do not list them.
    defaults: RefCell<HashMap<(usize, String), Map<String, Value>>>,
}

pub(crate) fn find(
    connection: &Connection,
    schema: &Schema,
) -> Result<Option<Box<dyn Source>>, ImportError> {
    // A version of PaperTrail has at least one of these.
    let is_version_table = |table: &&Table| READ[..3].iter().any(|column| table.has(column));
    let tables = rails::tables(connection, schema.with(COLUMNS).filter(is_version_table))?;
    if tables.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(PaperTrail {
        tables,
        schema: schema.clone(),
        defaults: RefCell::default(),
    })))
}

impl Changelog for PaperTrail {
    const FORMAT: Format = FORMAT;
    const NEXT: &'static str = "lead(rowid) OVER (PARTITION BY item_type, item_id ORDER BY id)";

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
        let mut draft = rails::draft(FORMAT, record, ["event", "item_type", "item_id"])?;
        // Any text: usually a user's id, but the library does not know of which table.
        draft.set_actor(record.text("whodunnit")?, None);
        self.set_states(step, record, &mut draft, cx)?;
        draft.keep("item_subtype", record.text("item_subtype")?);
        if let Some(id) = record.integer("transaction_id")? {
            let row = format!("transaction {id}");
            let time = record.time("created_at")?;
            draft.entry.transaction_id =
                Some(ids::id(FORMAT, name, &row, time, id.cast_unsigned()));
            draft.keep("transaction_id", id);
        }
        let mut losses = cx.losses(FORMAT, name, record.id());
        for column in &record.table().columns {
            let column = column.name.as_str();
            if !COLUMNS.contains(&column) && !READ.contains(&column) {
                let value = match record.value(column) {
                    rusqlite::types::Value::Integer(number) => Value::from(*number),
                    _ => record.text(column)?.map_or(Value::Null, Value::from),
                };
                draft.set_or_keep(column, value, &mut losses);
            }
        }
        draft.finish_row(record, step, "created_at")
    }
}

impl PaperTrail {
    /// Sets the changes, and the snapshot of the object after them.
    fn set_states(
        &self,
        step: &Step,
        record: &Record<'_>,
        draft: &mut Draft,
        cx: &mut Reading<'_>,
    ) -> Result<(), ImportError> {
        let before = self.object(record, cx)?;
        let stored = self.stored_changes(record, cx)?;
        let action = draft.entry.action.clone();
        draft.entry.snapshot = match (&action, &before, &stored) {
            (Action::Delete, before, _) => before.clone().map(Value::Object),
            (Action::Create, _, Some(pairs)) => {
                let mut after = self.defaults(step.table, record, cx)?;
                after.extend(
                    pairs
                        .iter()
                        .map(|(field, (_, new))| (field.clone(), new.clone())),
                );
                Some(Value::Object(after))
            }
            (_, Some(before), Some(pairs)) => {
                let mut after = before.clone();
                after.extend(
                    pairs
                        .iter()
                        .map(|(field, (_, new))| (field.clone(), new.clone())),
                );
                Some(Value::Object(after))
            }
            // A touch or a custom event: the library lists no change.
            (_, Some(before), None) if record.table().has("object_changes") => {
                Some(Value::Object(before.clone()))
            }
            (Action::Create, _, None) | (_, Some(_), None) => self.next_object(step, record, cx)?,
            (_, None, _) => None,
        };
        draft.entry.changes = match (&action, stored, &before) {
            (_, Some(pairs), _) => pairs
                .into_iter()
                .map(|(field, (old, new))| {
                    let mut made = match action {
                        Action::Create => change(&field, None, Some(new)),
                        Action::Delete => change(&field, Some(old), None),
                        _ => change(&field, Some(old), Some(new)),
                    };
                    made.loose = field == TOUCHED;
                    made
                })
                .collect(),
            (Action::Delete, None, Some(before)) => between(Some(before), None),
            (_, None, _) if record.table().has("object_changes") => Changes::new(),
            (action, None, before) => {
                let after = draft.entry.snapshot.as_ref().and_then(Value::as_object);
                match (action, before, after) {
                    (Action::Create, _, Some(after)) => between(None, Some(after)),
                    (_, Some(before), Some(after)) => between(Some(before), Some(after)),
                    _ => {
                        cx.losses(FORMAT, &record.table().name, record.id())
                            .add("object_changes", LossKind::NoChanges);
                        if let Some(before) = before {
                            draft.keep("object_before", before.clone());
                        }
                        Changes::new()
                    }
                }
            }
        };
        Ok(())
    }

    /// Reads the object before the change.
    fn object(
        &self,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Option<Map<String, Value>>, ImportError> {
        let mut losses = cx.losses(FORMAT, &record.table().name, record.id());
        let Some(fields) = rails::payload(record, "object", &mut losses)? else {
            return Ok(None);
        };
        let types = self.types(record, "object")?;
        let cast = |(field, value): (String, Value)| {
            let value = types.cast(&field, value, &mut losses);
            (field, value)
        };
        Ok(Some(fields.into_iter().map(cast).collect()))
    }

    /// Reads the old and new values.
    fn stored_changes(
        &self,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Option<Pairs>, ImportError> {
        let mut losses = cx.losses(FORMAT, &record.table().name, record.id());
        let Some(fields) = rails::payload(record, "object_changes", &mut losses)? else {
            return Ok(None);
        };
        let types = self.types(record, "object_changes")?;
        let mut pairs = Vec::with_capacity(fields.len());
        for (field, stored) in fields {
            let (old, new) = pair(stored).map_err(|_| {
                let detail = "has a field that is not a pair of old and new";
                record.error("object_changes", detail)
            })?;
            let old = types.cast(&field, old, &mut losses);
            let new = types.cast(&field, new, &mut losses);
            pairs.push((field, (old, new)));
        }
        Ok(Some(pairs))
    }

    /// Reads the object before the next version, for tables without changes.
    fn next_object(
        &self,
        step: &Step,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Option<Value>, ImportError> {
        let Some(next) = step.next else {
            return Ok(None);
        };
        let next = cx.record(record.table(), next)?;
        let id = next.text("id")?.unwrap_or_default();
        let next = next.with_id(id);
        let mut unreported = Report::default();
        let object = self.object(&next, &mut cx.with_report(&mut unreported))?;
        Ok(object.map(Value::Object))
    }

    fn types(&self, record: &Record<'_>, column: &str) -> Result<Types<'_>, ImportError> {
        let model = record.text("item_type")?.unwrap_or_default();
        let column = record.table().column(column);
        Ok(Types {
            live: rails::table_of(&self.schema, &model),
            json_inside: column.is_none_or(|column| column.kind != Kind::Json),
        })
    }

    /// Returns the default values of the fields that the library records of this model.
    fn defaults(
        &self,
        table: usize,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Map<String, Value>, ImportError> {
        let model = record.text("item_type")?.unwrap_or_default();
        let key = (table, model);
        if let Some(known) = self.defaults.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut defaults = Map::new();
        let live = rails::table_of(&self.schema, &key.1);
        if let (Some(live), Some(recorded)) = (live, self.newest_object(record, cx)?) {
            for column in &live.columns {
                if recorded.contains_key(&column.name)
                    && let Some(value) = default(column)
                {
                    defaults.insert(column.name.clone(), value);
                }
            }
        }
        self.defaults.borrow_mut().insert(key, defaults.clone());
        Ok(defaults)
    }

    /// Returns the newest recorded object of this model.
    fn newest_object(
        &self,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<Option<Map<String, Value>>, ImportError> {
        let table = record.table();
        if !table.has("object") {
            return Ok(None);
        }
        let sql = format!(
            "SELECT rowid FROM {} WHERE item_type = ?1 AND object IS NOT NULL \
             ORDER BY id DESC LIMIT 1",
            quoted(&table.name)
        );
        let read = || {
            let mut statement = cx.connection.prepare_cached(&sql)?;
            let row = statement.query_row([record.value("item_type")], |row| row.get(0));
            row.optional()
        };
        let row: Option<i64> = read().map_err(|error| ImportError::read(&table.name, error))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let newest = cx.record(table, row)?;
        let id = newest.text("id")?.unwrap_or_default();
        // An invalid row is reported when its own entry is made.
        let mut unreported = Report::default();
        match self.object(&newest.with_id(id), &mut cx.with_report(&mut unreported)) {
            Err(error) if error.concerns_one_row() => Ok(None),
            read => read,
        }
    }
}

/// The types of a model's fields, by its own table.
struct Types<'s> {
    live: Option<&'s Table>,
    /// Whether values of JSON columns are stored as JSON text.
    json_inside: bool,
}

impl Types<'_> {
    /// Gives a value the type of its column, as the library does.
    fn cast(&self, field: &str, value: Value, losses: &mut Losses<'_>) -> Value {
        let column = self.live.and_then(|live| live.column(field));
        match (column.map(|column| column.kind), value) {
            (Some(Kind::Json), Value::String(text)) if self.json_inside => {
                let parsed = json::parse(&text).and_then(|value| json::exact(&value));
                parsed.unwrap_or_else(|_| {
                    losses.add(field, LossKind::BadJson);
                    Value::String(text)
                })
            }
            (Some(Kind::Instant), Value::String(text)) => Value::String(instant(&text, Zone::Utc)),
            (_, value) => value,
        }
    }
}

/// Returns a column's default, if it is a literal.
fn default(column: &Column) -> Option<Value> {
    let Some(sql) = &column.default else {
        return Some(Value::Null);
    };
    if sql.eq_ignore_ascii_case("null") {
        return Some(Value::Null);
    }
    if let Some(text) = sql
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
    {
        let text = text.replace("''", "'");
        return Some(match column.kind {
            Kind::Json => json::parse(&text).ok()?,
            _ => Value::String(text),
        });
    }
    let number: serde_json::Number = sql.parse().ok()?;
    Some(match column.kind {
        Kind::Boolean => Value::Bool(number.as_i64()? != 0),
        Kind::Decimal(_) => Value::String(if sql.contains('.') {
            sql.clone()
        } else {
            format!("{sql}.0")
        }),
        _ => Value::Number(number),
    })
}
