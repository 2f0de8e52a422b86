//! A seeded trail whose entries are made from their numbers, so that it takes no memory.

use auditlog::{
    Action, Actor, Batch, Change, Follow, LogEntry, Page, Path, PathSegment, Position, Query,
    Source, Store, StoreError, Stored,
};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use uuid::Uuid;

/// The days that the trail covers, whatever its count of entries.
pub(super) const DAYS: u32 = 31;
/// The share of entries about the object `busy`: one of this number.
const BUSY: u64 = 400;
/// The average count of entries of each other object.
const VERSIONS: u64 = 20;
const ACTORS: u64 = 500;
/// The count of entries of a request: they have its correlation id and transaction.
const OF_REQUEST: u64 = 3;
/// A prime that divides no count of objects in use, so that its multiples permute them.
const STRIDE: u64 = 2_147_483_647;
const MODELS: [&str; 4] = ["Account", "Customer", "Invoice", "Order"];
const KIND: &str = "generated";

/// A trail of a count of entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    pub(super) entries: u64,
}

/// Returns the beginning of the trail.
pub(super) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_454)
}

impl Trail {
    /// Returns the model and the identity of an object, by its number.
    pub(super) fn object(number: u64) -> (&'static str, String) {
        let models = MODELS.len() as u64;
        let model = usize::try_from(number % models).unwrap_or_default();
        (MODELS[model], number.to_string())
    }

    pub(super) fn objects(self) -> u64 {
        (self.entries / VERSIONS).max(1)
    }

    /// Makes the entry of a number from 0.
    pub(super) fn entry(self, number: u64) -> LogEntry {
        let mut random = Rng::with_seed(number);
        let (model, pk, version, seed) = if number.is_multiple_of(BUSY) {
            (MODELS[0], "busy".to_owned(), number / BUSY, u64::MAX)
        } else {
            // Each object has one entry in each round, in another order.
            let at = number - number / BUSY - 1;
            let (objects, version) = (self.objects(), at / self.objects());
            let object = (at % objects * (STRIDE % objects).max(1) + version * 7) % objects;
            let (model, pk) = Self::object(object);
            (model, pk, version, object)
        };
        let time = self.time(number, &mut random);
        let action = if version == 0 {
            Action::Create
        } else {
            Action::Update
        };
        let repr = format!("{model} {pk}");
        let mut entry = LogEntry::new(action, model, pk.as_str(), repr);
        entry.id = id(&mut random, time);
        entry.timestamp = time;
        entry.actor = Some(Actor::user(format!("actor-{}", random.u64(..ACTORS))));
        let request = number / OF_REQUEST;
        entry.correlation_id = Some(format!("req-{request}"));
        entry.transaction_id = Some(id(&mut Rng::with_seed(!request), self.time_of(number)));
        entry.source = Source::service("billing").version("1.2.3").host("node-1");
        if random.u32(..10) == 0 {
            entry.reason = Some(format!("ticket {}", random.u32(..100_000)));
        }
        entry.changes = changes(&pk, seed, version).into_iter().collect();
        entry
    }

    /// Returns the time of an entry without what differs between neighbours.
    fn time_of(self, number: u64) -> DateTime<Utc> {
        let micros = u64::from(DAYS) * 86_400_000_000 / self.entries.max(1);
        start() + TimeDelta::microseconds((micros * number).cast_signed())
    }

    fn time(self, number: u64, random: &mut Rng) -> DateTime<Utc> {
        let micros = (u64::from(DAYS) * 86_400_000_000 / self.entries.max(1)).max(1);
        self.time_of(number) + TimeDelta::microseconds(random.u64(..micros).cast_signed())
    }
}

/// The values of an object after a version.
fn values(seed: u64, version: u64) -> (String, i64, &'static str) {
    let mut random = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(version));
    let states = ["new", "open", "paid", "closed"];
    (
        format!("user-{:x}@example.com", random.u32(..)),
        random.i64(0..1_000_000),
        states[random.usize(..states.len())],
    )
}

fn changes(pk: &str, seed: u64, version: u64) -> Vec<Change> {
    let change = |field: &str, old: Option<Value>, new: Value| {
        let path = Path::from_segments(&[PathSegment::Name(field.to_owned())]);
        Change::new(path, old, Some(new))
    };
    let (email, balance, status) = values(seed, version);
    if version == 0 {
        return vec![
            change("id", None, json!(pk)),
            change("email", None, json!(email)),
            change("balance", None, json!(balance)),
            change("status", None, json!(status)),
            change("active", None, json!(true)),
            change(
                "bio",
                None,
                json!("A line about the holder of this account."),
            ),
        ];
    }
    let (old_email, old_balance, old_status) = values(seed, version - 1);
    let mut changes = vec![change("balance", Some(json!(old_balance)), json!(balance))];
    if version.is_multiple_of(2) {
        changes.push(change("email", Some(json!(old_email)), json!(email)));
    } else if old_status != status {
        changes.push(change("status", Some(json!(old_status)), json!(status)));
    }
    changes
}

/// Makes a UUID of version 7.
fn id(random: &mut Rng, time: DateTime<Utc>) -> Uuid {
    let millis = time.timestamp_millis().cast_unsigned();
    let rest: [u8; 10] = std::array::from_fn(|_| random.u8(..));
    uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}

impl Store for Trail {
    fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            operation: "append entries",
        })
    }

    fn find(&self, _: &Query) -> Result<Page, StoreError> {
        Err(StoreError::Unsupported {
            operation: "find entries",
        })
    }
}

impl Follow for Trail {
    fn position(&self) -> Result<Position, StoreError> {
        Position::new(KIND, self.entries)
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let first = number(at)?;
        let mut batch = Batch::new(Vec::new(), at.clone());
        for number in (first..self.entries).take(limit) {
            let entry = self.entry(number);
            batch.next = Position::new(KIND, number + 1)?;
            let bytes = entry.to_canonical_json()?;
            let stored = Stored::new(entry.id, bytes, batch.next.clone());
            batch.entries.push(stored);
        }
        Ok(batch)
    }
}

fn number(at: &Position) -> Result<u64, StoreError> {
    match at.state(KIND, KIND)? {
        None => Ok(0),
        Some(state) => state
            .parse()
            .map_err(|_| at.invalid(KIND, "it is not a number")),
    }
}

/// The first entries of a trail in memory, so that making them takes no measured time.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) entries: std::sync::Arc<Vec<Stored>>,
}

impl Prepared {
    pub(super) fn new(trail: Trail, count: usize) -> Result<Self, StoreError> {
        let batch = trail.committed_after(&Position::START, count)?;
        Ok(Self {
            entries: std::sync::Arc::new(batch.entries),
        })
    }
}

impl Store for Prepared {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        Trail { entries: 0 }.append(entries)
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        Trail { entries: 0 }.find(query)
    }
}

impl Follow for Prepared {
    fn position(&self) -> Result<Position, StoreError> {
        Position::new(KIND, self.entries.len())
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let first = usize::try_from(number(at)?).unwrap_or(usize::MAX);
        let rest = self.entries.get(first..).unwrap_or_default();
        let entries = rest[..limit.min(rest.len())].to_vec();
        let next = entries.last().map_or(at, Stored::position).clone();
        Ok(Batch::new(entries, next))
    }
}
