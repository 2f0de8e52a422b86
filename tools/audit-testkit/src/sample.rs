//! Entries to test with.

use audit_core::{
    Action, Actor, ActorKind, Change, Level, LogEntry, ObjectRef, Outcome, Path, Redaction, Source,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Makes `n` varied entries: the same ones for the same seed.
///
/// Their times grow by up to three seconds from one to the next and are equal now and then.
/// Their ids are UUIDs of version 7 in no order. Every field of an entry is present in some
/// and absent in others. Entries of different seeds have different ids.
///
/// # Example: the seed decides
/// ```
/// use audit_testkit::entries;
///
/// assert_eq!(entries(10, 1), entries(10, 1));
/// assert_ne!(entries(10, 1), entries(10, 2));
/// ```
pub fn entries(n: usize, seed: u64) -> Vec<LogEntry> {
    let mut random = Random(seed);
    let mut time = DateTime::UNIX_EPOCH + TimeDelta::days(20_454);
    (0..n)
        .map(|_| {
            if !random.one_in(4) {
                time += TimeDelta::microseconds(random.below(3_000_000).cast_signed());
            }
            entry(&mut random, time)
        })
        .collect()
}

fn entry(random: &mut Random, time: DateTime<Utc>) -> LogEntry {
    const MODELS: [&str; 4] = ["User", "Invoice", "crate::Übung", "o'Brien \"x\""];
    const ACTIONS: [&str; 6] = ["create", "update", "update", "delete", "access", "approved"];
    let action = Action::from(*random.pick(&ACTIONS));
    let model = *random.pick(&MODELS);
    let pk = random.below(20).to_string();
    let mut entry = LogEntry::new(action.clone(), model, pk.clone(), format!("{model} #{pk}"));
    entry.id = random.uuid(time);
    entry.timestamp = time;
    entry.level = *random.pick(&Level::ALL);
    entry.outcome = *random.pick(&[Outcome::Success, Outcome::Failure, Outcome::Denied]);
    entry.changes = changes(random, &action).into_iter().collect();
    entry.snapshot = random
        .one_in(3)
        .then(|| json!({"id": pk, "nested": {"z": [1, null, "ü"], "a": true}}));
    entry.actor = (!random.one_in(4)).then(|| actor(random));
    entry.parent = random
        .one_in(3)
        .then(|| ObjectRef::new("Company", random.below(3).to_string()));
    entry.correlation_id = random
        .one_in(2)
        .then(|| format!("req-{}", random.below(30)));
    entry.trace_id = random.one_in(5).then(|| format!("{:032x}", random.next()));
    entry.transaction_id = random
        .one_in(4)
        .then(|| Uuid::from_u64_pair(7, random.below(5)));
    entry.remote_addr = random.one_in(3).then(|| {
        if random.one_in(2) {
            [192, 0, 2, 7].into()
        } else {
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()
        }
    });
    entry.remote_port = random.one_in(5).then_some(4711);
    entry.counterpart = random
        .one_in(8)
        .then(|| ObjectRef::new("Account", "former"));
    entry.reason = random
        .one_in(4)
        .then(|| format!("ticket {}", random.below(100)));
    if random.one_in(3) {
        entry.additional_data = Map::from_iter([
            ("zeta".to_owned(), json!(1.5)),
            ("alpha".to_owned(), Value::Null),
        ]);
    }
    if random.one_in(6) {
        entry.schema_version = 3;
    }
    if random.one_in(2) {
        entry.source = Source::service("billing").version("1.2.3").host("node-1");
    }
    entry
}

fn actor(random: &mut Random) -> Actor {
    let id = *random.pick(&["alice", "bob", "Çağrı", "job"]);
    let kind = *random.pick(&[ActorKind::User, ActorKind::Service, ActorKind::System]);
    let mut actor = Actor::new(id, kind);
    if random.one_in(3) {
        actor = actor.display(format!("{id} (display)"));
    }
    if random.one_in(6) {
        actor = actor.on_behalf_of("carol");
    }
    actor
}

fn changes(random: &mut Random, action: &Action) -> Vec<Change> {
    const PATHS: [&str; 7] = [
        "email",
        "status",
        "address.city",
        "address.zip",
        "items[sku='A1'].qty",
        "roles['admin']",
        "labels['a.b']",
    ];
    let (old, new) = match action {
        Action::Create => (false, true),
        Action::Delete => (true, false),
        Action::Update => (true, true),
        _ => return Vec::new(),
    };
    let mut changes = Vec::new();
    for path in PATHS {
        // All of these are paths.
        let (true, Ok(path)) = (random.one_in(3), path.parse::<Path>()) else {
            continue;
        };
        let mut change = Change::new(path, old.then(|| value(random)), new.then(|| value(random)));
        change.redaction = random.one_in(8).then_some(Redaction::Masked);
        changes.push(change);
    }
    changes
}

fn value(random: &mut Random) -> Value {
    match random.below(7) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.next().cast_signed()),
        3 => json!(0.1 + f64::from(random.small(100))),
        4 => json!("9007199254740993"),
        5 => json!(random.pick(&["open", "closed"])),
        _ => json!(format!("text {}\n\"quoted\" \u{1F980}", random.below(50))),
    }
}

/// An entry without anything that is optional, a second after the one before.
pub(crate) fn plain(number: usize) -> LogEntry {
    let second = u32::try_from(number).unwrap_or(0);
    let mut entry = LogEntry::new("update", "Note", number.to_string(), "a note");
    entry.timestamp = time("2026-03-01T12:00:00Z") + TimeDelta::seconds(second.into());
    entry.id = Uuid::from_u64_pair(0x0195_0000_0000_7000, (0b10 << 62) | u64::from(second));
    entry
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    match text.parse() {
        Ok(time) => time,
        Err(error) => panic!("`{text}` is not a time: {error}"),
    }
}

pub(crate) fn change(path: &str, old: Option<Value>, new: Option<Value>) -> Change {
    match path.parse::<Path>() {
        Ok(path) => Change::new(path, old, new),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) const ODD_TEXTS: [&str; 14] = [
    "",
    " ",
    "'",
    "\"",
    "\\",
    "it's; DROP TABLE audit_entry; --",
    "%_*?",
    "line\nbreak\ttab\r",
    "\0",
    "before\0after",
    "\u{1}\u{1f}\u{7f}\u{80}",
    "\u{202e}txt.exe\u{feff}\u{2028}",
    "Zażółć gęślą 漢字 \u{1F9D1}\u{200D}\u{1F680}",
    "e\u{301}",
];

/// The generator `SplitMix64` (Steele, Lea and Flood, 2014): small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn small(&mut self, limit: u16) -> u16 {
        // Below the limit, so it fits.
        u16::try_from(self.below(limit.into())).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        let limit = u16::try_from(from.len()).unwrap_or(u16::MAX);
        &from[usize::from(self.small(limit))]
    }

    fn uuid(&mut self, time: DateTime<Utc>) -> Uuid {
        let millis = time.timestamp_millis().cast_unsigned() & ((1 << 48) - 1);
        let high = (millis << 16) | 0x7000 | (self.next() & 0xfff);
        let low = (0b10 << 62) | (self.next() >> 2);
        Uuid::from_u64_pair(high, low)
    }
}
