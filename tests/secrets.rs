//! Keyed hashes, and the lint for secrets in clear.

use auditlog::prelude::*;
use auditlog::{Sensitive, lint};

#[derive(Auditable, Clone)]
struct Person {
    id: u32,
    #[audit(hash)]
    ssn: String,
    #[audit(hash)]
    tax_number: String,
}

fn person(ssn: &str) -> Person {
    Person {
        id: 1,
        ssn: ssn.into(),
        tax_number: ssn.into(),
    }
}

fn token(log: &AuditLog, person: &Person, field: &str) -> String {
    log.register::<Person>();
    let draft = log.created(person);
    let entry = draft.entry().expect("an entry");
    entry.changes[field]
        .new
        .as_ref()
        .expect("a token")
        .as_str()
        .expect("a text")
        .to_owned()
}

fn keyed(keys: &[(u32, u8)]) -> AuditLog {
    let builder = AuditLog::builder();
    keys.iter()
        .fold(builder, |builder, (version, byte)| {
            builder.hash_key(*version, vec![*byte; 32])
        })
        .build()
}

#[test]
fn equal_values_of_a_field_have_equal_tokens_under_one_key() {
    let (ann, bob) = (person("A-1"), person("B-2"));
    let log = keyed(&[(1, 7)]);
    let of_ann = token(&log, &ann, "ssn");
    assert!(
        of_ann.starts_with("h1:") && of_ann.len() == 3 + 32,
        "{of_ann}"
    );
    assert_eq!(
        of_ann,
        token(&keyed(&[(1, 7)]), &ann, "ssn"),
        "another log, the same key"
    );
    assert_ne!(of_ann, token(&log, &bob, "ssn"));
    assert_ne!(of_ann, token(&log, &ann, "tax_number"), "another field");
    assert_ne!(of_ann, token(&keyed(&[(1, 8)]), &ann, "ssn"), "another key");
}

#[test]
fn the_highest_version_makes_the_tokens() {
    let ann = person("A-1");
    let rotated = token(&keyed(&[(1, 7), (2, 8)]), &ann, "ssn");
    assert!(rotated.starts_with("h2:"), "{rotated}");
    assert_eq!(rotated, token(&keyed(&[(2, 8), (1, 7)]), &ann, "ssn"));
    let made_up = token(&AuditLog::builder().build(), &ann, "ssn");
    assert!(
        made_up.starts_with("h0:"),
        "a key of this process says so: {made_up}"
    );
}

#[test]
fn the_token_is_the_documented_one() {
    // HMAC-SHA256 of the field's name, a zero byte and the canonical JSON.
    let mut mac = hmac_sha256::HMAC::new([7u8; 32]);
    mac.update(b"Person.ssn\0\"A-1\"");
    let expected: Vec<String> = mac.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let found = token(&keyed(&[(1, 7)]), &person("A-1"), "ssn");
    assert_eq!(found, format!("h1:{}", expected.concat()));
}

#[test]
fn the_lint_names_what_looks_secret_and_is_in_clear() {
    #[derive(Auditable)]
    struct Account {
        id: u32,
        user_password: String,
        #[audit(mask)]
        pin: String,
        #[audit(skip)]
        #[expect(dead_code, reason = "only its name matters")]
        salt: String,
        token: Sensitive<String>,
        keyboard: String,
        billing: Billing,
        others: Vec<Billing>,
    }
    #[derive(Auditable)]
    struct Billing {
        iban: String,
        city: String,
    }
    let findings = lint::<Account>();
    let paths: Vec<_> = findings
        .iter()
        .map(|finding| finding.path.as_str())
        .collect();
    assert_eq!(paths, ["user_password", "billing.iban", "others.iban"]);
    let text = findings[0].to_string();
    assert!(
        text.contains("`Account.user_password`") && text.contains("#[audit(mask)]"),
        "{text}"
    );
}
