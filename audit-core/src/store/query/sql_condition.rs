//! SQL conditions for the groups of a query, for stores in SQL databases.
//!
//! A store translates each single condition ([`WriteConditions`]) to an expression that is exact, or that
//! other rows satisfy too. This module combines them: alternatives by `OR`, negations by `NOT`. A negation
//! is exact only if its condition is; otherwise it is left out and the store checks it on the rows that it
//! reads. So the statement never loses a matching row.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Filter, Group};
use crate::action::{Action, Outcome};
use crate::entry::ObjectRef;
use crate::level::Level;
use crate::path::Path;

/// The maximum number of group conditions in one statement: databases limit the depth of an
/// expression.
const MAX_CONDITIONS: usize = 200;

/// A single condition of a [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition<'f> {
    /// [`Filter::model`].
    Model(&'f str),
    /// [`Filter::object_pk`].
    ObjectPk(&'f str),
    /// [`Filter::parent`].
    Parent(&'f ObjectRef),
    /// [`Filter::action`].
    Action(&'f Action),
    /// [`Filter::actor`].
    Actor(&'f str),
    /// [`Filter::level_at_least`].
    LevelAtLeast(Level),
    /// [`Filter::level_below`].
    LevelBelow(Level),
    /// [`Filter::outcome`].
    Outcome(Outcome),
    /// [`Filter::correlation_id`].
    CorrelationId(&'f str),
    /// [`Filter::transaction_id`].
    TransactionId(Uuid),
    /// One of [`Filter::changed`].
    Changed(&'f Path),
    /// One of [`Filter::changed_from`].
    ChangedFrom(&'f Path, &'f Value),
    /// One of [`Filter::changed_to`].
    ChangedTo(&'f Path, &'f Value),
    /// [`Filter::since`].
    Since(DateTime<Utc>),
    /// [`Filter::until`].
    Until(DateTime<Utc>),
    /// [`Filter::text`].
    Text(&'f str),
}

/// An SQL expression that all matching rows satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlCondition {
    /// The expression; `None` if it is always true.
    pub sql: Option<String>,
    /// Whether only matching rows satisfy it.
    pub exact: bool,
}

impl SqlCondition {
    /// Returns an expression that exactly the matching rows satisfy.
    pub fn exactly(sql: impl Into<String>) -> Self {
        Self {
            sql: Some(sql.into()),
            exact: true,
        }
    }

    /// Returns an expression that other rows may satisfy too.
    pub fn at_least(sql: impl Into<String>) -> Self {
        Self {
            sql: Some(sql.into()),
            exact: false,
        }
    }

    /// Returns a condition that SQL cannot express.
    pub fn unknown() -> Self {
        Self {
            sql: None,
            exact: false,
        }
    }

    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self {
            sql: None,
            exact: true,
        };
        for part in parts {
            all.exact &= part.exact;
            all.sql = match (all.sql, part.sql) {
                (Some(sql), Some(more)) => Some(format!("{sql} AND {more}")),
                (sql, more) => sql.or(more),
            };
        }
        all
    }

    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut sql: Option<String> = None;
        let (mut exact, mut narrows) = (true, true);
        for part in parts {
            exact &= part.exact;
            match (&mut sql, part.sql) {
                (Some(sql), Some(more)) => {
                    sql.push_str(" OR ");
                    sql.push_str(&more);
                }
                (None, Some(more)) => sql = Some(more),
                (_, None) => narrows = false,
            }
        }
        let sql = narrows.then(|| match sql {
            Some(sql) => format!("({sql})"),
            // Without alternatives, no row matches.
            None => "1 = 0".to_owned(),
        });
        Self { sql, exact }
    }
}

/// Writes the conditions of groups as SQL for [`groups_to_sql`].
pub trait WriteConditions {
    /// Writes a single condition, or its negation.
    ///
    /// The result is combined by `AND` and `OR` without further parentheses and never negated by
    /// `NOT`, so a null counts as false: the negation of a condition on a column must be true if
    /// the column is null.
    fn condition(&mut self, condition: Condition<'_>, negated: bool) -> SqlCondition;

    /// Returns the number of parameters.
    fn parameters(&self) -> usize;

    /// Truncates the parameters to the first `number`, because the SQL of the others was dropped.
    fn remove_parameters(&mut self, number: usize);
}

/// Returns an SQL condition that follows from all groups of a filter.
pub fn groups_to_sql(filter: &Filter, to: &mut impl WriteConditions) -> SqlCondition {
    let is_written = written_groups(&filter.groups);
    SqlCondition::all(
        filter
            .groups
            .iter()
            .zip(is_written)
            .map(|(group, is_written)| {
                if is_written {
                    group_to_sql(group, false, to)
                } else {
                    SqlCondition::unknown()
                }
            }),
    )
}

/// Returns for each group whether it is written: small groups first, up to the maximum number of
/// conditions, so that a long group, such as one that a user wrote, does not remove the others,
/// such as the scope of that user.
fn written_groups(groups: &[Group]) -> Vec<bool> {
    let mut sizes: Vec<(usize, usize)> = groups.iter().map(size).zip(0..).collect();
    sizes.sort_unstable();
    let mut is_written = vec![false; groups.len()];
    let mut total = 0;
    for (size, index) in sizes {
        total += size;
        if total > MAX_CONDITIONS {
            break;
        }
        is_written[index] = true;
    }
    is_written
}

fn size(group: &Group) -> usize {
    let size = |filter: &Filter| {
        filter.conditions().count() + filter.groups.iter().map(size).sum::<usize>() + 1
    };
    match group {
        Group::AnyOf(filters) => filters.iter().map(size).sum(),
        Group::Not(filter) => size(filter),
    }
}

fn group_to_sql(group: &Group, negated: bool, to: &mut impl WriteConditions) -> SqlCondition {
    match group {
        Group::Not(filter) => conjunction(filter, !negated, to),
        Group::AnyOf(filters) => combined(!negated, to, |to| {
            filters
                .iter()
                .map(|filter| conjunction(filter, negated, to))
                .collect()
        }),
    }
}

fn conjunction(filter: &Filter, negated: bool, to: &mut impl WriteConditions) -> SqlCondition {
    combined(negated, to, |to| {
        let mut parts: Vec<_> = filter
            .conditions()
            .map(|single| to.condition(single, negated))
            .collect();
        parts.extend(
            filter
                .groups
                .iter()
                .map(|group| group_to_sql(group, negated, to)),
        );
        parts
    })
}

/// Combines parts as alternatives or as a conjunction.
fn combined<W: WriteConditions>(
    alternatives: bool,
    to: &mut W,
    parts: impl FnOnce(&mut W) -> Vec<SqlCondition>,
) -> SqlCondition {
    let before = to.parameters();
    let parts = parts(to);
    if !alternatives {
        return SqlCondition::all(parts);
    }
    let any = SqlCondition::any(parts);
    if any.sql.is_none() {
        to.remove_parameters(before);
    }
    any
}

impl Filter {
    /// Returns the conditions outside of groups, in the order in which they are printed.
    pub(super) fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        let Self {
            model,
            object_pk,
            parent,
            action,
            actor,
            level_at_least,
            level_below,
            outcome,
            correlation_id,
            transaction_id,
            changed,
            changed_from,
            changed_to,
            since,
            until,
            text,
            groups: _,
        } = self;
        let single = [
            model.as_deref().map(Condition::Model),
            object_pk.as_deref().map(Condition::ObjectPk),
            parent.as_ref().map(Condition::Parent),
            action.as_ref().map(Condition::Action),
            actor.as_deref().map(Condition::Actor),
            level_at_least.map(Condition::LevelAtLeast),
            level_below.map(Condition::LevelBelow),
            outcome.map(Condition::Outcome),
            correlation_id.as_deref().map(Condition::CorrelationId),
            transaction_id.map(Condition::TransactionId),
        ];
        let from = changed_from
            .iter()
            .map(|(path, value)| Condition::ChangedFrom(path, value));
        let to = changed_to
            .iter()
            .map(|(path, value)| Condition::ChangedTo(path, value));
        single
            .into_iter()
            .flatten()
            .chain(changed.iter().map(Condition::Changed))
            .chain(from)
            .chain(to)
            .chain(since.map(Condition::Since))
            .chain(until.map(Condition::Until))
            .chain(text.as_deref().map(Condition::Text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::Query;

    /// Writes the conditions on actors, each with one parameter.
    #[derive(Default)]
    struct Actors(Vec<String>);

    impl WriteConditions for Actors {
        fn condition(&mut self, condition: Condition<'_>, _: bool) -> SqlCondition {
            let Condition::Actor(id) = condition else {
                return SqlCondition::unknown();
            };
            self.0.push(id.to_owned());
            SqlCondition::exactly(format!("actor = ?{}", self.0.len()))
        }

        fn parameters(&self) -> usize {
            self.0.len()
        }

        fn remove_parameters(&mut self, number: usize) {
            self.0.truncate(number);
        }
    }

    fn actors(ids: &[String]) -> Query {
        Query::new().any_of(ids.iter().map(|id| Query::new().actor(id.as_str())))
    }

    #[test]
    fn a_group_with_too_many_conditions_leaves_the_others() {
        let many: Vec<String> = (0..300).map(|number| format!("user-{number}")).collect();
        let few = ["ann".to_owned(), "bob".to_owned()];
        for query in [
            actors(&many).any_of([actors(&few)]),
            actors(&few).any_of([actors(&many)]),
        ] {
            let mut to = Actors::default();
            let condition = groups_to_sql(query.filter(), &mut to);
            assert!(!condition.exact);
            let sql = condition.sql.expect("the condition of the short group");
            assert!(sql.contains("actor = ?1 OR actor = ?2"), "{sql}");
            assert_eq!(to.0, few);
        }
    }
}
