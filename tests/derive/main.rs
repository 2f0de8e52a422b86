//! What the derive makes of a type, seen through `diff`, `snapshot`, `schema` and entries.

mod entity;
mod enums;
mod field_forms;
mod flatten;
mod flatten_collisions;
mod foreign_types;
mod key;
mod names;
mod recursive;
mod serde_forms;
mod shapes;
mod type_forms;

use auditlog::Changes;
use serde_json::Value;

/// The changes as `path: old -> new`, one a line.
pub(crate) fn lines(changes: &Changes) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    changes
        .iter()
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.path,
                text(&change.old),
                text(&change.new)
            )
        })
        .collect()
}
