//! Conditions in groups as PostgreSQL's SQL.

use audit_core::backend::projection::{Condition, SqlCondition, WriteConditions};
use audit_core::{Level, Path};
use audit_sql::ConditionSql;
use uuid::Uuid;

use crate::row::key;
use crate::statement::Conditions;

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
    const DISTINCT: &str = "IS DISTINCT FROM";

    fn text(&mut self, text: &str) -> String {
        self.param(key(text).into_owned())
    }

    fn transaction_id(&mut self, id: Uuid) -> String {
        self.param(id)
    }

    fn level(&mut self, level: Level) -> String {
        self.param(i16::from(level as u8))
    }

    fn micros(&mut self, micros: i64) -> String {
        self.param(micros)
    }

    fn changed(&mut self, path: &Path, negated: bool) -> String {
        let fields = self.param(vec![key(&path.field()).into_owned()]);
        let is_not = if negated { " IS NOT TRUE" } else { "" };
        format!("(e.fields @> {fields}){is_not}")
    }

    fn contains(&mut self, text: &str) -> String {
        // Not a key: the text of an entry is not escaped.
        let text = self.param(text.to_owned());
        format!("strpos(lower(e.body), {text}) > 0")
    }
}
