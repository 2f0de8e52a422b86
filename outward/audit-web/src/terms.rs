//! The conditions of a query as text, to be added, replaced and removed by links.

use std::sync::Arc;

use audit_core::backend::limit;
use audit_core::{ParseQueryError, Query};

use crate::conceal::Concealer;
use crate::html::href;
use crate::reader::{MAX_CONDITIONS, MAX_QUERY};
use crate::request::Route;

const OLDEST_FIRST: &str = "order:oldest";

/// The conditions of a query of a reader, each as text.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    conditions: Vec<String>,
    /// The order, the number of entries and the position of a search, as text.
    options: Vec<String>,
    /// Present if values are hidden from the reader.
    concealer: Option<Arc<Concealer>>,
}

impl Terms {
    /// Returns the terms of a query of a reader from whom values are hidden if there is a concealer.
    pub(crate) fn of(query: &Query, concealer: Option<Arc<Concealer>>) -> Self {
        Self {
            conditions: query.terms(),
            options: Vec::new(),
            concealer,
        }
    }

    /// Adds the options of a search, which its links keep. The default order of a search is the
    /// newest first.
    pub(crate) fn with_options(mut self, search: &Query) -> Self {
        let order = (!search.is_newest_first()).then(|| OLDEST_FIRST.to_owned());
        let limit = limit(search).map(|limit| format!("limit:{limit}"));
        let after = search.cursor().map(|cursor| format!("after:{cursor}"));
        self.options = [order, limit, after].into_iter().flatten().collect();
        self
    }

    /// Returns the terms of the search in the other order, from its beginning.
    pub(crate) fn reversed(&self) -> Self {
        let mut terms = self.clone();
        terms.options.retain(|option| !option.starts_with("after:"));
        match terms
            .options
            .iter()
            .position(|option| option == OLDEST_FIRST)
        {
            Some(order) => drop(terms.options.remove(order)),
            None => terms.options.insert(0, OLDEST_FIRST.to_owned()),
        }
        terms
    }

    pub(crate) fn hides_values(&self) -> bool {
        self.concealer.is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(String::as_str)
    }

    /// Returns the text of the query.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for term in self.iter().chain(self.options.iter().map(String::as_str)) {
            push(&mut text, term);
        }
        text
    }

    /// Returns the link to the search for the terms; `None` if the reader may not ask for them.
    pub(crate) fn link(&self) -> Option<String> {
        self.link_to(self.iter())
    }

    /// Returns the link to the search for [`with`](Self::with); `None` if the reader may not ask for it.
    pub(crate) fn link_with(&self, added: &Query) -> Option<String> {
        let added = added.terms();
        let kept = self.iter().filter(|term| !is_replaced(term, &added));
        self.link_to(kept.chain(added.iter().map(String::as_str)))
    }

    /// Returns the link to the search for some conditions; `None` if the reader may not ask for them.
    fn link_to<'t>(&'t self, conditions: impl Iterator<Item = &'t str>) -> Option<String> {
        let (mut text, mut count) = (String::with_capacity(128), 0);
        for condition in conditions {
            count += 1;
            push(&mut text, condition);
        }
        for option in &self.options {
            push(&mut text, option);
        }
        let is_short = text.len() <= MAX_QUERY && count <= MAX_CONDITIONS;
        let is_permitted = |concealer: &Arc<Concealer>| {
            let query = Query::parse(&text);
            query.is_ok_and(|query| concealer.guessing(&query).is_none())
        };
        (is_short && self.concealer.as_ref().is_none_or(is_permitted))
            .then(|| href(Route::Search.name(), &[("q", &text)]))
    }

    /// Adds the conditions of a query. A condition replaces that of the same key, since the
    /// language allows each key once.
    pub(crate) fn with(&self, added: &Query) -> Self {
        let added = added.terms();
        let mut terms = self.retained(|term| !is_replaced(term, &added));
        terms.conditions.extend(added);
        terms
    }

    /// Returns the terms without one of them.
    pub(crate) fn without(&self, term: &str) -> Self {
        self.retained(|other| other != term)
    }

    fn retained(&self, condition: impl Fn(&str) -> bool) -> Self {
        let mut terms = self.clone();
        terms.conditions.retain(|term| condition(term));
        terms
    }
}

