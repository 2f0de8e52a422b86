//! Reads the history tables of django-simple-history.

use std::collections::HashSet;

use audit_core::{Action, Change, Changes, LogEntry};
use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::django::ContentTypes;
use crate::error::ImportError;
use crate::format::Format;
use crate::losses::{LossKind, Report};
use crate::record::{self, Record};
use crate::schema::{Column, Kind, Schema, Table, quoted};
use crate::source::{
    Draft, Reading, Source, Step, Users, between, mark_loose, membership, table_of_step, user_name,
};
use crate::value::{Zone, key_text, typed};

const FORMAT: Format = Format::DjangoSimpleHistory;

/// The columns of every history table.
const COLUMNS: &[&str] = &["history_id", "history_date", "history_type"];
/// Further columns of the library, which a history table may have.
const OPTIONAL: &[&str] = &[
    "history_change_reason",
    "history_user_id",
    "history_user",
    "history_relation_id",
];

#[derive(Debug)]
struct SimpleHistory {
    tables: Vec<HistoryTable>,
}

#[derive(Debug)]
struct HistoryTable {
    table: Table,
    model: String,
    key: String,
    fields: Vec<Field>,
    /// Columns that the application added to the history.
    added: Vec<String>,
    sets: Vec<Set>,
    users: Option<Users>,
}

#[derive(Debug)]
struct Field {
    column: String,
    name: String,
    kind: Kind,
}

/// The history of a many-to-many field.
#[derive(Debug)]
struct Set {
    table: String,
    field: String,
    target: String,
    kind: Kind,
}

pub(crate) fn find(
    connection: &Connection,
    schema: &Schema,
) -> Result<Option<Box<dyn Source>>, ImportError> {
    let models = ContentTypes::read(connection, ContentTypes::table(schema))?;
    let histories: Vec<&Table> = schema.with(COLUMNS).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut named: Vec<(&Table, Option<&Table>)> = Vec::new();
    for history in &histories {
        let live = live_by_name(schema, history);
        taken.extend(live.map(|live| live.name.clone()));
        named.push((history, live));
    }
    let mut tables = Vec::new();
    for (history, live) in named {
        history.check_rows(connection)?;
        let live = live.or_else(|| live_by_columns(schema, history, &taken, &models));
        taken.extend(live.map(|live| live.name.clone()));
        tables.push(HistoryTable::of(
            connection, schema, history, live, &models,
        )?);
    }
    if tables.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(SimpleHistory { tables })))
}

/// Returns the names of app and model that a history table has by default.
fn default_name(history: &str) -> Option<(&str, &str)> {
    let (app, model) = history.split_once("_historical")?;
    (!app.is_empty() && !model.is_empty()).then_some((app, model))
}

fn live_by_name<'s>(schema: &'s Schema, history: &Table) -> Option<&'s Table> {
    let (app, model) = default_name(&history.name)?;
    schema.table(&format!("{app}_{model}"))
}

/// Finds the model's table of a history with a custom name: the table whose key the history has
/// and that shares the most columns with it.
fn live_by_columns<'s>(
    schema: &'s Schema,
    history: &Table,
    taken: &HashSet<String>,
    models: &ContentTypes,
) -> Option<&'s Table> {
    let shared = |live: &&Table| {
        let same = |column: &&Column| {
            let known = history.column(&column.name);
            known.is_some_and(|known| known.kind == column.kind)
        };
        live.columns.iter().filter(same).count()
    };
    let fits = |live: &&Table| {
        let key = live.key();
        let ours = !taken.contains(&live.name) && !live.has("history_id");
        // At least half of the columns, or any table with an `id` would match.
        ours && !key.is_empty()
            && key.iter().all(|column| history.has(&column.name))
            && shared(live) * 2 >= live.columns.len()
    };
    // A model with a history has a second content type.
    let historical = |live: &&Table| {
        models
            .of_table(&live.name)
            .is_some_and(|(app, model)| models.has(app, &format!("historical{model}")))
    };
    let candidates = schema.tables.iter().filter(fits);
    candidates.max_by_key(|live| {
        (
            historical(live),
            shared(live),
            live.columns.len().wrapping_neg(),
        )
    })
}

