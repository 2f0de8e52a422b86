//! Conditions in groups as SQLite's SQL.

use audit_core::backend::projection::{Condition, SqlCondition, WriteConditions};
use audit_core::{Level, Path};
use audit_sql::ConditionSql;
use rusqlite::types::Value;
use uuid::Uuid;

use crate::query::Conditions;
use crate::row::top_level_field;

impl WriteConditions for Conditions {
    fn condition(&mut self, condition: Condition<'_>, negated: bool) -> SqlCondition {
        audit_sql::condition(condition, negated, self)
    }

    fn parameters(&self) -> usize {
        self.params.len()
    }

    fn remove_parameters(&mut self, number: usize) {
        self.params.truncate(number);
    }
}

impl ConditionSql for Conditions {
    const DISTINCT: &str = "IS NOT";

    fn text(&mut self, text: &str) -> String {
        self.param(Value::Text(text.to_owned()))
    }

    fn transaction_id(&mut self, id: Uuid) -> String {
        self.param(Value::Blob(id.as_bytes().to_vec()))
    }

    fn level(&mut self, level: Level) -> String {
        self.param(Value::Integer(i64::from(level as u8)))
    }

    fn micros(&mut self, micros: i64) -> String {
        self.param(Value::Integer(micros))
    }

    fn changed(&mut self, path: &Path, negated: bool) -> String {
        let not = if negated { "NOT " } else { "" };
        let field = self.text(&top_level_field(path));
        format!(
            "{not}EXISTS (SELECT 1 FROM main.audit_change AS o \
             WHERE o.field = {field} AND o.ts = e.ts AND o.seq = e.seq)"
        )
    }

    fn contains(&mut self, text: &str) -> String {
        let text = self.text(text);
        format!("instr(lower(e.body), {text}) > 0")
    }
}
