//! The conditions of a query as SQLite's SQL.

use std::fmt::Write as _;

use audit_core::backend::projection::{
    Condition, SqlCondition, WriteConditions, groups_to_sql, is_verbatim_in_json, is_whole_field,
    micros_up,
};
use audit_core::{Action, Filter, Level, ObjectRef, Path, Query};
use audit_sql::ConditionSql;
use rusqlite::types::Value;
use uuid::Uuid;

use crate::row::top_level_field;

/// The conditions of a query, as far as SQL can express them.
pub(crate) struct Conditions {
    /// The tables.
    pub(crate) from: &'static str,
    /// The column of the entry's time in the first table.
    pub(crate) time: &'static str,
    /// The conditions of all rows.
    pub(crate) common: Vec<String>,
    /// The conditions of each part of the result; no row meets those of two.
    pub(crate) branches: Vec<String>,
    pub(crate) params: Vec<Value>,
    /// Whether these are all conditions of the query.
    pub(crate) exact: bool,
}

impl Conditions {
    pub(crate) fn of(query: &Query) -> Self {
        let filter = query.filter();
        // A condition that few entries meet comes first; otherwise the first changed field.
        let field_first = filter.object_pk.is_none()
            && filter.correlation_id.is_none()
            && filter.transaction_id.is_none()
            && filter.parent.is_none();
        Self::new(query, field_first)
    }

    /// The same, for a result that is ordered by object.
    pub(crate) fn by_object(query: &Query) -> Self {
        Self::new(query, false)
    }

    fn new(query: &Query, field_first: bool) -> Self {
        let filter = query.filter();
        let mut conditions = Self {
            from: "main.audit_entry AS e",
            time: "e.ts",
            common: Vec::new(),
            branches: vec![String::new()],
            params: Vec::new(),
            exact: true,
        };
        conditions.changed(filter, field_first);
        let text = |text: &String| Value::Text(text.clone());
        conditions.equal("e.model", filter.model.as_ref().map(text));
        conditions.equal("e.object_pk", filter.object_pk.as_ref().map(text));
        conditions.equal("e.actor", filter.actor.as_ref().map(text));
        conditions.equal("e.correlation_id", filter.correlation_id.as_ref().map(text));
        conditions.equal(
            "e.transaction_id",
            filter
                .transaction_id
                .map(|id| Value::Blob(id.as_bytes().to_vec())),
        );
        conditions.equal(
            "e.outcome",
            filter
                .outcome
                .map(|outcome| Value::Text(outcome.as_str().to_owned())),
        );
        if let Some(action) = &filter.action {
            conditions.equal("e.action", Some(Value::Text(action.as_str().to_owned())));
            // A custom action with the name of one of the four is read back as that one.
            conditions.exact &= Action::named(action.as_str().to_owned()) == *action;
        }
        if let Some(level) = filter.level_at_least {
            let level = conditions.param(Value::Integer(i64::from(level as u8)));
            conditions.common.push(format!("e.level >= {level}"));
        }
        if let Some(level) = filter.level_below {
            let level = conditions.param(Value::Integer(i64::from(level as u8)));
            conditions.common.push(format!("e.level < {level}"));
        }
        if let Some(since) = filter.since {
            let since = conditions.param(Value::Integer(micros_up(since)));
            conditions
                .common
                .push(format!("{} >= {since}", conditions.time));
        }
        if let Some(until) = filter.until {
            let until = conditions.param(Value::Integer(micros_up(until)));
            conditions
                .common
                .push(format!("{} < {until}", conditions.time));
        }
        if let Some(root) = &filter.parent {
            let model = conditions.param(Value::Text(root.model.clone()));
            let pk = conditions.param(Value::Text(root.object_pk.clone()));
            // Two parts, each in the order of an index, which SQLite merges.
            conditions.branches = vec![
                format!("e.parent_model = {model} AND e.parent_pk = {pk}"),
                format!(
                    "e.model = {model} AND e.object_pk = {pk} \
                     AND (e.parent_model IS NOT {model} OR e.parent_pk IS NOT {pk})"
                ),
            ];
        }
        if let Some(wanted) = &filter.text {
            conditions.exact = false;
            if is_verbatim_in_json(wanted) {
                let wanted = conditions.param(Value::Text(wanted.to_ascii_lowercase()));
                conditions
                    .common
                    .push(format!("instr(lower(e.body), {wanted}) > 0"));
            }
        }
        let groups = groups_to_sql(filter, &mut conditions);
        conditions.exact &= groups.exact;
        conditions.common.extend(groups.sql);
        conditions
    }

