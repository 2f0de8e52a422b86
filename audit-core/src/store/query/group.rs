//! Groups of a query: alternatives and negations.

use super::{Filter, Query};
use crate::entry::LogEntry;

/// The maximum nesting of groups in a query.
pub(super) const MAX_NESTING: usize = 32;

/// Conditions of a [`Filter`] that are not combined by "and".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Group {
    /// At least one of the filters matches. Without filters, no entry matches.
    AnyOf(Vec<Filter>),
    /// The filter does not match.
    Not(Box<Filter>),
}

impl Group {
    /// Returns whether an entry satisfies the condition.
    pub fn matches(&self, entry: &LogEntry) -> bool {
        match self {
            Self::AnyOf(alternatives) => alternatives.iter().any(|filter| filter.matches(entry)),
            Self::Not(filter) => !filter.matches(entry),
        }
    }

    /// Returns the nesting depth of parentheses and `NOT` in the text of the group.
    fn nesting(&self) -> usize {
        1 + match self {
            Self::AnyOf(alternatives) => deepest(alternatives),
            Self::Not(filter) => match filter.alternatives() {
                Some(alternatives) => deepest(alternatives),
                None => filter.nesting(),
            },
        }
    }
}

fn deepest(filters: &[Filter]) -> usize {
    filters.iter().map(Filter::nesting).max().unwrap_or(0)
}

impl Filter {
    /// Returns the filter that matches if at least one of several filters does.
    pub(super) fn any_of(mut alternatives: Vec<Self>) -> Self {
        match alternatives.pop() {
            Some(only) if alternatives.is_empty() => only,
            last => {
                alternatives.extend(last);
                Self::of(Group::AnyOf(alternatives))
            }
        }
    }

    /// Returns the filter with one group.
    pub(super) fn of(group: Group) -> Self {
        Self {
            groups: vec![group],
            ..Self::default()
        }
    }

    pub(super) fn nesting(&self) -> usize {
        self.groups.iter().map(Group::nesting).max().unwrap_or(0)
    }

    /// Returns the alternatives of a filter that consists of two or more.
    pub(super) fn alternatives(&self) -> Option<&[Self]> {
        match &self.groups[..] {
            [Group::AnyOf(alternatives)]
                if alternatives.len() > 1 && self.conditions().next().is_none() =>
            {
                Some(alternatives)
            }
            _ => None,
        }
    }
}

impl Query {
    /// Keeps entries that satisfy the conditions of at least one of several queries. Without
    /// queries, no entry matches.
    ///
    /// Only the conditions of the queries apply. Their store, order, limit and cursor have no
    /// effect.
    ///
    /// # Example: two models, or one actor
    /// ```
    /// use auditlog::Query;
    ///
    /// let query = Query::new().any_of([
    ///     Query::new().model_name("User"),
    ///     Query::new().model_name("Invoice"),
    ///     Query::new().actor("alice"),
    /// ]);
    /// assert_eq!(query.to_string(), "(model:User OR model:Invoice OR actor:alice)");
    /// ```
    pub fn any_of(mut self, alternatives: impl IntoIterator<Item = Self>) -> Self {
        let mut filters = Vec::new();
        for alternative in alternatives {
            filters.push(self.conditions_of(alternative));
        }
        if filters.is_empty() {
            self.group(Group::Not(Box::default()))
        } else if filters.contains(&Filter::default()) {
            // Every entry matches.
            self
        } else {
            self.group(Group::AnyOf(filters))
        }
    }

    /// Keeps entries that do not satisfy the conditions of a query.
    ///
    /// This is the exact complement: an entry without an actor does not satisfy `actor("alice")`,
    /// so `not(Query::new().actor("alice"))` keeps it. For a query with several conditions, an entry
    /// is kept if it fails at least one of them. Only the conditions of the query apply.
    ///
    /// # Example: all entries except those of one actor
    /// ```
    /// use auditlog::Query;
    ///
    /// let query = Query::new().model_name("User").not(Query::new().actor("alice"));
    /// assert_eq!(query.to_string(), "model:User NOT actor:alice");
    /// ```
    pub fn not(mut self, unwanted: Self) -> Self {
        let filter = self.conditions_of(unwanted);
        self.group(Group::Not(Box::new(filter)))
    }

    fn group(mut self, group: Group) -> Self {
        if group.nesting() > MAX_NESTING {
            // Dropped here, before its depth could overflow the stack.
            self.too_deep = true;
        } else {
            self.filter.groups.push(group);
        }
        self
    }

    /// Takes the conditions of a query and its errors.
    fn conditions_of(&mut self, query: Self) -> Filter {
        self.too_deep |= query.too_deep;
        if let Some(error) = query.invalid {
            self.invalid.get_or_insert(error);
        }
        query.filter
    }
}
