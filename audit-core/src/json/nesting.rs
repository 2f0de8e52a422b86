//! JSON values of any depth: `serde_json`'s own comparing, cloning and printing recurse, and
//! a value that nests ten thousand deep would end the stack.

use serde_json::{Map, Value, map};

use super::number::{equal_scalars, matches};

/// How deep values may nest, counted in objects and arrays.
///
/// Deeper values are an error ([`ValueError::TooDeep`](crate::ValueError::TooDeep)), since neither a JSON reader nor the
/// stack is made for them.
pub const MAX_DEPTH: usize = 100;

/// How deep values are followed by recursion. Nothing that the diff records, and nothing that
/// `serde_json` reads, is deeper.
const LIMIT: usize = 128;

/// Whether a value nests too deep for what recurses.
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

/// Compares two values, numbers by value. Values that nest too deep to compare are not equal.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    within(a, b, LIMIT, &|a, b| a == b || equal_scalars(a, b))
}

/// Compares two recorded values up to how their numbers are stored: a decimal is a text with its
/// scale, and the update of a scale alone leaves no entry. So the next change of the value starts
/// from another text than the change before has left.
pub(crate) fn equal_up_to_scale(a: &Value, b: &Value) -> bool {
    within(a, b, LIMIT, &matches)
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

/// Clones a value, on the heap where it nests too deep for the stack.
pub(crate) fn clone(value: &Value) -> Value {
    if !too_deep(value) {
        return value.clone();
    }
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut next = Some(value);
    let mut done = Value::Null;
    loop {
        // Go down to the next scalar ...
        if let Some(value) = next.take() {
            match value {
                Value::Array(items) => frames.push(Frame::Array(items.iter(), Vec::new())),
                Value::Object(fields) => {
                    frames.push(Frame::Object(fields.iter(), "", Map::new()));
                }
                scalar => done = scalar.clone(),
            }
            if matches!(value, Value::Array(_) | Value::Object(_)) {
                next = advance(&mut frames, &mut done);
                continue;
            }
        }
        // ... and hand what is done to what holds it.
        match frames.last_mut() {
            None => return done,
            Some(Frame::Array(_, items)) => items.push(std::mem::take(&mut done)),
            Some(Frame::Object(_, key, fields)) => {
                fields.insert((*key).to_owned(), std::mem::take(&mut done));
            }
        }
        next = advance(&mut frames, &mut done);
    }
}

/// An array or object that is being cloned.
enum Frame<'v> {
    Array(std::slice::Iter<'v, Value>, Vec<Value>),
    Object(map::Iter<'v>, &'v str, Map<String, Value>),
}

/// Takes the next value of the innermost frame; a frame without one is done.
fn advance<'v>(frames: &mut Vec<Frame<'v>>, done: &mut Value) -> Option<&'v Value> {
    let next = match frames.last_mut()? {
        Frame::Array(items, _) => items.next(),
        Frame::Object(fields, key, _) => fields.next().map(|(name, value)| {
            *key = name;
            value
        }),
    };
    if next.is_none() {
        *done = match frames.pop()? {
            Frame::Array(_, items) => Value::Array(items),
            Frame::Object(_, _, fields) => Value::Object(fields),
        };
    }
    next
}

/// A value as text, or `...` where it nests too deep to print.
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
    fn shallow_values_compare_as_serde_json_does() {
        let value = deep(100);
        assert!(equal(&value, &value.clone()));
        assert!(!equal(&value, &deep(99)));
        assert!(!too_deep(&value));
    }

    #[test]
    fn a_deep_value_is_cloned_level_by_level() {
        // Deeper than the limit, yet not too deep for `serde_json`'s own comparison here.
        let value = deep(300);
        assert!(too_deep(&value));
        assert!(clone(&value) == value);
        assert!(!equal(&value, &value));
        assert_eq!(Printed(&value).to_string(), "...");
    }
}
