//! What of a secret reaches the trail: masks, own masks, keyed hashes, skipped fields.
//!
//! `cargo run --example masking`

use auditlog::prelude::*;
use auditlog::{Redaction, Sensitive};

#[derive(Auditable, Clone)]
#[audit(repr = "{name} ({email})")]
struct Patient {
    id: u32,
    name: String,
    #[audit(mask = "email")]
    email: String,
    #[audit(mask = "last4")]
    phone: String,
    #[audit(mask)]
    diagnosis: String,
    /// Equal numbers have equal tokens, so that entries of one person can be found.
    #[audit(hash)]
    insurance_number: String,
    #[audit(mask_with = country_only)]
    iban: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "nothing logs in here")]
    password_hash: String,
    /// Protected by its type, wherever it stands.
    api_token: Sensitive<String>,
    contacts: Vec<Contact>,
}

#[derive(Auditable, Clone)]
struct Contact {
    name: String,
    #[audit(mask = "last4")]
    phone: String,
}

fn country_only(iban: &str) -> String {
    let country: String = iban.chars().take(2).collect();
    format!("{country}...")
}

fn main() -> auditlog::Result<()> {
    let audit = auditlog::testing::capture();
    auditlog::register::<Patient>();
    let secrets = [
        "ann.private@example.com",
        "+49 6131 5550100",
        "a diagnosis",
        "A123456789",
        "DE02120300000000202051",
        "$argon2id$secret",
        "token-1234",
        "+49 6131 5550199",
    ];
    let mut patient = Patient {
        id: 1,
        name: "Ann".into(),
        email: secrets[0].into(),
        phone: secrets[1].into(),
        diagnosis: secrets[2].into(),
        insurance_number: secrets[3].into(),
        iban: secrets[4].into(),
        password_hash: secrets[5].into(),
        api_token: Sensitive::new(secrets[6].into()),
        contacts: vec![Contact {
            name: "Bob".into(),
            phone: secrets[7].into(),
        }],
    };
    auditlog::created(&patient).record()?;
    auditlog::update(&mut patient, |patient| {
        patient.email = "other.private@example.com".into();
        patient.diagnosis = "another diagnosis".into();
        patient.insurance_number = "B987654321".into();
        patient.api_token = Sensitive::new("token-5678".into());
        patient.contacts[0].phone = "+49 6131 5550188".into();
    })
    .record()?;

    for entry in audit.entries() {
        println!("{entry}");
        for change in &entry.changes {
            println!("    {change}");
        }
        // No copy of the entry holds a secret: its fields, its text, its stored form.
        let everything = format!("{entry:?} {entry} {}", entry.to_canonical_json()?);
        for secret in secrets {
            assert!(!everything.contains(secret), "{secret} is in {everything}");
        }
    }
    let update = audit.last().expect("an entry");
    // That something changed is recorded even where both sides look alike.
    assert_eq!(
        update.changes["diagnosis"].redaction,
        Some(Redaction::Masked)
    );
    assert_eq!(
        update.changes["diagnosis"].old,
        update.changes["diagnosis"].new
    );
    assert_ne!(
        update.changes["insurance_number"].old,
        update.changes["insurance_number"].new
    );
    assert_eq!(update.object_repr, "Ann (o***@example.com)");
    // The lint finds what looks secret and is not protected; here nothing is left.
    assert_eq!(auditlog::lint::<Patient>(), []);
    Ok(())
}