    fn changed(&mut self, filter: &Filter, mut first: bool) {
        let valued = filter.changed_from.iter().chain(&filter.changed_to);
        self.exact &= filter.changed_from.is_empty()
            && filter.changed_to.is_empty()
            && filter.changed.iter().all(is_whole_field);
        let mut fields: Vec<_> = filter
            .changed
            .iter()
            .chain(valued.map(|(path, _)| path))
            // The root contains every field.
            .filter(|path| !path.segments().is_empty())
            .map(top_level_field)
            .collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            let field = self.param(Value::Text(field.into_owned()));
            if first {
                first = false;
                self.from = "main.audit_change AS c CROSS JOIN main.audit_entry AS e";
                self.time = "c.ts";
                self.common
                    .push(format!("c.field = {field} AND e.seq = c.seq"));
            } else {
                self.common.push(format!(
                    "EXISTS (SELECT 1 FROM main.audit_change AS o \
                     WHERE o.field = {field} AND o.ts = e.ts AND o.seq = e.seq)"
                ));
            }
        }
    }

    pub(crate) fn after_cursor(&mut self, query: &Query) {
        let Some(cursor) = query.cursor() else {
            return;
        };
        let ts = self.param(Value::Integer(cursor.timestamp().timestamp_micros()));
        let id = self.param(Value::Blob(cursor.id().as_bytes().to_vec()));
        let sign = if query.is_newest_first() { '<' } else { '>' };
        let time = self.time;
        // The first term uses the index; of a row value only the first column would.
        self.common.push(format!(
            "{time} {sign}= {ts} AND ({time} {sign} {ts} OR e.id {sign} {id})"
        ));
    }

    /// Continues after an object. Each part is a range of the index: for a row value or an `OR`,
    /// SQLite would search by the model alone and read all of it again.
    pub(crate) fn after_object(&mut self, query: &Query, after: &ObjectRef) {
        let model = self.param(Value::Text(after.model.clone()));
        let pk = self.param(Value::Text(after.object_pk.clone()));
        let same = format!("e.model = {model} AND e.object_pk > {pk}");
        let later = format!("e.model > {model} AND e.object_pk > ''");
        let parts = match &query.filter().model {
            Some(wanted) if *wanted == after.model => vec![same],
            Some(_) => vec![later],
            None => vec![same, later],
        };
        self.branches = self
            .branches
            .iter()
            .flat_map(|branch| {
                parts.iter().map(move |part| match branch.as_str() {
                    "" => part.clone(),
                    branch => format!("{branch} AND {part}"),
                })
            })
            .collect();
    }

    fn equal(&mut self, column: &str, value: Option<Value>) {
        if let Some(value) = value {
            let value = self.param(value);
            self.common.push(format!("{column} = {value}"));
        }
    }

    pub(crate) fn param(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    pub(crate) fn write_from(&self, sql: &mut String, branch: &str) {
        let _ = write!(sql, " FROM {}", self.from);
        let conditions = self.common.iter().map(String::as_str);
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        for (number, condition) in conditions.chain(branch).enumerate() {
            let word = if number == 0 { "WHERE" } else { "AND" };
            let _ = write!(sql, " {word} {condition}");
        }
    }
}

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
