//! Conditions in groups as SQL.

use audit_core::projection::{
    Condition, Narrowed, WriteConditions, is_verbatim_in_json, is_whole_field, micros_up,
};
use audit_core::{Action, Path};
use rusqlite::types::Value;

use crate::query::Conditions;
use crate::row::top_level_field;

impl WriteConditions for Conditions {
    fn condition(&mut self, condition: Condition<'_>, negated: bool) -> Narrowed {
        write(condition, negated, &mut |value| self.param(value))
    }

    fn parameters(&self) -> usize {
        self.params.len()
    }

    fn remove_parameters(&mut self, number: usize) {
        self.params.truncate(number);
    }
}

/// Writes a condition or its negation; `param` takes a value and returns the parameter.
fn write(
    condition: Condition<'_>,
    negated: bool,
    param: &mut dyn FnMut(Value) -> String,
) -> Narrowed {
    let mut text = |text: &str| param(Value::Text(text.to_owned()));
    // Negated, the column may be null.
    let equal = if negated { "IS NOT" } else { "=" };
    let sql = match condition {
        Condition::Model(model) => format!("e.model {equal} {}", text(model)),
        Condition::ObjectPk(pk) => format!("e.object_pk {equal} {}", text(pk)),
        Condition::Actor(id) => format!("e.actor {equal} {}", text(id)),
        Condition::CorrelationId(id) => format!("e.correlation_id {equal} {}", text(id)),
        Condition::Outcome(outcome) => format!("e.outcome {equal} {}", text(outcome.as_str())),
        Condition::Action(action) => {
            // A custom action that is called like one of the four is read back as that one.
            if Action::named(action.as_str().to_owned()) != *action {
                return Narrowed::unknown();
            }
            format!("e.action {equal} {}", text(action.as_str()))
        }
        Condition::TransactionId(id) => {
            let id = param(Value::Blob(id.as_bytes().to_vec()));
            format!("e.transaction_id {equal} {id}")
        }
        Condition::LevelAtLeast(level) | Condition::LevelBelow(level) => {
            let below = matches!(condition, Condition::LevelBelow(_)) != negated;
            let level = param(Value::Integer(i64::from(level as u8)));
            format!("e.level {} {level}", if below { "<" } else { ">=" })
        }
        Condition::Since(time) | Condition::Until(time) => {
            let before = matches!(condition, Condition::Until(_)) != negated;
            let time = param(Value::Integer(micros_up(time)));
            format!("e.ts {} {time}", if before { "<" } else { ">=" })
        }
        Condition::Parent(root) => {
            let (model, pk) = (text(&root.model), text(&root.object_pk));
            let (or, and) = if negated {
                ("OR", "AND")
            } else {
                ("AND", "OR")
            };
            format!(
                "((e.parent_model {equal} {model} {or} e.parent_pk {equal} {pk}) \
                 {and} (e.model {equal} {model} {or} e.object_pk {equal} {pk}))"
            )
        }
        Condition::Changed(path) if is_whole_field(path) => changed(path, negated, param),
        Condition::Changed(path)
        | Condition::ChangedFrom(path, _)
        | Condition::ChangedTo(path, _) => {
            // Everything lies inside the object itself.
            if negated || path.segments().is_empty() {
                return Narrowed::unknown();
            }
            return Narrowed::at_least(changed(path, false, param));
        }
        Condition::Text(wanted) => {
            if negated || !is_verbatim_in_json(wanted) {
                return Narrowed::unknown();
            }
            let wanted = text(&wanted.to_ascii_lowercase());
            return Narrowed::at_least(format!("instr(lower(e.body), {wanted}) > 0"));
        }
    };
    Narrowed::exactly(sql)
}

/// Whether something changed in a top-level field.
fn changed(path: &Path, negated: bool, param: &mut dyn FnMut(Value) -> String) -> String {
    let not = if negated { "NOT " } else { "" };
    let field = param(Value::Text(top_level_field(path).into_owned()));
    format!(
        "{not}EXISTS (SELECT 1 FROM main.audit_change AS o \
         WHERE o.field = {field} AND o.ts = e.ts AND o.seq = e.seq)"
    )
}
