//! The depth limit of JSON values, and operations on values beyond it.
//!
//! An application can build a [`Change`](crate::Change) from a value of any depth, and the
//! comparison, `Clone` and `Debug` of `serde_json` recurse: a value that nests 10,000 levels deep
//! would overflow the stack. Operations on changes must return an error or a result instead
//! (`tests/deep_nesting.rs`).

use serde_json::{Map, Value};

use super::number::{equal_scalars, equal_scalars_ignoring_scale};

/// The maximum depth of a recorded value, in nested objects and arrays.
///
/// A deeper value is an error ([`ValueError::TooDeep`](crate::ValueError::TooDeep)), since JSON
/// parsers and recursive code would reject it or overflow the stack.
pub const MAX_DEPTH: usize = 100;

/// The maximum depth of recursion. The diff records nothing deeper, and `serde_json` parses nothing
/// deeper.
const LIMIT: usize = 128;

/// Returns whether a value nests too deeply for recursion.
pub(crate) fn too_deep(value: &Value) -> bool {
    fn deeper(value: &Value, limit: usize) -> bool {
        match value {
            Value::Array(items) => limit == 0 || items.iter().any(|item| deeper(item, limit - 1)),
            Value::Object(fields) => {
                limit == 0 || fields.values().any(|field| deeper(field, limit - 1))
            }
            _ => false,
        }
    }
    deeper(value, LIMIT)
}

/// Compares two values, numbers by value. Values that nest too deeply are not equal.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    within(a, b, LIMIT, &|a, b| a == b || equal_scalars(a, b))
}

/// Compares two recorded values, ignoring the scale of decimals, which are stored as strings.
///
/// An update of the scale alone records no entry, so the next change of the value starts from
/// another string than the previous change left.
pub(crate) fn equal_ignoring_scale(a: &Value, b: &Value) -> bool {
    within(a, b, LIMIT, &equal_scalars_ignoring_scale)
}

fn within(a: &Value, b: &Value, limit: usize, same: &dyn Fn(&Value, &Value) -> bool) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            limit > 0
                && a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| within(a, b, limit - 1, same))
        }
        (Value::Object(a), Value::Object(b)) => {
            limit > 0
                && a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| within(a, b, limit - 1, same)))
        }
        (a, b) => same(a, b),
    }
}

/// Compares two objects as [`equal`] does.
pub(crate) fn equal_fields(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len()
        && a.iter()
            .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
}

/// Clones a value. One that nests too deeply for recursion is cloned from the leaves up.
pub(crate) fn clone(value: &Value) -> Value {
    if !too_deep(value) {
        return value.clone();
    }
    // Every node after its parent, whose index it has.
    let mut nodes = vec![(0, value)];
    let mut index = 0;
    while let Some(&(_, node)) = nodes.get(index) {
        match node {
            Value::Array(items) => nodes.extend(items.iter().map(|item| (index, item))),
            Value::Object(fields) => nodes.extend(fields.values().map(|field| (index, field))),
            _ => {}
        }
        index += 1;
    }
    // The clones of each node's children, the last one first.
    let mut children = vec![Vec::new(); nodes.len()];
    while let Some((parent, node)) = nodes.pop() {
        let own = children.pop().unwrap_or_default().into_iter().rev();
        let clone = match node {
            Value::Array(_) => Value::Array(own.collect()),
            Value::Object(fields) => Value::Object(fields.keys().cloned().zip(own).collect()),
            scalar => scalar.clone(),
        };
        match children.get_mut(parent) {
            Some(siblings) => siblings.push(clone),
            None => return clone,
        }
    }
    Value::Null
}

/// Displays a value, or `...` if it nests too deeply.
pub(crate) struct Printed<'v>(pub(crate) &'v Value);

impl std::fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if too_deep(self.0) {
            f.write_str("...")
        } else {
            std::fmt::Display::fmt(self.0, f)
        }
    }
}

impl std::fmt::Debug for Printed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if too_deep(self.0) {
            f.write_str("...")
        } else {
            std::fmt::Debug::fmt(self.0, f)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deep(levels: usize) -> Value {
        (0..levels).fold(json!(1), |value, level| {
            if level % 2 == 0 {
                json!([value, level])
            } else {
                json!({ "a": level, "b": value })
            }
        })
    }

    #[test]
    fn shallow_values_compare_as_in_serde_json() {
        let value = deep(100);
        assert!(equal(&value, &value.clone()));
        assert!(!equal(&value, &deep(99)));
        assert!(!too_deep(&value));
    }

    #[test]
    fn a_deep_value_is_cloned_without_recursion() {
        // Deeper than the limit, but not too deep for the comparison of `serde_json` here.
        let value = deep(300);
        assert!(too_deep(&value));
        assert!(clone(&value) == value);
        assert!(!equal(&value, &value));
        assert_eq!(Printed(&value).to_string(), "...");
    }
}
