//! An entry as a row: its canonical bytes, and the columns that are projections of it.

use std::borrow::Cow;

use audit_core::{LogEntry, Path, PathSegment, StoreError};
use rusqlite::{CachedStatement, Connection, params};
use uuid::Uuid;

use crate::error::at;

/// What is inserted for an entry.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<'e> {
    pub(crate) id: Uuid,
    pub(crate) ts: i64,
    pub(crate) level: i64,
    pub(crate) action: Cow<'e, str>,
    pub(crate) outcome: &'static str,
    pub(crate) model: Cow<'e, str>,
    pub(crate) object_pk: Cow<'e, str>,
    pub(crate) parent_model: Option<Cow<'e, str>>,
    pub(crate) parent_pk: Option<Cow<'e, str>>,
    pub(crate) actor: Option<Cow<'e, str>>,
    pub(crate) correlation_id: Option<Cow<'e, str>>,
    pub(crate) transaction_id: Option<Uuid>,
    pub(crate) body: String,
    /// The top-level fields that changed, sorted, each once.
    pub(crate) fields: Vec<Cow<'e, str>>,
}

impl<'e> Row<'e> {
    /// Makes the row of an entry.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the entry has no canonical form.
    pub(crate) fn of(entry: &'e LogEntry) -> Result<Self, StoreError> {
        let parent = entry.parent.as_ref();
        Ok(Self {
            id: entry.id,
            ts: entry.timestamp.timestamp_micros(),
            level: i64::from(entry.level as u8),
            action: entry.action.as_str().into(),
            outcome: entry.outcome.as_str(),
            model: entry.model.as_str().into(),
            object_pk: entry.object_pk.as_str().into(),
            parent_model: parent.map(|parent| parent.model.as_str().into()),
            parent_pk: parent.map(|parent| parent.object_pk.as_str().into()),
            actor: entry.actor.as_ref().map(|actor| actor.id.as_str().into()),
            correlation_id: entry.correlation_id.as_deref().map(Cow::Borrowed),
            transaction_id: entry.transaction_id,
            body: entry.to_canonical_json()?,
            fields: changed_fields(entry).collect(),
        })
    }

    /// Detaches the row from its entry, for another thread to insert.
    pub(crate) fn into_owned(self) -> Row<'static> {
        fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        Row {
            id: self.id,
            ts: self.ts,
            level: self.level,
            action: owned(self.action),
            outcome: self.outcome,
            model: owned(self.model),
            object_pk: owned(self.object_pk),
            parent_model: self.parent_model.map(owned),
            parent_pk: self.parent_pk.map(owned),
            actor: self.actor.map(owned),
            correlation_id: self.correlation_id.map(owned),
            transaction_id: self.transaction_id,
            body: self.body,
            fields: self.fields.into_iter().map(owned).collect(),
        }
    }
}

/// Returns the top-level fields that changed, sorted, each once.
pub(crate) fn changed_fields(entry: &LogEntry) -> impl Iterator<Item = Cow<'_, str>> {
    let mut fields: Vec<_> = entry.changes.paths().map(top_level_field).collect();
    fields.sort_unstable();
    fields.dedup();
    fields.into_iter()
}

/// Returns the name under which `audit_change` holds a path: its first step.
///
/// A list that is an object itself has indices or keys there: an index is its number, any
/// key is `$`, as is the object itself. Paths inside each other share the name.
pub(crate) fn top_level_field(path: &Path) -> Cow<'_, str> {
    if !path.as_str().starts_with(['$', '[']) {
        return path.field();
    }
    match path.segments().into_iter().next() {
        Some(PathSegment::Name(name)) => Cow::Owned(name),
        Some(PathSegment::Index(index)) => Cow::Owned(index.to_string()),
        _ => Cow::Borrowed("$"),
    }
}

/// Inserts rows into one connection; the caller holds a transaction, and undoes it, or a part
/// of it, when an insert fails.
pub(crate) struct Inserter<'c> {
    connection: &'c Connection,
    entry: CachedStatement<'c>,
    change: CachedStatement<'c>,
    place: &'c str,
}

impl<'c> Inserter<'c> {
    pub(crate) fn new(connection: &'c Connection, place: &'c str) -> Result<Self, StoreError> {
        Ok(Self {
            connection,
            entry: connection
                .prepare_cached(
                    // With `OR ABORT`, the default, and a trigger SQLite would copy every
                    // page before it touches it, which more than doubles the cost. What is
                    // undone after a failure is undone by whoever holds the transaction.
                    "INSERT OR FAIL INTO main.audit_entry (id, ts, level, action, outcome, model, \
                     object_pk, parent_model, parent_pk, actor, correlation_id, \
                     transaction_id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (id) DO NOTHING",
                )
                .map_err(at(place))?,
            change: connection
                .prepare_cached("INSERT INTO main.audit_change (field, ts, seq) VALUES (?, ?, ?)")
                .map_err(at(place))?,
            place,
        })
    }

    /// Inserts a row, or finds that it is there already.
    pub(crate) fn insert(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let inserted = self
            .entry
            .execute(params![
                &row.id.as_bytes()[..],
                row.ts,
                row.level,
                row.action,
                row.outcome,
                row.model,
                row.object_pk,
                row.parent_model,
                row.parent_pk,
                row.actor,
                row.correlation_id,
                row.transaction_id.as_ref().map(|id| &id.as_bytes()[..]),
                row.body,
            ])
            .map_err(at(self.place))?;
        if inserted == 0 {
            return self.compare(row);
        }
        if row.fields.is_empty() {
            return Ok(());
        }
        let seq = self.connection.last_insert_rowid();
        for field in &row.fields {
            self.change
                .execute(params![field, row.ts, seq])
                .map_err(at(self.place))?;
        }
        Ok(())
    }

    fn compare(&self, row: &Row<'_>) -> Result<(), StoreError> {
        let same: bool = self
            .connection
            .prepare_cached("SELECT body = ?2 FROM main.audit_entry WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row(params![&row.id.as_bytes()[..], row.body], |row| row.get(0))
            })
            .map_err(at(self.place))?;
        if same {
            Ok(())
        } else {
            Err(StoreError::Conflict { id: row.id })
        }
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{Change, Path};

    use super::*;

    #[test]
    fn paths_inside_each_other_share_their_field() {
        for (path, field) in [
            ("email", "email"),
            ("address.city", "address"),
            ("['a.b'].c", "a.b"),
            ("$.email", "email"),
            ("$", "$"),
            ("[3].qty", "3"),
            ("[sku='A1'].qty", "$"),
        ] {
            let path: Path = path.parse().unwrap();
            assert_eq!(top_level_field(&path), field, "{path}");
        }
    }

    #[test]
    fn a_row_has_each_changed_field_once() {
        let mut entry = LogEntry::new("update", "User", "1", "bob");
        entry.changes = ["b", "a.x", "a.y", "['a']"]
            .into_iter()
            .map(|path| Change::new(path.parse().unwrap(), None, None))
            .collect();
        assert_eq!(Row::of(&entry).expect("a row").fields, ["a", "b"]);
    }
}