/// Returns the only model with a history whose tables both have custom names.
fn only_custom_named<'m>(schema: &Schema, models: &'m ContentTypes) -> Option<(&'m str, &'m str)> {
    let mut found = models.iter().filter(|(app, model)| {
        let historical = format!("historical{model}");
        models.has(app, &historical)
            && schema.table(&format!("{app}_{historical}")).is_none()
            && schema.table(&format!("{app}_{model}")).is_none()
    });
    found.next().filter(|_| found.next().is_none())
}

/// Returns a model's table and those of the models that it inherits from. They share the key, and
/// the history of the model has their columns.
fn with_parents<'s>(schema: &'s Schema, live: Option<&'s Table>) -> Vec<&'s Table> {
    let mut tables: Vec<&Table> = Vec::new();
    let mut next = live;
    while let Some(table) = next
        && !tables.iter().any(|known| known.name == table.name)
    {
        tables.push(table);
        next = match table.key().as_slice() {
            [key] => table
                .refers(&key.name)
                .and_then(|parent| schema.table(&parent.table)),
            _ => None,
        };
    }
    tables
}

impl HistoryTable {
    fn of(
        connection: &Connection,
        schema: &Schema,
        history: &Table,
        live: Option<&Table>,
        models: &ContentTypes,
    ) -> Result<Self, ImportError> {
        let (app, model) = live
            .and_then(|live| models.of_table(&live.name))
            .or_else(|| default_name(&history.name))
            .or_else(|| only_custom_named(schema, models))
            .unwrap_or(("", live.map_or(&history.name, |live| &live.name)));
        let live_tables = with_parents(schema, live);
        let live_column = |name: &str| live_tables.iter().any(|table| table.has(name));
        let key = match live.map(Table::key).as_deref() {
            Some([key]) => key.name.clone(),
            _ => key_without_live(connection, history)?,
        };
        let mut fields = Vec::new();
        let mut added = Vec::new();
        for column in &history.columns {
            let name = column.name.as_str();
            if COLUMNS.contains(&name) || OPTIONAL.contains(&name) {
                continue;
            }
            if live.is_some() && !live_column(name) {
                added.push(column.name.clone());
                continue;
            }
            // Django names a foreign key's column by the field and `_id`.
            let reference = live_tables.iter().any(|table| table.refers(name).is_some());
            let field = name.strip_suffix("_id").filter(|_| reference);
            fields.push(Field {
                column: column.name.clone(),
                name: field.unwrap_or(name).to_owned(),
                kind: column.kind,
            });
        }
        let sets = schema
            .with(&["m2m_history_id", "history_id"])
            .filter_map(|table| Set::of(schema, table, &history.name, live, (app, model)))
            .collect();
        let model = if app.is_empty() {
            model.to_owned()
        } else {
            format!("{app}.{model}")
        };
        Ok(Self {
            users: Users::referenced_by(schema, history, "history_user_id"),
            table: history.clone(),
            model,
            key,
            fields,
            added,
            sets,
        })
    }
}

/// Finds the column of the key without the model's own table: `id`, else the first column with an
/// index, because the library indexes the key.
fn key_without_live(connection: &Connection, history: &Table) -> Result<String, ImportError> {
    if history.has("id") {
        return Ok("id".to_owned());
    }
    let read = || {
        let mut statement = connection.prepare(
            "SELECT i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i \
             WHERE i.seqno = 0 ORDER BY i.cid",
        )?;
        let names = statement.query_map([&history.name], |row| row.get(0))?;
        names.collect::<rusqlite::Result<Vec<String>>>()
    };
    let indexed = read().map_err(|error| ImportError::read(&history.name, error))?;
    let of_library =
        |name: &String| COLUMNS.contains(&name.as_str()) || OPTIONAL.contains(&name.as_str());
    indexed
        .into_iter()
        .find(|name| !of_library(name))
        .ok_or_else(|| ImportError::Unsupported {
            table: history.name.clone(),
            detail:
                "the column of the model's key is unknown, because the model's table is missing"
                    .to_owned(),
        })
}

