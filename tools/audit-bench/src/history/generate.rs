//! A seeded trail, of a million entries by default.

use std::collections::HashMap;

use auditlog::{Action, Actor, Change, LogEntry, Path, PathSegment, Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use uuid::Uuid;

/// The number of entries by default.
pub(crate) const ENTRIES: usize = 1_000_000;
/// The object that changes most: one entry in 400 is about it.
pub(crate) const BUSY: &str = "busy";
/// How many entries a batch has.
const BATCH: usize = 2_000;
/// How many other accounts there are, and how many actors.
const ACCOUNTS: u64 = 100_000;
const ACTORS: u64 = 500;

/// Appends the trail: accounts that are created and then updated, two fields at a time, by
/// 500 actors over 300 days, and a rare field that one update in 2,000 changes.
pub(super) fn fill(store: &dyn Store, entries: usize) -> Result<(), StoreError> {
    let mut trail = trail_of(entries);
    let mut left = entries;
    while left > 0 {
        let size = left.min(BATCH);
        let batch: Vec<LogEntry> = trail.by_ref().take(size).collect();
        store.append(&batch)?;
        left -= size;
    }
    Ok(())
}

/// Makes the entries of a trail, of which [`ENTRIES`] are of 300 days, without end.
pub(crate) fn trail() -> impl Iterator<Item = LogEntry> {
    trail_of(ENTRIES)
}

/// Makes the entries of a trail without end. The given number of them is of 300 days.
fn trail_of(entries: usize) -> impl Iterator<Item = LogEntry> {
    let mut trail = Trail::of(entries);
    std::iter::from_fn(move || Some(trail.next()))
}

/// When the trail begins.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

struct Account {
    email: String,
    balance: i64,
    phone: String,
}

struct Trail {
    random: Rng,
    time: DateTime<Utc>,
    /// The longest time between two entries, in microseconds.
    step: i64,
    accounts: HashMap<String, Account>,
}

impl Trail {
    fn of(entries: usize) -> Self {
        // Half of it on average.
        let step = 2 * TimeDelta::days(300).num_microseconds().unwrap_or_default();
        Self {
            random: Rng::with_seed(4711),
            time: start(),
            step: step / i64::try_from(entries.max(1)).unwrap_or(i64::MAX),
            accounts: HashMap::new(),
        }
    }

    fn next(&mut self) -> LogEntry {
        let random = &mut self.random;
        self.time += TimeDelta::microseconds(random.i64(0..self.step.max(1)));
        let pk = if random.u32(..400) == 0 {
            BUSY.to_owned()
        } else {
            random.u64(..ACCOUNTS).to_string()
        };
        let number = random.i64(0..1_000_000_000);
        let mut changes: Vec<(&str, Value, Value)> = Vec::new();
        let action = if let Some(account) = self.accounts.get_mut(&pk) {
            let balance = account.balance + 1 + number % 1_000;
            changes.push(("balance", account.balance.into(), balance.into()));
            account.balance = balance;
            if random.u32(..2_000) == 0 {
                let phone = format!("+49 {number}");
                changes.push(("phone", account.phone.as_str().into(), json!(phone)));
                account.phone = phone;
            } else {
                let email = format!("user-{number}@example.com");
                changes.push(("email", account.email.as_str().into(), json!(email)));
                account.email = email;
            }
            Action::Update
        } else {
            let account = Account {
                email: format!("user-{number}@example.com"),
                balance: number % 10_000,
                phone: format!("+49 {number}"),
            };
            for (field, value) in [
                ("id", json!(pk)),
                ("username", json!(format!("user {pk}"))),
                ("email", json!(account.email)),
                ("phone", json!(account.phone)),
                ("balance", json!(account.balance)),
                ("active", json!(true)),
                ("status", json!("new")),
                ("bio", json!("A line about the holder of this account.")),
            ] {
                changes.push((field, Value::Null, value));
            }
            self.accounts.insert(pk.clone(), account);
            Action::Create
        };
        let created = action == Action::Create;
        let mut entry = LogEntry::new(action, "Account", pk.as_str(), format!("user {pk}"));
        entry.id = id(random, self.time);
        entry.timestamp = self.time;
        entry.actor = Some(Actor::user(format!("actor-{}", random.u64(..ACTORS))));
        entry.correlation_id = Some(format!("req-{}", random.u32(..400_000)));
        entry.changes = changes
            .into_iter()
            .map(|(field, old, new)| {
                let path = Path::from_segments(&[PathSegment::Name(field.to_owned())]);
                Change::new(path, (!created).then_some(old), Some(new))
            })
            .collect();
        entry
    }
}

/// A UUID of version 7.
fn id(random: &mut Rng, time: DateTime<Utc>) -> Uuid {
    let millis = time.timestamp_millis().cast_unsigned();
    let rest: [u8; 10] = std::array::from_fn(|_| random.u8(..));
    uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}
