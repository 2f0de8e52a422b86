//! Builds `object_repr`, with masked fields masked.

use serde_json::Value;

use super::AuditValue;
use super::auditable::Auditable;
use super::env::Env;
use super::redaction_rules::Rules;
use super::schema::{FieldSchema, Sensitivity};
use super::snapshot::Snapshot;
use crate::mask::{Mask, scalar_text};

/// Collects the text of an object.
#[doc(hidden)]
#[derive(Debug)]
pub struct Repr<'a> {
    text: String,
    env: &'a mut Env,
    rules: Option<&'a Rules>,
}

impl<'a> Repr<'a> {
    /// Returns the text of an object.
    pub fn of<T: Auditable + ?Sized>(object: &T) -> String {
        let mut env = Env::default();
        let mut repr = Repr::new(&mut env, None);
        object.repr_into(&mut repr);
        repr.text
    }

    pub(crate) fn new(env: &'a mut Env, rules: Option<&'a Rules>) -> Self {
        Self {
            text: String::with_capacity(32),
            env,
            rules,
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Appends literal text.
    pub fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a field, masked if the field or the rules say so.
    pub fn field<T: AuditValue + ?Sized>(&mut self, field: &'static FieldSchema, value: &T) {
        let rule = self.rules.and_then(|rules| rules.for_repr(field.name));
        let mut cx = Snapshot::at_depth(self.env, 0);
        match (rule, field.sensitivity) {
            (None, Sensitivity::Clear) => value.write_text(&mut self.text, &mut cx),
            (rule, _) => match rule
                .unwrap_or(Mask::Custom)
                .apply_to_value(cx.field_value(field, value))
            {
                Value::Null => {}
                value => self.text.push_str(&scalar_text(&value)),
            },
        }
    }
}

/// Returns a value as the text of a key, for `object_pk`.
#[doc(hidden)]
pub fn key_text<T: AuditValue + ?Sized>(value: &T) -> String {
    let mut text = String::with_capacity(20);
    value.write_text(&mut text, &mut Snapshot::at_depth(&mut Env::default(), 0));
    text
}

/// Joins the parts of a composite identity with `|`, escaping `|` and `\` with `\`. Empty if any
/// part is blank, since the object then has no key yet.
#[doc(hidden)]
pub fn composite_key(parts: &[String]) -> String {
    if parts.iter().any(|part| part.trim().is_empty()) {
        return String::new();
    }
    let escaped: Vec<String> = parts
        .iter()
        .map(|part| part.replace('\\', "\\\\").replace('|', "\\|"))
        .collect();
    escaped.join("|")
}

/// Returns the parts of a composite identity.
pub(crate) fn key_parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = key.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '|' => {
                parts.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}
