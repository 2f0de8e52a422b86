//! The entries in a store: histories, states at a time, and the live rows.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{Action, AuditLog, LogEntry, ObjectRef, Query, Store};
use audit_import::Format;
use audit_sqlite::SqliteStore;
use chrono::{DateTime, Utc};
use libtest_mimic::Failed;
use serde_json::{Map, Value};

use super::oracle::{Oracle, exact, name, same};
use super::simple_history::unscaled;

pub(crate) fn check(entries: &[LogEntry], oracle: &Oracle, format: Format) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("trail.db"))?;
    store.append(entries)?;
    // A second import adds nothing.
    store.append(entries)?;
    same(
        "stored",
        &store.count(&Query::new())?,
        &(entries.len() as u64),
    )?;
    let log = AuditLog::builder().store(store).build();
    same("the store's order", &log.query().all()?, &entries.to_vec())?;
    let trail = Trail {
        log,
        entries,
        oracle,
        format,
    };
    trail.check_states()?;
    trail.check_as_of()?;
    trail.check_relations()?;
    trail.check_live()?;
    Ok(())
}

struct Trail<'t> {
    log: AuditLog,
    entries: &'t [LogEntry],
    oracle: &'t Oracle,
    format: Format,
}

impl Trail<'_> {
    /// Rebuilds an object at a time; null where it did not exist.
    fn state(&self, model: &str, pk: &str, time: DateTime<Utc>) -> Result<Value, Failed> {
        let history = self.log.history_of(ObjectRef::new(model, pk))?;
        Ok(history.as_of(time).state)
    }

    /// Returns the keys of all objects of a model that the trail knows.
    fn keys(&self, model: &str) -> BTreeSet<&str> {
        let entries = self.entries.iter().filter(|entry| entry.model == model);
        entries.map(|entry| entry.object_pk.as_str()).collect()
    }

    /// Checks the state after each entry, for the libraries that report it.
    fn check_states(&self) -> Result<(), Failed> {
        let mut later: BTreeSet<(&str, &str, DateTime<Utc>)> = BTreeSet::new();
        for (entry, reported) in self.entries.iter().zip(self.oracle.entries()).rev() {
            let state = &reported["state"];
            // Of several entries of an object at one time, the state of that time is the last's.
            let last = later.insert((&entry.model, &entry.object_pk, entry.timestamp));
            if state.is_null() || !last {
                continue;
            }
            let read = self.state(&entry.model, &entry.object_pk, entry.timestamp)?;
            let expected = if entry.action == Action::Delete {
                Value::Null
            } else {
                let mut expected = self.expected(&entry.model, state);
                // A set is part of our states.
                let relations = reported["relations"].as_object();
                if let (Format::DjangoSimpleHistory, Some(sets)) = (self.format, relations) {
                    expected.extend(sets.clone());
                }
                Value::Object(expected)
            };
            same(&name(reported), &read, &expected)?;
        }
        Ok(())
    }

    /// A state as the trail has it: big numbers as text, decimals without a scale.
    fn expected(&self, model: &str, state: &Value) -> Map<String, Value> {
        let fields = state.as_object().into_iter().flatten();
        fields
            .map(|(field, value)| {
                let value = match self.format {
                    Format::DjangoSimpleHistory => unscaled(self.oracle, model, field, value),
                    Format::PaperTrail | Format::Audited => {
                        self.oracle.unlabeled(model, field, value)
                    }
                    _ => value.clone(),
                };
                (field.clone(), exact(&value))
            })
            .collect()
    }

    /// All rows of a model at a time.
    fn check_as_of(&self) -> Result<(), Failed> {
        for reported in self.oracle.as_of() {
            let model = reported["model"].as_str().ok_or("a model")?;
            let time = match reported["time"].as_str() {
                Some(time) => time.parse()?,
                None => self.time_of(&reported["transaction_id"])?,
            };
            let mut read = BTreeMap::new();
            for pk in self.keys(model) {
                let state = self.state(model, pk, time)?;
                if let (Value::Object(state), false) = (state, self.is_combined(model, pk)) {
                    read.insert(pk, state);
                }
            }
            let rows = reported["rows"].as_object().ok_or("rows")?;
            let (ours, theirs): (Vec<&str>, Vec<&str>) = (
                read.keys().copied().collect(),
                rows.keys().map(String::as_str).collect(),
            );
            same(&format!("{model} at {time}"), &ours, &theirs)?;
            for (pk, row) in rows {
                let mut state = read.remove(pk.as_str()).ok_or("a row")?;
                let mut row = self.expected(model, row);
                self.align(model, pk, &mut state, &mut row);
                same(&format!("{model} {pk} at {time}"), &state, &row)?;
            }
        }
        Ok(())
    }

    /// Takes out of a state and a row what the trail cannot have in common with the library.
    fn align(
        &self,
        model: &str,
        pk: &str,
        state: &mut Map<String, Value>,
        row: &mut Map<String, Value>,
    ) {
        let fields: Vec<String> = state.keys().chain(row.keys()).cloned().collect();
        for field in fields {
            let apart = match self.format {
                // The rows of a model are reported without its sets.
                Format::DjangoSimpleHistory => {
                    !row.contains_key(&field) && state[&field].is_array()
                }
                Format::PaperTrail => self.paper_trail_apart(model, pk, &field),
                _ => false,
            };
            if apart {
                state.remove(&field);
                row.remove(&field);
            }
        }
    }

    /// PaperTrail rebuilds a row from the version after the time, or from the live row. So it
    /// has what no version records (`skipped`), an ignored field as it was later, a change
    /// past the library at the time before it, a serialized attribute as the model reads it;
    /// and `updated_at` after a touch, which no version has.
    fn paper_trail_apart(&self, model: &str, pk: &str, field: &str) -> bool {
        let listed = |list| self.oracle.lists(model, list, field);
        listed("skipped")
            || listed("ignored")
            || listed("serialized")
            || matches!(field, "created_at" | "updated_at")
            || self.oracle.not_audited(model, pk, field)
    }

    fn is_combined(&self, model: &str, pk: &str) -> bool {
        let combined = self.oracle.about("combined").as_array();
        let mut combined = combined.into_iter().flatten();
        combined.any(|known| known["model"] == model && known["object_pk"] == pk)
    }

    fn time_of(&self, transaction: &Value) -> Result<DateTime<Utc>, Failed> {
        let of =
            |entry: &&LogEntry| entry.additional_data["imported"]["transaction_id"] == *transaction;
        let entry = self.entries.iter().find(of).ok_or("a transaction")?;
        Ok(entry.timestamp)
    }

    /// The members that associations lead to, for SQLAlchemy-Continuum: the trail has them as
    /// objects of their own.
    fn check_relations(&self) -> Result<(), Failed> {
        if self.format != Format::SqlAlchemyContinuum {
            return Ok(());
        }
        let tables = self.oracle.about("m2m_tables").as_object();
        for (relation, table) in tables.into_iter().flatten() {
            let (model, relation) = relation.split_once('.').ok_or("a relation")?;
            let association = table
                .as_str()
                .and_then(|table| table.strip_suffix("_version"));
            let association = association.ok_or("an association")?;
            for (entry, reported) in self.entries.iter().zip(self.oracle.entries()) {
                let Some(members) = reported["relations"][relation].as_array() else {
                    continue;
                };
                if entry.model != model || entry.action == Action::Delete {
                    continue;
                }
                let mut read = Vec::new();
                for pk in self.keys(association) {
                    let state = self.state(association, pk, entry.timestamp)?;
                    let sides = state.as_object().into_iter().flatten();
                    let (owner, others): (Vec<_>, Vec<_>) =
                        sides.partition(|(column, _)| column.starts_with(&format!("{model}_")));
                    if owner
                        .iter()
                        .any(|(_, key)| super::oracle::text(key) == entry.object_pk)
                    {
                        read.extend(others.into_iter().map(|(_, key)| key.clone()));
                    }
                }
                read.sort_by_key(ToString::to_string);
                same(&name(reported), &read, members)?;
            }
        }
        Ok(())
    }

    /// The live rows are what the newest entries lead to.
    fn check_live(&self) -> Result<(), Failed> {
        let end = DateTime::<Utc>::MAX_UTC;
        for (model, rows) in self.oracle.live() {
            let rows = rows.as_object().ok_or("rows")?;
            for pk in self.keys(model) {
                let exists = !self.state(model, pk, end)?.is_null();
                // A key that was changed has no closing version.
                let unclosed = self.oracle.not_audited(
                    model,
                    pk,
                    self.oracle.model(model)["pk"].as_str().unwrap_or(""),
                );
                if exists != rows.contains_key(pk) && !unclosed {
                    return Err(format!("{model} {pk} exists: {exists}").into());
                }
            }
            for (pk, row) in rows {
                let state = self.state(model, pk, end)?;
                for (field, value) in self.expected(model, row) {
                    let Some(read) = state.get(&field) else {
                        self.absent(model, pk, &field, &value)?;
                        continue;
                    };
                    if self.oracle.not_audited(model, pk, &field)
                        || self.not_live(model, &field, read)
                    {
                        continue;
                    }
                    let (read, live) = (self.comparable(read), self.comparable(&value));
                    same(&format!("the live {model} {pk}, {field}"), &read, &live)?;
                }
            }
        }
        Ok(())
    }

    /// Returns whether a field's last recorded value is not comparable with the live one.
    fn not_live(&self, model: &str, field: &str, read: &Value) -> bool {
        let listed = |list| self.oracle.lists(model, list, field);
        let masked = &self.oracle.about("masked")[model];
        listed("redacted")
            || listed("ignored")
            || listed("serialized")
            || super::oracle::has(masked, field)
            || self.format == Format::PaperTrail && matches!(field, "created_at" | "updated_at")
            // Members that django-auditlog names by their text, or the trail begins later.
            || self.format == Format::DjangoAuditlog && (read.is_array() || read.is_object())
    }

    /// A live field that the trail never mentions: it is not recorded, or has its default.
    fn absent(&self, model: &str, pk: &str, field: &str, value: &Value) -> Result<(), Failed> {
        let listed = |list| self.oracle.lists(model, list, field);
        let known = value.is_null()
            || listed("excluded")
            || listed("skipped")
            || listed("not_audited")
            || self.oracle.not_audited(model, pk, field)
            || super::oracle::has(&self.oracle.about("masked")[model], field)
            || self.format == Format::SqlAlchemyContinuum && value.is_array()
            // The library does not mention fields that the application excludes.
            || !self.oracle.mentions(model, field)
            // Untyped, the text `None` counts as nothing; members are reported as they change.
            || self.format == Format::DjangoAuditlog && (value == "None" || value.is_array());
        if known {
            return Ok(());
        }
        Err(format!("the live {model} {pk} has {field}, which no entry mentions").into())
    }

    /// Converts values into a form in which the trail's and the live row's are the same: times
    /// as instants, to the millisecond that Rails' JSON has; and for django-auditlog all as
    /// the text that Python prints.
    fn comparable(&self, value: &Value) -> Value {
        let Some(text) = value.as_str() else {
            return match (self.format, value) {
                (Format::DjangoAuditlog, Value::Null) => Value::from("None"),
                (Format::DjangoAuditlog, Value::Bool(true)) => Value::from("True"),
                (Format::DjangoAuditlog, Value::Bool(false)) => Value::from("False"),
                (Format::DjangoAuditlog, other) => Value::from(other.to_string()),
                _ => value.clone(),
            };
        };
        if let (Format::DjangoAuditlog, Ok(json)) = (self.format, text.parse::<Value>())
            && (json.is_array() || json.is_object())
        {
            return Value::from(json.to_string());
        }
        let zoned = text
            .parse::<DateTime<Utc>>()
            .or_else(|_| format!("{text}Z").parse());
        match zoned {
            Ok(time) if text.len() > 10 => Value::from(time.timestamp_millis()),
            _ => value.clone(),
        }
    }
}
