//! Translates queries into SQL.

use std::fmt::Write as _;

use audit_core::backend::projection::{
    digits, groups_to_sql, is_verbatim_in_json, is_whole_field, micros_up,
};
use audit_core::{Action, Cursor, Filter, ObjectRef, Query};
use serde_json::Value;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::query::Committed;
use crate::row::{json, key};
use crate::schema::Schema;

/// Page sizes whose statements have them as a number, so that they are planned for it.
const USUAL_PAGES: [usize; 8] = [1, 10, 20, 25, 50, 100, 500, 1000];

/// A number without an exponent, as a regular expression.
const DECIMAL: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$";
/// The most characters of a number that the server compares.
const LONGEST_NUMBER: usize = 200;

pub(crate) type Param = (Box<dyn ToSql + Sync + Send>, Type);

/// A statement and the values of its parameters.
pub(crate) struct Statement {
    pub(crate) sql: String,
    params: Vec<Param>,
    /// Whether one index serves it best for any values.
    pub(crate) one_index: bool,
}

impl Statement {
    pub(crate) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.params
            .iter()
            .map(|(value, _)| &**value as &(dyn ToSql + Sync))
            .collect()
    }

    pub(crate) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params
            .iter()
            .map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone()))
            .collect()
    }
}

/// The order of an answer, the key it begins after, and the transactions whose entries it has.
pub(crate) struct Order {
    descending: bool,
    by: By,
    /// The last key of the answer.
    until: Option<SortKey>,
    committed: Option<Committed>,
}

enum By {
    Time(Option<SortKey>),
    /// Entries about no object are left out.
    Object(Option<Object>, Option<SortKey>),
}

/// A model and an identity in key form, as the columns have them.
pub(crate) type Object = (String, String);

/// A time and an id: the key of the order by time.
pub(crate) type SortKey = (i64, Uuid);

pub(crate) fn sort_key(cursor: Cursor) -> SortKey {
    (cursor.timestamp().timestamp_micros(), cursor.id())
}

