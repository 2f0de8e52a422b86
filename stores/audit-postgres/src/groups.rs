//! Conditions in groups as SQL.

use audit_core::projection::{
    Condition, Narrowed, WriteConditions, is_verbatim_in_json, is_whole_field, micros_up,
};
use audit_core::{Action, Path};

use crate::row::key;
use crate::statement::Conditions;

impl WriteConditions for Conditions {
    fn condition(&mut self, condition: Condition<'_>, negated: bool) -> Narrowed {
        write(condition, negated, self)
    }

    fn parameters(&self) -> usize {
        self.params.len()
    }

    fn remove_parameters(&mut self, number: usize) {
        self.params.truncate(number);
    }
}

fn write(condition: Condition<'_>, negated: bool, statement: &mut Conditions) -> Narrowed {
    let mut text = |text: &str| statement.param(key(text).into_owned());
    // Negated, the column may be null.
    let equal = if negated { "IS DISTINCT FROM" } else { "=" };
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
            format!("e.transaction_id {equal} {}", statement.param(id))
        }
        Condition::LevelAtLeast(level) | Condition::LevelBelow(level) => {
            let below = matches!(condition, Condition::LevelBelow(_)) != negated;
            let level = statement.param(i16::from(level as u8));
            format!("e.level {} {level}", if below { "<" } else { ">=" })
        }
        Condition::Since(time) | Condition::Until(time) => {
            let before = matches!(condition, Condition::Until(_)) != negated;
            let time = statement.param(micros_up(time));
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
        Condition::Changed(path) if is_whole_field(path) => changed(path, negated, statement),
        Condition::Changed(path)
        | Condition::ChangedFrom(path, _)
        | Condition::ChangedTo(path, _) => {
            // Everything lies inside the object itself.
            if negated || path.segments().is_empty() {
                return Narrowed::unknown();
            }
            return Narrowed::at_least(changed(path, false, statement));
        }
        Condition::Text(wanted) => {
            if negated || !is_verbatim_in_json(wanted) {
                return Narrowed::unknown();
            }
            // Not a key: the text of an entry is not escaped.
            let wanted = statement.param(wanted.to_ascii_lowercase());
            return Narrowed::at_least(format!("strpos(lower(e.body), {wanted}) > 0"));
        }
    };
    Narrowed::exactly(sql)
}

/// Whether something changed in a top-level field.
fn changed(path: &Path, negated: bool, statement: &mut Conditions) -> String {
    let fields = statement.param(vec![key(&path.field()).into_owned()]);
    let is_not = if negated { " IS NOT TRUE" } else { "" };
    format!("(e.fields @> {fields}){is_not}")
}
