//! The conditions of a query as text, to be added, replaced and removed by links.

use std::fmt::Write as _;
use std::sync::Arc;

use audit_core::backend::limit;
use audit_core::backend::projection::Condition;
use audit_core::{ParseQueryError, Query};

use crate::conceal::Concealer;
use crate::html::{Link, encode};
use crate::reader::{MAX_CONDITIONS, MAX_QUERY};
use crate::request::Route;

const OLDEST_FIRST: &str = "order:oldest";
/// The key and the sign of the level below which entries are found.
const LEVEL_BELOW: &str = "level:<";

/// The conditions of a query of a reader, each as text.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    conditions: Vec<Term>,
    /// The order, the number of entries and the position of a search.
    options: Vec<Term>,
    /// Present if values are hidden from the reader.
    concealer: Option<Arc<Concealer>>,
}

impl Terms {
    /// Returns the terms of a query of a reader from whom values are hidden if there is a concealer.
    pub(crate) fn of(query: &Query, concealer: Option<Arc<Concealer>>) -> Self {
        Self {
            conditions: query.terms().into_iter().map(Term::of).collect(),
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
        let options = [order, limit, after].into_iter().flatten();
        self.options = options.map(Term::of).collect();
        self
    }

    /// Returns the terms of the search in the other order, from its beginning.
    pub(crate) fn reversed(&self) -> Self {
        let mut terms = self.clone();
        let options = &mut terms.options;
        options.retain(|option| !option.text.starts_with("after:"));
        match options
            .iter()
            .position(|option| option.text == OLDEST_FIRST)
        {
            Some(order) => drop(options.remove(order)),
            None => options.insert(0, Term::of(OLDEST_FIRST.to_owned())),
        }
        terms
    }

    pub(crate) fn hides_values(&self) -> bool {
        self.concealer.is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|term| term.text.as_str())
    }

    /// Returns the text of the query.
    pub(crate) fn text(&self) -> String {
        let terms = self.conditions.iter().chain(&self.options);
        let texts: Vec<&str> = terms.map(|term| term.text.as_str()).collect();
        texts.join(" ")
    }

    /// Returns the link to the search for the terms; `None` if the reader may not ask for them.
    pub(crate) fn link(&self) -> Option<Link> {
        self.link_with(&[])
    }

    /// Returns the link to the search for the terms and some conditions, of which each replaces that of its
    /// key; `None` if the reader may not ask for it.
    pub(crate) fn link_with(&self, added: &[Condition<'_>]) -> Option<Link> {
        let is_kept = |term: &&Term| !added.iter().any(|condition| term.is_replaced_by(condition));
        let kept = self.conditions.iter().filter(is_kept);
        if let Some(concealer) = &self.concealer {
            let own = kept.clone().chain(&self.options);
            let own = own.map(|term| term.text.clone());
            let texts: Vec<String> = own.chain(added.iter().map(Condition::to_string)).collect();
            let query = Query::parse(&texts.join(" ")).ok()?;
            if concealer.guessing(&query).is_some() {
                return None;
            }
        }
        let mut search = SearchLink::new();
        for term in kept {
            search.push(&term.text, Some(&term.encoded));
        }
        let mut text = String::with_capacity(64);
        for condition in added {
            text.clear();
            // Writing to memory cannot fail.
            let _written = write!(text, "{condition}");
            search.push(&text, None);
        }
        let conditions = search.terms;
        for option in &self.options {
            search.push(&option.text, Some(&option.encoded));
        }
        if conditions > MAX_CONDITIONS || search.bytes > MAX_QUERY {
            return None;
        }
        search.link.push_language();
        Some(search.link)
    }

    /// Adds the conditions of a query. A condition replaces that of the same key, since the
    /// language allows each key once.
    pub(crate) fn with(&self, added: &Query) -> Self {
        let added: Vec<Term> = added.terms().into_iter().map(Term::of).collect();
        let is_replaced = |term: &Term, added: &Term| {
            let key = added.key();
            key.is_some_and(|key| term.is_replaced(key, |text| text == added.text))
        };
        let mut terms = self.retained(|term| !added.iter().any(|added| is_replaced(term, added)));
        terms.conditions.extend(added);
        terms
    }

    /// Returns the terms without one of them.
    pub(crate) fn without(&self, term: &str) -> Self {
        self.retained(|other| other.text != term)
    }

    fn retained(&self, condition: impl Fn(&Term) -> bool) -> Self {
        let mut terms = self.clone();
        terms.conditions.retain(condition);
        terms
    }
}

/// A condition of a query, or an option of a search. A page has hundreds of links with it.
#[derive(Clone)]
struct Term {
    text: String,
    /// The text in a URL.
    encoded: String,
}

impl Term {
    fn of(text: String) -> Self {
        let mut encoded = String::new();
        encode(&text, &mut encoded);
        Self { text, encoded }
    }

    /// Returns the key, with the sign if it is `level:<`, which a query can have besides the other
    /// `level:`; `None` for alternatives and negations.
    fn key(&self) -> Option<&str> {
        let is_of_key = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let end = self.text.bytes().position(|byte| !is_of_key(byte))?;
        match (&self.text[..end], &self.text.as_bytes()[end..]) {
            ("level", [b':', b'<', ..]) => Some(LEVEL_BELOW),
            (key, [b':', ..]) => Some(key),
            _ => None,
        }
    }

    fn is_replaced_by(&self, condition: &Condition<'_>) -> bool {
        let key = match condition {
            Condition::LevelBelow(_) => LEVEL_BELOW,
            other => other.key(),
        };
        self.is_replaced(key, |text| text == condition.to_string())
    }

    /// Returns whether a term with a key replaces this one, since the language has most keys once.
    fn is_replaced(&self, key: &str, is_equal: impl FnOnce(&str) -> bool) -> bool {
        let is_repeatable = matches!(key, "changed" | "changed_from" | "changed_to");
        self.key() == Some(key) && (!is_repeatable || is_equal(&self.text))
    }
}

/// A link to a search that is being written.
struct SearchLink {
    link: Link,
    terms: usize,
    /// The size of the query before it is encoded.
    bytes: usize,
}

impl SearchLink {
    fn new() -> Self {
        // Enough for most links.
        let mut link = Link::with_capacity(Route::Search.name(), 160);
        link.begin("q");
        Self {
            link,
            terms: 0,
            bytes: 0,
        }
    }

    /// Adds a term, which may be encoded already.
    fn push(&mut self, text: &str, encoded: Option<&str>) {
        if self.terms > 0 {
            self.link.push_encoded("+");
            self.bytes += 1;
        }
        self.terms += 1;
        self.bytes += text.len();
        match encoded {
            Some(encoded) => self.link.push_encoded(encoded),
            None => self.link.encode(text),
        }
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