/// Parses the query of a search, whose default order is the newest first.
pub(crate) fn parse_search(text: &str) -> Result<Query, ParseQueryError> {
    let query = Query::parse(text)?;
    // The default order of the language is the oldest first. Two orders that differ are an error.
    let is_oldest_first = Query::parse(&format!("order:newest {text}")).is_err();
    Ok(if is_oldest_first {
        query
    } else {
        query.newest_first()
    })
}

/// Returns the key of a term, with the sign if it is `level:<`, which a query can have besides the
/// other `level:`; `None` for alternatives and negations.
fn key(term: &str) -> Option<&str> {
    if term.starts_with(['(', '"']) || term.starts_with("NOT ") {
        return None;
    }
    let (key, value) = term.split_once(':')?;
    let is_below = key == "level" && value.starts_with('<');
    Some(if is_below { "level:<" } else { key })
}

/// Returns whether one of the others replaces a term.
fn is_replaced(term: &str, others: &[String]) -> bool {
    let own = key(term);
    others.iter().any(|other| match key(other) {
        Some(key) if is_repeatable(key) => other == term,
        key => key.is_some() && key == own,
    })
}

/// Adds a term to the text of a query.
fn push(text: &mut String, term: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(term);
}

fn is_repeatable(key: &str) -> bool {
    matches!(key, "changed" | "changed_from" | "changed_to")
}

/// Quotes a value for the query language.
pub(crate) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Terms {
        Terms::of(&Query::parse(text).expect("a query"), None)
    }

    #[test]
    fn a_condition_replaces_that_of_its_key() {
        let query = terms("model:User actor:alice (a OR b)");
        let bob = query.with(&Query::new().actor("bob"));
        assert_eq!(bob.text(), "model:User (text:a OR text:b) actor:bob");
        let levels = terms("level:<error level:>=info");
        let higher = levels.with(&Query::new().level_at_least("warning".parse().expect("a level")));
        assert_eq!(higher.text(), "level:<error level:>=warning");
        let both = terms("changed:email").with(&Query::new().changed("phone"));
        assert_eq!(both.text(), "changed:email changed:phone");
    }

    #[test]
    fn links_keep_the_options_of_a_search() {
        for (text, expected) in [
            ("limit:5 actor:alice", "actor:alice limit:5"),
            ("order:oldest a", "text:a order:oldest"),
            ("order:newest a OR b", "(text:a OR text:b)"),
        ] {
            let search = parse_search(text).expect("a query");
            let terms = Terms::of(&search, None).with_options(&search);
            assert_eq!(terms.text(), expected);
            assert_eq!(terms.reversed().reversed().text(), expected);
            assert_eq!(terms.iter().count(), 1);
        }
        let search = parse_search("limit:5 actor:alice").expect("a query");
        let terms = Terms::of(&search, None).with_options(&search);
        let bob = terms.with(&Query::new().actor("bob"));
        assert_eq!(bob.text(), "actor:bob limit:5");
        assert_eq!(bob.reversed().text(), "actor:bob order:oldest limit:5");
    }

    #[test]
    fn hostile_values_stay_one_term() {
        let name = "a\" OR model:\"Secret) NOT x\\";
        let query = Query::new().actor(name);
        let text = Terms::of(&query, None).text();
        assert_eq!(
            Query::parse(&text).expect("a query").filter(),
            query.filter()
        );
        let text = format!("actor:{}", quoted(name));
        assert_eq!(
            Query::parse(&text).expect("a query").filter(),
            query.filter()
        );
    }
}