impl Set {
    /// Uses a table as the history of a field of this model, if its name fits.
    fn of(
        schema: &Schema,
        table: &Table,
        history: &str,
        live: Option<&Table>,
        (app, model): (&str, &str),
    ) -> Option<Self> {
        let by_default = format!("{app}_historical{model}_");
        let field = table
            .name
            .strip_prefix(&format!("{history}_"))
            .or_else(|| table.name.strip_prefix(&by_default))?;
        let through = live.and_then(|live| schema.table(&format!("{}_{field}", live.name)));
        let owner = through.zip(live).and_then(|(through, live)| {
            let mut keys = through.foreign_keys.iter();
            let key = keys.find(|key| key.table.eq_ignore_ascii_case(&live.name))?;
            // In a relation of a model with itself the owner is the model that it starts from.
            let starts = through.refers(&format!("from_{model}_id"));
            Some(starts.unwrap_or(key).column.clone())
        });
        let owner = owner.unwrap_or_else(|| format!("{model}_id"));
        let target = table.columns.iter().find(|column| {
            let name = column.name.as_str();
            name.ends_with("_id") && name != owner && !name.ends_with("history_id")
        })?;
        Some(Self {
            table: table.name.clone(),
            field: field.to_owned(),
            target: target.name.clone(),
            kind: target.kind,
        })
    }
}

impl Source for SimpleHistory {
    fn format(&self) -> Format {
        FORMAT
    }

    fn rows(&self) -> String {
        let of_table = |(index, history): (usize, &HistoryTable)| {
            format!(
                "SELECT {index} AS tbl, rowid AS row, \
                 lag(rowid) OVER (PARTITION BY {} ORDER BY history_date, history_id) AS prev, \
                 NULL AS next, history_date AS time, 0 AS grp, history_id AS first, 0 AS second \
                 FROM {}",
                quoted(&history.key),
                quoted(&history.table.name)
            )
        };
        let tables: Vec<String> = self.tables.iter().enumerate().map(of_table).collect();
        tables.join(" UNION ALL ")
    }

    fn report_table_losses(&self, report: &mut Report) {
        for history in &self.tables {
            let name = &history.table.name;
            report.add(FORMAT, name, None, "history_date", LossKind::AssumedUtc);
            for field in &history.fields {
                if field.kind == Kind::Instant {
                    report.add(FORMAT, name, None, &field.column, LossKind::AssumedUtc);
                }
            }
        }
    }

    fn entry(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        let history = table_of_step(&self.tables, step, FORMAT)?;
        history.read(step, cx)
    }
}

/// The state of an object in a row.
struct State {
    fields: Map<String, Value>,
    /// The members of each set, in the order of [`HistoryTable::sets`].
    members: Vec<HashSet<Value>>,
}

impl State {
    /// Returns the state as one object, sets as sorted arrays.
    fn snapshot(&self, sets: &[Set]) -> Map<String, Value> {
        let mut snapshot = self.fields.clone();
        for (set, members) in sets.iter().zip(&self.members) {
            snapshot.insert(set.field.clone(), audit_core::snapshot(members));
        }
        snapshot
    }
}

