//! Keyed hashes: the tokens that replace hashed values.

use auditlog::prelude::*;

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
fn a_short_hash_key_is_refused() {
    for key in [Vec::new(), vec![7; 15]] {
        let builder = || {
            AuditLog::builder()
                .hash_key(1, [7; 32])
                .hash_key(2, key.clone())
        };
        let refused = builder().try_build().map(|_| ()).expect_err("a weak key");
        assert!(
            refused.to_string().contains("version 2") && refused.to_string().contains("16 bytes"),
            "{refused}"
        );
        assert!(builder().install().is_err());
        // Where the error is only logged, no token is made with the weak key.
        assert!(token(&builder().build(), &person("A-1"), "ssn").starts_with("h1:"));
        let alone = AuditLog::builder().hash_key(2, key.clone()).build();
        assert!(token(&alone, &person("A-1"), "ssn").starts_with("h0:"));
    }
    assert!(AuditLog::builder().hash_key(1, [7; 16]).try_build().is_ok());
}
