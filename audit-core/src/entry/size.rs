//! Checks the size of an entry, estimating it first so that small entries need not be serialized.
//!
//! The estimate is an upper bound: every byte of a text counts as its longest escape, every value as the
//! longest number with its punctuation. Only an entry whose bound exceeds the limit is serialized to find
//! its size in bytes.

use serde_json::Value;

use super::LogEntry;
use crate::error::{Error, Result};
use crate::path::PathSegment;

/// The maximum serialized length of one byte of a text: `\u0000`, in a path `\\u0000`.
const MAX_ESCAPED: usize = 8;
/// The maximum serialized length of a value besides its texts, with its punctuation.
const MAX_NODE: usize = 64;
/// The maximum serialized length of the other members of an entry, with their names.
const MAX_REST: usize = 1_024;
/// The mean length of a value besides its texts, and of the other members of an entry.
const MEAN_NODE: usize = 16;
const MEAN_REST: usize = 512;
/// The maximum depth of a value. Deeper values have no canonical form.
const MAX_DEPTH: usize = 128;

/// The total length of an entry's texts and the number of its values.
#[derive(Default)]
struct Size {
    texts: usize,
    nodes: usize,
    too_deep: bool,
}

impl Size {
    fn text(&mut self, text: &str) {
        self.texts += text.len();
        self.nodes += 1;
    }

    fn value(&mut self, value: &Value, depth: usize) {
        self.nodes += 1;
        match value {
            Value::String(text) => self.texts += text.len(),
            Value::Array(_) | Value::Object(_) if depth == 0 => self.too_deep = true,
            Value::Array(items) => {
                for item in items {
                    self.value(item, depth - 1);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.texts += key.len();
                    self.value(field, depth - 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn of(entry: &LogEntry) -> Self {
        let mut size = Self::default();
        for change in &entry.changes {
            size.text(change.path.as_str());
            // A move consists of the item, written as a path, and two indices.
            size.nodes += change.at.len();
            for moved in &change.moved {
                size.nodes += 2;
                match &moved.item {
                    PathSegment::Name(name) => size.texts += name.len(),
                    PathSegment::Match { field, value } => {
                        size.texts += field.len();
                        size.value(value, MAX_DEPTH);
                    }
                    PathSegment::Index(_) => {}
                }
            }
            for side in [&change.old, &change.new].into_iter().flatten() {
                size.value(side, MAX_DEPTH);
            }
        }
        if let Some(snapshot) = &entry.snapshot {
            size.value(snapshot, MAX_DEPTH);
        }
        for (key, value) in &entry.additional_data {
            size.text(key);
            size.value(value, MAX_DEPTH);
        }
        let texts = [&entry.model, &entry.object_pk, &entry.object_repr];
        for text in texts {
            size.text(text);
        }
        let optional = [
            &entry.reason,
            &entry.correlation_id,
            &entry.trace_id,
            &entry.source.service,
            &entry.source.version,
            &entry.source.host,
        ];
        for text in optional.into_iter().flatten() {
            size.text(text);
        }
        if let Some(actor) = &entry.actor {
            size.text(&actor.id);
            let names = [&actor.display, &actor.on_behalf_of];
            for text in names.into_iter().flatten() {
                size.text(text);
            }
        }
        for object in [&entry.parent, &entry.counterpart].into_iter().flatten() {
            size.text(&object.model);
            size.text(&object.object_pk);
        }
        size.text(entry.action.as_str());
        size
    }
}

/// Returns the approximate size of an entry in memory and in its canonical form, in bytes: the length
/// of its texts, and 16 for each value. It costs much less than the canonical form.
///
/// # Example: the size of a text
/// ```
/// use auditlog::LogEntry;
/// use auditlog::backend::approximate_bytes;
///
/// let entry = LogEntry::new("update", "User", "42", "b".repeat(5_000));
/// assert!((5_000..7_000).contains(&approximate_bytes(&entry)));
/// ```
pub fn approximate_bytes(entry: &LogEntry) -> usize {
    let size = Size::of(entry);
    size.texts + size.nodes * MEAN_NODE + MEAN_REST
}

/// Checks that the canonical form of an entry does not exceed a limit in bytes.
///
/// # Errors
/// Returns [`Error::TooLarge`] if it does.
pub(crate) fn check(entry: &LogEntry, limit: usize) -> Result<()> {
    let size = Size::of(entry);
    if size.texts * MAX_ESCAPED + size.nodes * MAX_NODE + MAX_REST <= limit || size.too_deep {
        return Ok(());
    }
    let bytes = if size.texts > limit {
        size.texts
    } else {
        // The store rejects an entry without a canonical form.
        entry.to_canonical_json().map_or(0, |text| text.len())
    };
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLarge {
        model: entry.model.clone(),
        bytes,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::change::{Change, Changes};

    fn entry(text: &str, items: usize) -> LogEntry {
        let mut entry = LogEntry::new("update", text, text, text);
        let value = json!({text: vec![text; items], "n": vec![1.5e300; items]});
        let path = "a".parse().unwrap();
        entry.changes = Changes::from_iter([Change::new(path, Some(value.clone()), None)]);
        entry.additional_data.insert(text.to_owned(), value.clone());
        entry.snapshot = Some(value);
        entry.reason = Some(text.to_owned());
        entry.actor = Some(text.into());
        entry.counterpart = Some(crate::entry::ObjectRef::new(text, text.repeat(items)));
        entry
    }

    proptest! {
        /// The limit applies to the exact length of the canonical form.
        #[test]
        fn the_limit_is_exact(text in "[a\\x00\u{e9}\"\\n]{0,40}", items in 0_usize..40, off in 0_usize..3) {
            let entry = entry(&text, items);
            let bytes = entry.to_canonical_json().unwrap().len();
            let size = Size::of(&entry);
            prop_assert!(size.texts <= bytes);
            prop_assert!(size.texts * MAX_ESCAPED + size.nodes * MAX_NODE + MAX_REST >= bytes);
            prop_assert!(check(&entry, bytes + off).is_ok());
            prop_assert!(check(&entry, bytes - 1 - off).is_err());
        }
    }
}
