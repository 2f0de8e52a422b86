//! The trail of a made-up company, for the pictures of `docs/viewer.md`.

use std::collections::BTreeSet;
use std::path::Path;

use auditlog::Store;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::sample::Trail;

#[derive(Auditable, Clone)]
#[audit(repr = "{name}")]
struct Supplier {
    id: u64,
    name: String,
    city: String,
    #[audit(mask = "last4")]
    iban: String,
    payment_days: u32,
    status: String,
}

#[derive(Auditable, Clone)]
#[audit(repr = "{number}", parent(Supplier, key = "supplier"))]
struct Invoice {
    #[audit(id)]
    number: String,
    supplier: u64,
    amount: String,
    status: String,
    approved_by: Option<String>,
}

#[derive(Auditable, Clone)]
#[audit(repr = "{name}")]
struct Employee {
    id: u64,
    name: String,
    department: String,
    roles: BTreeSet<String>,
}

/// Writes the trail.
pub(crate) fn write(file: &Path) -> Result<(), Failed> {
    let store = SqliteStore::open(file)?;
    let mut company = Company {
        log: AuditLog::builder().store(MemoryStore::new()).build(),
        trail: Trail::from("2026-10-05T07:42:18.206Z".parse()?),
    };
    company.log.register::<Supplier>();
    company.log.register::<Invoice>();
    company.log.register::<Employee>();
    company.work()?;
    store.append(&company.trail.entries)?;
    store.close()?;
    Ok(())
}

/// Returns the supplier of the picture, and the time of its state.
pub(crate) fn object() -> Value {
    json!({"model": "Supplier", "key": "1042", "at": "2026-10-30"})
}

struct Company {
    log: AuditLog,
    trail: Trail,
}

impl Company {
    fn work(&mut self) -> Result<(), Failed> {
        let mut pumps = supplier(
            1042,
            "Hansen Pumpen GmbH",
            "Kiel",
            "DE21 5001 0517 5407 3249 31",
        );
        let mut steel = supplier(
            1043,
            "Odra Steel",
            "Wrocław",
            "PL61 1090 1014 0000 0712 1981 2874",
        );
        let mut clerk = Employee {
            id: 318,
            name: "Lena Vogt".to_owned(),
            department: "Purchasing".to_owned(),
            roles: ["clerk".to_owned()].into(),
        };
        self.create(&pumps, 0, "s.meyer")?;
        self.create(&steel, 38, "s.meyer")?;
        self.create(&clerk, 1_517, "hr-import")?;
        self.change(
            &mut pumps,
            8_743,
            "l.vogt",
            "framework contract 2026-17",
            |it| {
                it.payment_days = 45;
            },
        )?;
        self.change(
            &mut pumps,
            15_877,
            "s.meyer",
            "letter of 16 October",
            |it| {
                "Hamburg".clone_into(&mut it.city);
            },
        )?;
        let mut first = invoice("R-2026-0871", &pumps, "4,180.00 EUR");
        self.create(&first, 14_111, "invoice-scan")?;
        self.change(&mut first, 187, "l.vogt", "", |it| {
            "checked".clone_into(&mut it.status);
        })?;
        self.change(
            &mut clerk,
            1_290,
            "hr-import",
            "leads the team from 1 November",
            |it| {
                it.roles.insert("approver".to_owned());
            },
        )?;
        let reason = "new bank; confirmed by phone, ticket 5123";
        self.change(&mut pumps, 96, "s.meyer", reason, |it| {
            "DE75 2004 1133 0832 1005 17".clone_into(&mut it.iban);
        })?;
        self.change(&mut first, 54, "l.vogt", "", |it| {
            "approved".clone_into(&mut it.status);
            it.approved_by = Some("l.vogt".to_owned());
        })?;
        let export = self.log.event("export payments").outcome(Outcome::Denied);
        self.add(
            export.actor("t.krause").reason("not a member of Treasury"),
            1_203,
        )?;
        let mut second = invoice("R-2026-0902", &steel, "12,650.40 EUR");
        self.create(&second, 22, "invoice-scan")?;
        self.change(
            &mut steel,
            41,
            "l.vogt",
            "duplicate of 1017, ticket 5210",
            |it| {
                "blocked".clone_into(&mut it.status);
            },
        )?;
        self.change(&mut second, 3, "l.vogt", "supplier is blocked", |it| {
            "on hold".clone_into(&mut it.status);
        })?;
        self.change(&mut first, 97, "payments", "run of 4 November", |it| {
            "paid".clone_into(&mut it.status);
        })
    }

    fn create<T: Auditable + 'static>(
        &mut self,
        object: &T,
        minutes: i64,
        actor: &str,
    ) -> Result<(), Failed> {
        self.add(self.log.created(object).actor(actor), minutes)
    }

    fn change<T: Auditable + Clone + 'static>(
        &mut self,
        object: &mut T,
        minutes: i64,
        actor: &str,
        reason: &str,
        edit: impl FnOnce(&mut T),
    ) -> Result<(), Failed> {
        let before = object.clone();
        edit(object);
        let draft = self.log.updated(&before, object).actor(actor);
        let draft = match reason {
            "" => draft,
            reason => draft.reason(reason),
        };
        self.add(draft, minutes)
    }

    fn add(&mut self, draft: auditlog::Draft, minutes: i64) -> Result<(), Failed> {
        // Times of work have seconds.
        let seconds = i64::try_from(self.trail.entries.len())? * 37 % 60;
        self.trail.add_after(draft, minutes * 60 + seconds)
    }
}

fn supplier(id: u64, name: &str, city: &str, iban: &str) -> Supplier {
    Supplier {
        id,
        name: name.to_owned(),
        city: city.to_owned(),
        iban: iban.to_owned(),
        payment_days: 30,
        status: "active".to_owned(),
    }
}

fn invoice(number: &str, supplier: &Supplier, amount: &str) -> Invoice {
    Invoice {
        number: number.to_owned(),
        supplier: supplier.id,
        amount: amount.to_owned(),
        status: "received".to_owned(),
        approved_by: None,
    }
}