impl Order {
    /// The order that a query asks for, after its cursor.
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            descending: query.is_newest_first(),
            by: By::Time(query.cursor().map(sort_key)),
            until: None,
            committed: None,
        }
    }

    /// Excludes the entries of other transactions.
    pub(crate) fn only(self, committed: &Committed) -> Self {
        Self {
            committed: Some(committed.clone()),
            ..self
        }
    }

    /// Begins after a key, if there is one.
    pub(crate) fn after(self, key: Option<SortKey>) -> Self {
        match key {
            Some(_) => Self {
                by: By::Time(key),
                ..self
            },
            None => self,
        }
    }

    /// Ends with a key, if there is one.
    pub(crate) fn until(self, key: Option<SortKey>) -> Self {
        Self { until: key, ..self }
    }

    /// By object, and by time within each, after all of an object.
    pub(crate) fn by_object(after: Option<&ObjectRef>) -> Self {
        Self {
            descending: false,
            by: By::Object(
                after.map(|object| {
                    let pk = key(&object.object_pk).into_owned();
                    (key(&object.model).into_owned(), pk)
                }),
                None,
            ),
            until: None,
            committed: None,
        }
    }

    /// Continues after a row.
    pub(crate) fn go_on_after(&mut self, key: SortKey, object: Option<Object>) {
        self.by = match self.by {
            By::Time(_) => By::Time(Some(key)),
            By::Object(..) => By::Object(object, Some(key)),
        };
    }

    /// Returns whether it sorts by object, so that continuing needs the object.
    pub(crate) fn is_by_object(&self) -> bool {
        matches!(self.by, By::Object(..))
    }

    fn columns(&self) -> &'static [&'static str] {
        match self.by {
            By::Time(_) => &["ts", "id"],
            By::Object(..) => &["model", "object_pk", "ts", "id"],
        }
    }

    /// Adds conditions for what follows the key to begin after.
    fn begin(&self, conditions: &mut Conditions) {
        let sign = if self.descending { '<' } else { '>' };
        let (object, after) = match &self.by {
            By::Time(after) => (None, after),
            By::Object(object, after) => {
                conditions.common.push("e.object_pk <> ''".to_owned());
                (object.as_ref(), after)
            }
        };
        let mut after_key = Vec::new();
        if let Some((model, pk)) = object {
            after_key.push(("e.model", conditions.param(model.clone())));
            after_key.push(("e.object_pk", conditions.param(pk.clone())));
        }
        if let Some((ts, id)) = after {
            after_key.push(("e.ts", conditions.param(*ts)));
            after_key.push(("e.id", conditions.param(*id)));
        }
        if !after_key.is_empty() {
            let (columns, values): (Vec<_>, Vec<_>) = after_key.into_iter().unzip();
            conditions.common.push(format!(
                "({}) {sign} ({})",
                columns.join(", "),
                values.join(", ")
            ));
        }
        if let Some((ts, id)) = self.until {
            let sign = if self.descending { '>' } else { '<' };
            let (ts, id) = (conditions.param(ts), conditions.param(id));
            conditions
                .common
                .push(format!("(e.ts, e.id) {sign}= ({ts}, {id})"));
        }
        if let Some(Committed { snapshot, base }) = &self.committed {
            let snapshot = conditions.param(snapshot.clone());
            let base = conditions.param(*base);
            // The first line says no more than the second, and costs less. What has a number
            // that this cluster has not assigned yet was written by another cluster, before a dump or a
            // replication.
            conditions.common.push(format!(
                "(e.xact < pg_snapshot_xmin({snapshot}::text::pg_snapshot)::text::bigint + {base} \
                 OR pg_visible_in_snapshot(greatest(e.xact - {base}, 3)::text::xid8, \
                     {snapshot}::text::pg_snapshot) \
                 OR e.xact >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint \
                     + {{schema}}.audit_xact_base())"
            ));
        }
    }

    /// The first entries in this order, each as these columns.
    pub(crate) fn statement(
        &self,
        mut conditions: Conditions,
        wanted: &[&str],
        number: usize,
        schema: &Schema,
    ) -> Statement {
        self.begin(&mut conditions);
        let direction = if self.descending { "DESC" } else { "ASC" };
        // Most pages look for one entry more, to know whether there are any.
        let limit = if USUAL_PAGES.contains(&number.saturating_sub(1)) {
            number.to_string()
        } else {
            conditions.one_index = false;
            conditions.param(i64::try_from(number).unwrap_or(i64::MAX))
        };
        let columns = self.columns();
        let order: Vec<_> = columns
            .iter()
            .map(|column| format!("e.{column} {direction}"))
            .collect();
        let end = format!(" ORDER BY {} LIMIT {limit}", order.join(", "));
        let prefixed = |columns: &[&str]| {
            let columns: Vec<_> = columns.iter().map(|column| format!("e.{column}")).collect();
            columns.join(", ")
        };
        let mut sql = format!("SELECT {}", prefixed(wanted));
        if let [only] = &conditions.branches[..] {
            conditions.write_from(&mut sql, only);
        } else {
            // Each part in order and no longer than needed; the server merges them.
            sql.push_str(" FROM (");
            for (number, branch) in conditions.branches.iter().enumerate() {
                sql.push_str(if number > 0 { " UNION ALL (" } else { "(" });
                let keys = columns.iter().filter(|key| !wanted.contains(key));
                let both: Vec<_> = wanted.iter().chain(keys).copied().collect();
                let _ = write!(sql, "SELECT {}", prefixed(&both));
                conditions.write_from(&mut sql, branch);
                sql.push_str(&end);
                sql.push(')');
            }
            sql.push_str(") AS e");
        }
        sql.push_str(&end);
        conditions.statement(&sql, schema)
    }
}

