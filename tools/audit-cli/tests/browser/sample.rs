//! A trail with each kind of entry and value that a page shows.

use std::path::Path;

use auditlog::Store;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Failed;
use serde_json::{Value, json};

/// Text that would be markup, reorder text, or clear a screen.
const HOSTILE: &str = "\"><script>alert(1)</script>\u{202e}txt\u{1b}[2J\r\nfake line";

#[derive(Auditable, Clone)]
#[audit(model = "Customer", repr = "{name}")]
struct Customer {
    id: u64,
    name: String,
    email: String,
    city: String,
    #[audit(mask = "last4")]
    iban: String,
    tags: Vec<String>,
    note: Option<String>,
}

#[derive(Auditable, Clone)]
#[audit(
    model = "Invoice",
    repr = "{number}",
    parent(Customer, key = "customer")
)]
struct Invoice {
    #[audit(id)]
    number: String,
    customer: u64,
    total: i64,
    status: String,
    due: String,
}

const CUSTOMERS: [(&str, &str); 6] = [
    ("Adler & Sons", "Mainz"),
    ("Blue Harbour Ltd", "Hull"),
    ("Casa Verde", "Porto"),
    ("Delta Freight", "Rotterdam"),
    ("Edel Bakery", "Graz"),
    ("Fjord Foods", "Bergen"),
];

/// Writes the trail, whose newest entry is a change of the customer that [`object`] describes.
pub(crate) fn write(file: &Path) -> Result<(), Failed> {
    let store = SqliteStore::open(file)?;
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Customer>();
    log.register::<Invoice>();
    let mut trail = Trail::from("2026-03-02T08:15:00Z".parse()?);
    hostile(&log, &mut trail)?;
    for (index, (name, city)) in (1..).zip(CUSTOMERS) {
        let customer = Customer {
            id: index,
            name: name.to_owned(),
            email: format!("office@customer-{index}.example"),
            city: city.to_owned(),
            iban: format!("DE02 1203 0000 0000 2020 5{index}"),
            tags: vec!["new".to_owned()],
            note: None,
        };
        trail.add(log.created(&customer).actor("alice"), 47)?;
        for number in 1..=4 {
            let invoice = Invoice {
                number: format!("2026-{index}{number:02}"),
                customer: index,
                total: 12_500 * i64::try_from(index * number)?,
                status: "open".to_owned(),
                due: format!("2026-04-{:02}", index + number),
            };
            trail.add(log.created(&invoice).actor("billing"), 21)?;
            let mut paid = invoice.clone();
            "paid".clone_into(&mut paid.status);
            let draft = log.updated(&invoice, &paid).actor("bob");
            trail.add(draft.reason("bank statement of the day"), 190)?;
        }
        let mut moved = customer.clone();
        moved.note = Some("Calls before each delivery. ".repeat(60));
        moved.tags.push("priority".to_owned());
        moved.iban = format!("DE02 1203 0000 0000 2020 9{index}");
        trail.add(log.updated(&customer, &moved).actor("carol"), 35)?;
    }
    others(&log, &mut trail)?;
    store.append(&trail.entries)?;
    store.close()?;
    Ok(())
}

/// Adds an object with hostile texts.
fn hostile(log: &AuditLog, trail: &mut Trail) -> Result<(), Failed> {
    let hostile = Customer {
        id: 666,
        name: HOSTILE.to_owned(),
        email: HOSTILE.to_owned(),
        city: "x".repeat(400),
        iban: String::new(),
        tags: Vec::new(),
        note: Some(HOSTILE.to_owned()),
    };
    trail.add(log.created(&hostile).actor(HOSTILE).reason(HOSTILE), 5)?;
    let mut gone = hostile.clone();
    gone.note = None;
    trail.add(log.updated(&hostile, &gone).actor("alice"), 5)?;
    trail.add(log.deleted(&gone).actor("alice"), 1)?;
    Ok(())
}

/// Adds entries with failures and with all members, and the changes of the newest customer.
fn others(log: &AuditLog, trail: &mut Trail) -> Result<(), Failed> {
    let denied = log.event("login").outcome(Outcome::Denied).actor("mallory");
    trail.add(denied.reason("third wrong password"), 600)?;
    let failed = log.event("nightly export").outcome(Outcome::Failure);
    trail.add(failed.level(Level::Error).actor("scheduler"), 5)?;
    let first = Customer {
        id: 7,
        name: "Grün Logistik".to_owned(),
        email: "info@gruen.example".to_owned(),
        city: "Bonn".to_owned(),
        iban: "DE02 1203 0000 0000 2020 77".to_owned(),
        tags: vec!["new".to_owned()],
        note: None,
    };
    trail.add(log.created(&first).actor("alice"), 1_440)?;
    let mut second = first.clone();
    "office@gruen.example".clone_into(&mut second.email);
    trail.add(log.updated(&first, &second).actor("carol"), 2_880)?;
    let mut third = second.clone();
    "Hamburg".clone_into(&mut third.city);
    third.tags.push("priority".to_owned());
    let moved = log.updated(&second, &third).actor("alice");
    let moved = moved.reason("ticket 4711: moved to the new warehouse");
    trail.add(moved.correlation_id("req-7f3a"), 60)?;
    if let Some(entry) = trail.entries.last_mut() {
        entry.transaction_id = Some(entry.id);
        entry.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        entry.remote_addr = Some("192.0.2.7".parse()?);
        entry.additional_data.insert(
            "ticket".to_owned(),
            json!({"number": 4711, "queue": "sales"}),
        );
    }
    Ok(())
}

/// Returns the customer of the last entries, as the checks look for it.
pub(crate) fn object() -> Value {
    json!({
        "model": "Customer",
        "key": "7",
        "changed": "Hamburg",
        "reason": "ticket 4711",
        "before": "Bonn",
        "at": "2026-03-08",
    })
}

/// Entries in the order of their times.
pub(crate) struct Trail {
    time: DateTime<Utc>,
    pub(crate) entries: Vec<LogEntry>,
}

impl Trail {
    /// Begins at a time.
    pub(crate) fn from(time: DateTime<Utc>) -> Self {
        Self {
            time,
            entries: Vec::new(),
        }
    }

    /// Adds the entry of a draft, some minutes after the one before.
    fn add(&mut self, draft: auditlog::Draft, minutes: i64) -> Result<(), Failed> {
        self.add_after(draft, minutes * 60)
    }

    /// Adds the entry of a draft, some seconds after the one before.
    pub(crate) fn add_after(&mut self, draft: auditlog::Draft, seconds: i64) -> Result<(), Failed> {
        self.time += TimeDelta::seconds(seconds);
        let entry = draft.at(self.time).into_entry()?;
        self.entries.push(entry.ok_or("the draft has no changes")?);
        Ok(())
    }
}
