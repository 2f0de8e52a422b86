//! An entry as a row: its canonical bytes, and the columns that are projections of it.

use std::borrow::Cow;

use audit_core::{LogEntry, Path, PathSegment, StoreError};
use uuid::Uuid;

use crate::checksum;

/// The row of an entry.
#[derive(Debug, PartialEq)]
pub struct Row<'e> {
    /// The entry's id.
    pub id: Uuid,
    /// Its time, in microseconds since 1970.
    pub ts: i64,
    /// Its level's number.
    pub level: i64,
    /// Its action.
    pub action: Cow<'e, str>,
    /// The outcome of the action.
    pub outcome: &'static str,
    /// The model.
    pub model: Cow<'e, str>,
    /// The object's key.
    pub object_pk: Cow<'e, str>,
    /// The model of the parent.
    pub parent_model: Option<Cow<'e, str>>,
    /// The parent's key.
    pub parent_pk: Option<Cow<'e, str>>,
    /// The actor's id.
    pub actor: Option<Cow<'e, str>>,
    /// The id of the request.
    pub correlation_id: Option<Cow<'e, str>>,
    /// The id that entries of one transaction share.
    pub transaction_id: Option<Uuid>,
    /// The canonical JSON.
    pub body: String,
    /// The checksum of its bytes.
    pub checksum: [u8; 32],
    /// The top-level fields that changed, sorted, each once.
    pub fields: Vec<Cow<'e, str>>,
}

impl<'e> Row<'e> {
    /// Makes the row of an entry.
    ///
    /// # Errors
    /// Returns [`StoreError::Invalid`] if the entry has no canonical form.
    pub fn of(entry: &'e LogEntry) -> Result<Self, StoreError> {
        let parent = entry.parent.as_ref();
        let body = entry.to_canonical_json()?;
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
            checksum: checksum(body.as_bytes()),
            body,
            fields: changed_fields(entry).collect(),
        })
    }

    /// Detaches the row from its entry, for another thread to insert.
    pub fn into_owned(self) -> Row<'static> {
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
            checksum: self.checksum,
            fields: self.fields.into_iter().map(owned).collect(),
        }
    }
}

/// Returns the top-level fields that changed, sorted, each once.
pub fn changed_fields(entry: &LogEntry) -> impl Iterator<Item = Cow<'_, str>> {
    let mut fields: Vec<_> = entry.changes.paths().map(top_level_field).collect();
    fields.sort_unstable();
    fields.dedup();
    fields.into_iter()
}

/// Returns the name under which `audit_change` holds a path: its first step.
///
/// A list that is an object itself has indices or keys there: an index is its number, any
/// key is `$`, as is the object itself. Paths inside each other share the name.
pub fn top_level_field(path: &Path) -> Cow<'_, str> {
    if !path.as_str().starts_with(['$', '[']) {
        return path.field();
    }
    match path.segments().into_iter().next() {
        Some(PathSegment::Name(name)) => Cow::Owned(name),
        Some(PathSegment::Index(index)) => Cow::Owned(index.to_string()),
        _ => Cow::Borrowed("$"),
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