/// The conditions of a query that SQL can express.
pub(crate) struct Conditions {
    /// The conditions of all rows.
    pub(crate) common: Vec<String>,
    /// The conditions of the rows of each part of the answer; the parts are disjoint.
    branches: Vec<String>,
    pub(crate) params: Vec<Param>,
    /// Whether these are all conditions of the query.
    pub(crate) exact: bool,
    /// Whether one index serves it best for any values.
    one_index: bool,
}

impl Conditions {
    pub(crate) fn of(query: &Query) -> Self {
        let filter = query.filter();
        let mut conditions = Self {
            common: Vec::new(),
            branches: vec![String::new()],
            params: Vec::new(),
            exact: true,
            one_index: one_index(filter),
        };
        conditions.equal("e.model", filter.model.as_deref());
        conditions.equal("e.object_pk", filter.object_pk.as_deref());
        conditions.equal("e.actor", filter.actor.as_deref());
        conditions.equal("e.correlation_id", filter.correlation_id.as_deref());
        if let Some(id) = filter.transaction_id {
            let id = conditions.param(id);
            conditions.common.push(format!("e.transaction_id = {id}"));
        }
        conditions.equal(
            "e.outcome",
            filter.outcome.as_ref().map(|outcome| outcome.as_str()),
        );
        if let Some(action) = &filter.action {
            conditions.equal("e.action", Some(action.as_str()));
            // A custom action that is called like one of the four is read back as that one.
            conditions.exact &= Action::named(action.as_str().to_owned()) == *action;
        }
        if let Some(level) = filter.level_at_least {
            let level = conditions.param(i16::from(level as u8));
            conditions.common.push(format!("e.level >= {level}"));
        }
        if let Some(level) = filter.level_below {
            let level = conditions.param(i16::from(level as u8));
            conditions.common.push(format!("e.level < {level}"));
        }
        if let Some(since) = filter.since {
            let since = conditions.param(micros_up(since));
            conditions.common.push(format!("e.ts >= {since}"));
        }
        if let Some(until) = filter.until {
            let until = conditions.param(micros_up(until));
            conditions.common.push(format!("e.ts < {until}"));
        }
        if let Some(root) = &filter.parent {
            let model = conditions.param(key(&root.model).into_owned());
            let pk = conditions.param(key(&root.object_pk).into_owned());
            conditions.branches = vec![
                format!("e.parent_model = {model} AND e.parent_pk = {pk}"),
                format!(
                    "e.model = {model} AND e.object_pk = {pk} \
                     AND (e.parent_model IS DISTINCT FROM {model} \
                     OR e.parent_pk IS DISTINCT FROM {pk})"
                ),
            ];
        }
        conditions.changed(filter);
        if let Some(wanted) = &filter.text {
            conditions.exact = false;
            if is_verbatim_in_json(wanted) {
                let wanted = conditions.param(wanted.to_ascii_lowercase());
                // The column's collation makes `lower` change ASCII letters only.
                conditions
                    .common
                    .push(format!("strpos(lower(e.body), {wanted}) > 0"));
            }
        }
        let groups = groups_to_sql(filter, &mut conditions);
        conditions.exact &= groups.exact;
        conditions.common.extend(groups.sql);
        conditions
    }

    fn changed(&mut self, filter: &Filter) {
        let valued = || filter.changed_from.iter().chain(&filter.changed_to);
        self.exact &= valued().next().is_none() && filter.changed.iter().all(is_whole_field);
        let mut fields: Vec<_> = filter
            .changed
            .iter()
            .chain(valued().map(|(path, _)| path))
            // The empty path is the object itself, which contains every change.
            .filter(|path| !path.segments().is_empty())
            .map(|path| key(&path.field()).into_owned())
            .collect();
        fields.sort_unstable();
        fields.dedup();
        if !fields.is_empty() {
            let fields = self.param(fields);
            self.common.push(format!("e.fields @> {fields}"));
        }
        for (side, wanted) in [("old", &filter.changed_from), ("new", &filter.changed_to)] {
            for (_, value) in wanted {
                self.changed_value(side, value);
            }
        }
    }

