//! Queries with alternatives and negations: by hand, and at random against a filter that is
//! written apart from that of the core.

#![expect(
    clippy::missing_panics_doc,
    reason = "every check panics where a store does not keep the contract"
)]
#![expect(
    clippy::explicit_auto_deref,
    reason = "the type of the texts is not inferred without it"
)]

use std::env;

use audit_core::{Cursor, Level, LogEntry, ObjectRef, Outcome, Query, Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::access::{Meets, all, append, check, count, find, must, paged, sorted};
use super::exports::exported;
use super::objects::objects;
use crate::sample::{Random, entries};

/// Alternatives and negations, alone, nested, and next to other conditions. A negation is the
/// exact complement, so that it keeps entries without a value too.
pub fn filters_by_groups(store: &dyn Store) {
    let sample = entries(400, 30);
    append(store, &sample);
    let by = |e: &LogEntry, id: &str| e.actor.as_ref().is_some_and(|actor| actor.id == id);
    let company = ObjectRef::new("Company", "1");
    let cases: [(&str, &Meets<'_>); 12] = [
        ("model:User OR model:Invoice", &|e| {
            e.model == "User" || e.model == "Invoice"
        }),
        ("NOT actor:alice", &|e| !by(e, "alice")),
        ("NOT correlation:req-1", &|e| {
            e.correlation_id.as_deref() != Some("req-1")
        }),
        ("NOT parent:Company/1", &|e| {
            e.parent.as_ref() != Some(&company)
        }),
        ("NOT changed:email", &|e| !touches(e, "email")),
        ("NOT changed:address", &|e| {
            !touches(e, "address.city") && !touches(e, "address.zip")
        }),
        ("NOT changed_to:status=open", &|e| {
            !e.changes
                .iter()
                .any(|c| c.path == "status" && c.new == Some(json!("open")))
        }),
        ("model:User (actor:alice OR NOT level:>=warning)", &|e| {
            e.model == "User" && (by(e, "alice") || e.level < Level::Warning)
        }),
        ("NOT (model:User actor:alice)", &|e| {
            !(e.model == "User" && by(e, "alice"))
        }),
        ("NOT (model:User OR actor:alice)", &|e| {
            !(e.model == "User" || by(e, "alice"))
        }),
        ("NOT NOT outcome:denied", &|e| e.outcome == Outcome::Denied),
        (
            "actor:alice AND \"ticket 1\" OR actor:bob action:delete",
            &|e| {
                by(e, "alice") && Leaf::Text("ticket 1").matches(e)
                    || by(e, "bob") && e.action.as_str() == "delete"
            },
        ),
    ];
    for (text, wanted) in cases {
        check(store, &sample, parsed(text), wanted);
    }
    for query in [
        Query::new().any_of([]),
        Query::new().not(Query::new()),
        parsed("model:User (model:Invoice)"),
    ] {
        assert_eq!(find(store, query.clone()), [], "{query}");
        assert_eq!(count(store, query.clone()), 0, "{query}");
    }
    let everything = Query::new().any_of([Query::new(), Query::new().actor("alice")]);
    assert_eq!(find(store, everything), sorted(sample));
}

/// More alternatives than a statement of a database takes.
pub fn filters_by_many_alternatives(store: &dyn Store) {
    let sample = entries(60, 35);
    append(store, &sample);
    let numbers = (0..5_000).map(|number| Query::new().object_pk(number));
    let query = Query::new().any_of(numbers).not(Query::new().object_pk(7));
    let expected: Vec<_> = sample
        .into_iter()
        .filter(|entry| entry.object_pk != "7")
        .collect();
    assert_eq!(find(store, query.clone()), sorted(expected.clone()));
    assert_eq!(count(store, query), expected.len() as u64);
}

/// Random queries find, count and export what a filter by hand selects, in both orders and page
/// by page; `PROPTEST_CASES` sets how many there are (64 by default).
pub fn filters_by_random_queries(store: &dyn Store) {
    let sample = sorted(entries(200, 36));
    append(store, &sample);
    let mut random = Random::new(37);
    for number in 0..cases(64) {
        let question = Question::random(&mut random, &sample, 3);
        let mut expected: Vec<_> = sample.iter().filter(|e| question.matches(e)).collect();
        let mut query = question.query();
        if number % 2 == 1 {
            query = parsed(&question.text());
        }
        assert_eq!(
            count(store, query.clone()),
            expected.len() as u64,
            "{query}"
        );
        if random.one_in(2) {
            query = query.newest_first();
            expected.reverse();
        }
        let same = |found: &[LogEntry], what: &str| {
            let places = |entry: &LogEntry| Cursor::of(entry);
            let found: Vec<_> = found.iter().map(places).collect();
            let expected: Vec<_> = expected.iter().copied().map(places).collect();
            assert_eq!(found, expected, "{what} {query}");
        };
        match number % 8 {
            0 => {
                let expected: Vec<_> = expected
                    .iter()
                    .map(|entry| must(entry.to_canonical_json()))
                    .collect();
                assert_eq!(exported(store, &query), expected, "export of {query}");
            }
            1 => {
                let mut found = objects(store, &query).concat();
                assert!(
                    found.is_sorted_by_key(|entry| (entry.model.clone(), entry.object_pk.clone())),
                    "objects of {query}"
                );
                found.sort_by_key(|entry| (entry.timestamp, entry.id));
                if query.is_newest_first() {
                    found.reverse();
                }
                same(&found, "objects of");
            }
            2 => same(&paged(store, &query, 23), "pages of"),
            _ => same(
                &must(store.find(&query.clone().limit(400))).entries,
                "answer to",
            ),
        }
    }
}

/// Rule 6: a purge with alternatives and negations removes what a filter by hand selects, and
/// nothing else.
pub fn purges_what_random_queries_ask_for(store: &dyn Store) {
    let sample = sorted(entries(100, 38));
    append(store, &sample);
    let end = sample[70].timestamp;
    let mut random = Random::new(39);
    for number in 0..cases(64) / 8 {
        let question = Question::random(&mut random, &sample, 2);
        let mut query = question.query();
        // `until` would replace a time that the question has itself.
        let bounded = number % 2 == 0 && query.filter().until.is_none();
        let in_time = |entry: &LogEntry| !bounded || entry.timestamp < end;
        if bounded {
            query = query.until(end);
        }
        let (gone, stay): (Vec<_>, Vec<_>) = sample
            .iter()
            .cloned()
            .partition(|entry| in_time(entry) && question.matches(entry));
        match store.purge(&query) {
            Err(StoreError::Unsupported { .. }) => return,
            removed => assert_eq!(must(removed), gone.len() as u64, "purge of {query}"),
        }
        assert_eq!(all(store), stay, "purge of {query}");
        append(store, &gone);
    }
}

fn cases(default: usize) -> usize {
    let number = env::var("PROPTEST_CASES").ok();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

fn parsed(text: &str) -> Query {
    match Query::parse(text) {
        Ok(query) => query,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Returns whether a change is exactly at a path.
fn touches(entry: &LogEntry, path: &str) -> bool {
    entry
        .changes
        .iter()
        .any(|change| change.path.as_str() == path)
}

/// The conditions of a random query.
#[derive(Clone, Debug)]
enum Question {
    Leaf(Leaf),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

#[derive(Clone, Copy, Debug)]
enum Leaf {
    Model(&'static str),
    Pk(u64),
    Action(&'static str),
    Actor(&'static str),
    LevelAtLeast(Level),
    LevelBelow(Level),
    Outcome(Outcome),
    Correlation(u64),
    Transaction(Uuid),
    Parent(u64),
    /// A path, and the paths of the sample that are inside it.
    Changed(&'static str, &'static [&'static str]),
    StatusFrom(&'static str),
    StatusTo(&'static str),
    Since(DateTime<Utc>),
    Until(DateTime<Utc>),
    Text(&'static str),
}

impl Question {
    fn random(random: &mut Random, sample: &[LogEntry], depth: u32) -> Self {
        let some = |random: &mut Random| {
            let number = 2 + random.below(2);
            (0..number)
                .map(|_| Self::random(random, sample, depth - 1))
                .collect()
        };
        match random.below(6) {
            0 | 1 if depth > 0 => Self::Any(some(random)),
            2 | 3 if depth > 0 => Self::All(some(random)),
            4 if depth > 0 => Self::Not(Box::new(Self::random(random, sample, depth - 1))),
            _ => Self::Leaf(Leaf::random(random, sample)),
        }
    }

    fn matches(&self, entry: &LogEntry) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.matches(entry),
            Self::All(parts) => parts.iter().all(|part| part.matches(entry)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(entry)),
            Self::Not(part) => !part.matches(entry),
        }
    }

    fn query(&self) -> Query {
        match self {
            Self::Leaf(leaf) => leaf.add_to(Query::new()),
            Self::Any(parts) => Query::new().any_of(parts.iter().map(Self::query)),
            Self::Not(part) => Query::new().not(part.query()),
            Self::All(parts) => {
                let mut query = Query::new();
                let mut known = Vec::new();
                for part in parts {
                    query = match part {
                        // A second value would take the place of the first.
                        Self::Leaf(leaf) if !known.contains(&leaf.key()) => {
                            known.push(leaf.key());
                            leaf.add_to(query)
                        }
                        Self::Not(part) => query.not(part.query()),
                        Self::Any(parts) => query.any_of(parts.iter().map(Self::query)),
                        other => query.any_of([other.query()]),
                    };
                }
                query
            }
        }
    }

    fn text(&self) -> String {
        let texts = |parts: &[Self]| parts.iter().map(Self::text).collect::<Vec<_>>();
        match self {
            Self::Leaf(leaf) => leaf.text(),
            Self::Any(parts) => texts(parts).join(" OR "),
            Self::Not(part) => match &**part {
                Self::Leaf(leaf) => format!("NOT {}", leaf.text()),
                part => format!("NOT({})", part.text()),
            },
            Self::All(parts) => {
                let mut known = Vec::new();
                let mut terms = Vec::new();
                for part in parts {
                    terms.push(match part {
                        Self::Leaf(leaf) if !known.contains(&leaf.key()) => {
                            known.push(leaf.key());
                            leaf.text()
                        }
                        Self::Not(_) => part.text(),
                        part => format!("( {})", part.text()),
                    });
                }
                terms.join(if terms.len() > 2 { " AND " } else { " " })
            }
        }
    }
}

impl Leaf {
    fn random(random: &mut Random, sample: &[LogEntry]) -> Self {
        let time = random.pick(sample).timestamp;
        match random.below(16) {
            0 => Self::Model(*random.pick(&["User", "Invoice", "crate::Übung", "o'Brien \"x\""])),
            1 => Self::Pk(random.below(20)),
            2 => Self::Action(*random.pick(&["create", "update", "access", "approved"])),
            3 => Self::Actor(*random.pick(&["alice", "bob", "Çağrı", "nobody"])),
            4 => Self::LevelAtLeast(*random.pick(&Level::ALL)),
            5 => Self::LevelBelow(*random.pick(&Level::ALL)),
            6 => Self::Outcome(*random.pick(&[Outcome::Failure, Outcome::Denied])),
            7 => Self::Correlation(random.below(30)),
            8 => Self::Transaction(Uuid::from_u64_pair(7, random.below(5))),
            9 => Self::Parent(random.below(3)),
            10 | 11 => {
                const PATHS: [(&str, &[&str]); 4] = [
                    ("email", &["email"]),
                    ("address", &["address.city", "address.zip"]),
                    ("address.zip", &["address.zip"]),
                    ("items", &["items[sku='A1'].qty"]),
                ];
                let (path, inside) = *random.pick(&PATHS);
                Self::Changed(path, inside)
            }
            12 => Self::StatusFrom(*random.pick(&["open", "closed"])),
            13 => Self::StatusTo(*random.pick(&["open", "closed"])),
            14 if random.one_in(2) => Self::Since(time),
            14 => Self::Until(time),
            _ => Self::Text(*random.pick(&["TICKET 1", "user #1", "\"quoted\"", "alice"])),
        }
    }

    /// Returns the kind of the condition, of which a conjunction has one.
    fn key(self) -> u32 {
        match self {
            Self::Model(_) => 0,
            Self::Pk(_) => 1,
            Self::Action(_) => 2,
            Self::Actor(_) => 3,
            Self::LevelAtLeast(_) => 4,
            Self::LevelBelow(_) => 5,
            Self::Outcome(_) => 6,
            Self::Correlation(_) => 7,
            Self::Transaction(_) => 8,
            Self::Parent(_) => 9,
            Self::Changed(..) => 10,
            Self::StatusFrom(_) => 11,
            Self::StatusTo(_) => 12,
            Self::Since(_) => 13,
            Self::Until(_) => 14,
            Self::Text(_) => 15,
        }
    }

    fn add_to(self, query: Query) -> Query {
        match self {
            Self::Model(model) => query.model_name(model),
            Self::Pk(pk) => query.object_pk(pk),
            Self::Action(action) => query.action(action),
            Self::Actor(id) => query.actor(id),
            Self::LevelAtLeast(level) => query.level_at_least(level),
            Self::LevelBelow(level) => query.level_below(level),
            Self::Outcome(outcome) => query.outcome(outcome),
            Self::Correlation(number) => query.correlation_id(format!("req-{number}")),
            Self::Transaction(id) => query.transaction(id),
            Self::Parent(pk) => query.parent(ObjectRef::new("Company", pk.to_string())),
            Self::Changed(path, _) => query.changed(path),
            Self::StatusFrom(status) => query.changed_from("status", status),
            Self::StatusTo(status) => query.changed_to("status", status),
            Self::Since(time) => query.since(time),
            Self::Until(time) => query.until(time),
            Self::Text(text) => query.text(text),
        }
    }

    fn text(self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\\\""));
        match self {
            Self::Model(model) => format!("model:{}", quoted(model)),
            Self::Pk(pk) => format!("object:{pk}"),
            Self::Action(action) => format!("action:{action}"),
            Self::Actor(id) => format!("actor:{id}"),
            Self::LevelAtLeast(level) => format!("level:>={level}").to_lowercase(),
            Self::LevelBelow(level) => format!("level:<{level}").to_lowercase(),
            Self::Outcome(outcome) => format!("outcome:{outcome}"),
            Self::Correlation(number) => format!("correlation:req-{number}"),
            Self::Transaction(id) => format!("transaction:{id}"),
            Self::Parent(pk) => format!("parent:Company/{pk}"),
            Self::Changed(path, _) => format!("changed:{path}"),
            Self::StatusFrom(status) => format!("changed_from:status={status}"),
            Self::StatusTo(status) => format!("changed_to:status={status}"),
            Self::Since(time) => format!("since:{}", time.to_rfc3339().replace("+00:00", "Z")),
            Self::Until(time) => format!("until:{}", time.to_rfc3339().replace("+00:00", "Z")),
            Self::Text(text) => format!("text:{}", quoted(text)),
        }
    }

    fn matches(self, entry: &LogEntry) -> bool {
        let status = |value: &str| {
            let change = entry.changes.iter().find(|change| change.path == "status");
            let is = |side: &Option<serde_json::Value>| *side == Some(json!(value));
            change.map_or((false, false), |change| (is(&change.old), is(&change.new)))
        };
        match self {
            Self::Model(model) => entry.model == model,
            Self::Pk(pk) => entry.object_pk == pk.to_string(),
            Self::Action(action) => entry.action.as_str() == action,
            Self::Actor(id) => entry.actor.as_ref().is_some_and(|actor| actor.id == id),
            Self::LevelAtLeast(level) => entry.level >= level,
            Self::LevelBelow(level) => entry.level < level,
            Self::Outcome(outcome) => entry.outcome == outcome,
            Self::Correlation(number) => entry.correlation_id == Some(format!("req-{number}")),
            Self::Transaction(id) => entry.transaction_id == Some(id),
            Self::Parent(pk) => {
                entry.parent == Some(ObjectRef::new("Company", pk.to_string()))
                    || (entry.model == "Company" && entry.object_pk == pk.to_string())
            }
            Self::Changed(_, inside) => inside.iter().any(|path| touches(entry, path)),
            Self::StatusFrom(value) => status(value).0,
            Self::StatusTo(value) => status(value).1,
            Self::Since(time) => entry.timestamp >= time,
            Self::Until(time) => entry.timestamp < time,
            Self::Text(text) => has_text(entry, &text.to_ascii_lowercase()),
        }
    }
}

fn has_text(entry: &LogEntry, text: &str) -> bool {
    let mut texts = vec![entry.object_repr.clone()];
    texts.extend(entry.reason.clone());
    let actor = entry.actor.iter();
    texts.extend(actor.flat_map(|actor| [actor.id.clone(), actor.name().to_owned()]));
    let values = entry
        .changes
        .iter()
        .flat_map(|change| [&change.old, &change.new]);
    texts.extend(values.flatten().map(|value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }));
    texts
        .iter()
        .any(|has| has.to_ascii_lowercase().contains(text))
}