impl HistoryTable {
    fn read(&self, step: &Step, cx: &mut Reading<'_>) -> Result<LogEntry, ImportError> {
        let name = &self.table.name;
        let record = self.record(step.row, cx)?;
        let state = self.state(&record, cx)?;
        let action = match record.text("history_type")?.as_deref() {
            Some("+") => Action::Create,
            Some("~") => Action::Update,
            Some("-") => Action::Delete,
            Some(other) => Action::named(format!("history type {other}")),
            None => return Err(record.error("history_type", "is null")),
        };
        let previous = match step.prev {
            Some(row) if !matches!(action, Action::Create | Action::Delete) => {
                let previous = self.record(row, cx)?;
                Some(self.state(&previous, &mut cx.with_report(&mut Report::default()))?)
            }
            _ => None,
        };
        let column = if self.table.has("history_user_id") {
            "history_user_id"
        } else {
            "history_user"
        };
        let actor = record.key(column)?;
        let user = user_name(
            self.users.as_ref(),
            cx.connection,
            record.text(column)?.as_deref(),
        )?;
        let mut losses = cx.losses(FORMAT, name, record.id());
        let field_of_key = self.fields.iter().find(|field| field.column == self.key);
        let pk = field_of_key.and_then(|field| state.fields.get(&field.name));
        let pk = pk.filter(|pk| !pk.is_null()).map(key_text);
        let pk = pk.ok_or_else(|| record.error(&self.key, "is null, expected the object's key"))?;
        let mut draft = Draft::new(FORMAT, action, &self.model, &pk);
        draft.entry.changes = self.changes(&draft.entry.action, previous.as_ref(), &state);
        if draft.entry.action == Action::Delete {
            // The relations are deleted before the library reads them.
            let is_set = |field: &str| self.sets.iter().any(|set| set.field == field);
            mark_loose(&mut draft.entry, is_set);
        }
        draft.entry.snapshot = Some(Value::Object(state.snapshot(&self.sets)));
        draft.set_actor(actor, user);
        draft.entry.reason = record.text("history_change_reason")?;
        draft.keep("history_relation", record.text("history_relation_id")?);
        for column in &self.added {
            let value = record.typed(column, Zone::Utc, &mut losses)?;
            draft.set_or_keep(column, value, &mut losses);
        }
        draft.finish_row(&record, step, "history_date")
    }

    fn record(&self, row: i64, cx: &Reading<'_>) -> Result<Record<'_>, ImportError> {
        let record = cx.record(&self.table, row)?;
        let id = record.key("history_id")?.unwrap_or_default();
        Ok(record.with_id(id))
    }

    fn state(&self, record: &Record<'_>, cx: &mut Reading<'_>) -> Result<State, ImportError> {
        let mut fields = Map::new();
        let mut losses = cx.losses(FORMAT, &self.table.name, record.id());
        for field in &self.fields {
            let value = record.typed(&field.column, Zone::Utc, &mut losses)?;
            fields.insert(field.name.clone(), value);
        }
        let mut members = Vec::with_capacity(self.sets.len());
        for set in &self.sets {
            members.push(set.members(record, cx)?);
        }
        Ok(State { fields, members })
    }

    fn changes(&self, action: &Action, previous: Option<&State>, state: &State) -> Changes {
        let Some(previous) = previous else {
            let snapshot = state.snapshot(&self.sets);
            return match action {
                Action::Delete => between(Some(&snapshot), None),
                _ => between(None, Some(&snapshot)),
            };
        };
        let mut list: Vec<Change> = between(Some(&previous.fields), Some(&state.fields))
            .into_iter()
            .collect();
        let members = previous.members.iter().zip(&state.members);
        for (set, (old, new)) in self.sets.iter().zip(members) {
            list.extend(membership(&set.field, old, new));
        }
        list.into_iter().collect()
    }
}

impl Set {
    fn members(
        &self,
        record: &Record<'_>,
        cx: &mut Reading<'_>,
    ) -> Result<HashSet<Value>, ImportError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE history_id = ?1",
            quoted(&self.target),
            quoted(&self.table)
        );
        let read = || {
            let mut statement = cx.connection.prepare_cached(&sql)?;
            let values = statement.query_map([record.value("history_id")], |row| {
                Ok(record::owned(row.get_ref(0)?))
            })?;
            values.collect::<rusqlite::Result<Vec<_>>>()
        };
        let values = read().map_err(|error| ImportError::read(&self.table, error))?;
        let mut losses = cx.losses(FORMAT, &self.table, record.id());
        let member = |value| {
            typed(&value, self.kind, Zone::Utc, &self.target, &mut losses)
                .map_err(|detail| record.error(&self.field, detail))
        };
        values.into_iter().map(member).collect()
    }
}