    /// Adds the condition that some path had or got the value. Rust compares the path, which has several
    /// spellings.
    fn changed_value(&mut self, side: &str, value: &Value) {
        let Ok(text) = json(value) else {
            return;
        };
        let number = digits(value);
        if number
            .as_ref()
            .is_some_and(|number| number.len() > LONGEST_NUMBER || number.contains('E'))
        {
            return;
        }
        let value = self.param(text);
        let mut condition = format!("c.value -> '{side}' = {value}::text::jsonb");
        if let Some(number) = number {
            // A decimal is stored as text and compared without its scale.
            let number = self.param(number);
            condition = format!(
                "({condition} OR CASE WHEN length(c.value ->> '{side}') > {LONGEST_NUMBER} \
                 OR c.value ->> '{side}' ~ '[0-9][eE][+-]?[0-9]+$' THEN true \
                 WHEN c.value ->> '{side}' ~ '{DECIMAL}' \
                 THEN (c.value ->> '{side}')::numeric = {number}::text::numeric ELSE false END)"
            );
        }
        self.common.push(format!(
            "EXISTS (SELECT 1 FROM jsonb_each(e.changes) AS c WHERE {condition})"
        ));
    }

    fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            let value = self.param(key(value).into_owned());
            self.common.push(format!("{column} = {value}"));
        }
    }

    pub(crate) fn param<T: Typed + Sync + Send + 'static>(&mut self, value: T) -> String {
        self.params.push((Box::new(value), T::TYPE));
        format!("${}", self.params.len())
    }

    fn write_from(&self, sql: &mut String, branch: &str) {
        sql.push_str(" FROM {schema}.audit_entry AS e");
        let conditions = self.common.iter().map(String::as_str);
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        for (number, condition) in conditions.chain(branch).enumerate() {
            let word = if number == 0 { "WHERE" } else { "AND" };
            let _ = write!(sql, " {word} {condition}");
        }
    }

    /// The number of entries, a row for each part of the answer.
    pub(crate) fn count(self, schema: &Schema) -> Statement {
        let mut sql = String::new();
        for (number, branch) in self.branches.iter().enumerate() {
            sql.push_str(if number > 0 { " UNION ALL " } else { "" });
            sql.push_str("SELECT count(*)");
            self.write_from(&mut sql, branch);
        }
        self.statement(&sql, schema)
    }

    fn statement(self, sql: &str, schema: &Schema) -> Statement {
        Statement {
            sql: schema.fill(sql),
            params: self.params,
            one_index: self.one_index,
        }
    }
}

/// Returns whether a filter has only conditions on the first columns of one index, and on times, which
/// follow in every index.
fn one_index(filter: &Filter) -> bool {
    let mut rest = filter.clone();
    rest.since = None;
    rest.until = None;
    let object = rest.model.take().is_some();
    let keys = [
        object,
        rest.actor.take().is_some(),
        rest.correlation_id.take().is_some(),
        rest.transaction_id.take().is_some(),
    ];
    if object {
        rest.object_pk = None;
    }
    keys.into_iter().filter(|given| *given).count() <= 1 && rest == Filter::default()
}

/// A value with its type, which the server need not resolve.
pub(crate) trait Typed: ToSql {
    const TYPE: Type;
}

impl Typed for String {
    const TYPE: Type = Type::TEXT;
}

impl Typed for Vec<String> {
    const TYPE: Type = Type::TEXT_ARRAY;
}

impl Typed for i16 {
    const TYPE: Type = Type::INT2;
}

impl Typed for i64 {
    const TYPE: Type = Type::INT8;
}

impl Typed for Uuid {
    const TYPE: Type = Type::UUID;
}
