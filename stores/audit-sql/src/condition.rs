//! The conditions of a query's groups as SQL.

use audit_core::backend::projection::{
    Condition, SqlCondition, is_verbatim_in_json, is_whole_field, micros_up,
};
use audit_core::{Action, Level, Path};
use uuid::Uuid;

/// The parts of a condition that differ between databases. A method that takes a value
/// adds a parameter and returns SQL with it.
pub trait ConditionSql {
    /// The operator that is true of two different values, of which one may be null.
    const DISTINCT: &str;

    /// Returns a parameter that is compared with a column of text.
    fn text(&mut self, text: &str) -> String;

    /// Returns a parameter that is compared with `transaction_id`.
    fn transaction_id(&mut self, id: Uuid) -> String;

    /// Returns a parameter that is compared with `level`.
    fn level(&mut self, level: Level) -> String;

    /// Returns a parameter that is compared with `ts`.
    fn micros(&mut self, micros: i64) -> String;

    /// Returns SQL that is true where something changed in the top-level field of a path, or where
    /// nothing did.
    fn changed(&mut self, path: &Path, negated: bool) -> String;

    /// Returns SQL that is true where the lower-case bytes of the entry contain a text.
    fn contains(&mut self, text: &str) -> String;
}

/// Writes a condition on a row `e` of the entries, or its negation, for
/// [`groups_to_sql`](audit_core::backend::projection::groups_to_sql).
pub fn condition<S: ConditionSql>(
    condition: Condition<'_>,
    negated: bool,
    sql: &mut S,
) -> SqlCondition {
    let equal = if negated { S::DISTINCT } else { "=" };
    let written = match condition {
        Condition::Model(model) => format!("e.model {equal} {}", sql.text(model)),
        Condition::ObjectPk(pk) => format!("e.object_pk {equal} {}", sql.text(pk)),
        Condition::Actor(id) => format!("e.actor {equal} {}", sql.text(id)),
        Condition::CorrelationId(id) => format!("e.correlation_id {equal} {}", sql.text(id)),
        Condition::Outcome(outcome) => format!("e.outcome {equal} {}", sql.text(outcome.as_str())),
        Condition::Action(action) => {
            // A custom action that is called like one of the four is read back as that one.
            if Action::named(action.as_str().to_owned()) != *action {
                return SqlCondition::unknown();
            }
            format!("e.action {equal} {}", sql.text(action.as_str()))
        }
        Condition::TransactionId(id) => {
            format!("e.transaction_id {equal} {}", sql.transaction_id(id))
        }
        Condition::LevelAtLeast(level) | Condition::LevelBelow(level) => {
            let below = matches!(condition, Condition::LevelBelow(_)) != negated;
            let sign = if below { "<" } else { ">=" };
            format!("e.level {sign} {}", sql.level(level))
        }
        Condition::Since(time) | Condition::Until(time) => {
            let before = matches!(condition, Condition::Until(_)) != negated;
            let sign = if before { "<" } else { ">=" };
            format!("e.ts {sign} {}", sql.micros(micros_up(time)))
        }
        Condition::Parent(root) => {
            let (model, pk) = (sql.text(&root.model), sql.text(&root.object_pk));
            let (inner, outer) = if negated {
                ("OR", "AND")
            } else {
                ("AND", "OR")
            };
            format!(
                "((e.parent_model {equal} {model} {inner} e.parent_pk {equal} {pk}) \
                 {outer} (e.model {equal} {model} {inner} e.object_pk {equal} {pk}))"
            )
        }
        Condition::Changed(path) if is_whole_field(path) => sql.changed(path, negated),
        Condition::Changed(path)
        | Condition::ChangedFrom(path, _)
        | Condition::ChangedTo(path, _) => {
            // The empty path is the object itself, which contains every change.
            if negated || path.segments().is_empty() {
                return SqlCondition::unknown();
            }
            return SqlCondition::at_least(sql.changed(path, false));
        }
        Condition::Text(text) => {
            if negated || !is_verbatim_in_json(text) {
                return SqlCondition::unknown();
            }
            return SqlCondition::at_least(sql.contains(&text.to_ascii_lowercase()));
        }
    };
    SqlCondition::exactly(written)
}
