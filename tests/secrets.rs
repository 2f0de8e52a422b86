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
fn what_a_type_in_another_form_would_hide_is_found() {
    use serde::Serialize;

    #[derive(Auditable, Clone, Serialize)]
    struct Card {
        #[audit(mask = "last4")]
        digits: String,
    }

    #[derive(Auditable, Clone, Serialize)]
    #[audit(serde)]
    enum Payment {
        Cash,
        ByCard { card: Option<Card> },
    }

    #[derive(Auditable, Clone)]
    #[audit(display)]
    struct Shown(Card);

    impl std::fmt::Display for Shown {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0.digits)
        }
    }

    #[derive(Auditable, Clone, Serialize)]
    #[audit(serde)]
    struct Harmless<T> {
        amount: u32,
        #[serde(skip)]
        card: Option<Card>,
        other: T,
    }

    #[derive(Auditable, Clone)]
    struct Order {
        id: u32,
        payments: Vec<Payment>,
        shown: Shown,
        harmless: Harmless<u32>,
        #[audit(not_secret)]
        accepted: Shown,
    }

    let findings = lint::<Order>();
    let found: Vec<_> = findings
        .iter()
        .map(|finding| (finding.path.as_str(), finding.word, finding.reason))
        .collect();
    let by_type = auditlog::LintReason::HiddenByItsType;
    assert_eq!(
        found,
        [
            ("payments", "digits", by_type),
            ("shown", "digits", by_type)
        ]
    );
    let order = Order {
        id: 1,
        payments: vec![Payment::Cash, Payment::ByCard { card: None }],
        shown: Shown(Card { digits: "4".into() }),
        harmless: Harmless {
            amount: 1,
            card: None,
            other: 2,
        },
        accepted: Shown(Card { digits: "5".into() }),
    };
    assert!(order.harmless.card.is_none());
    let state = auditlog::snapshot(&order);
    assert_eq!(
        state["payments"],
        serde_json::json!(["Cash", { "ByCard": { "card": null } }])
    );
    assert_eq!(
        state["harmless"],
        serde_json::json!({ "amount": 1, "other": 2 })
    );
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

#[test]
fn the_email_mask_shows_only_addresses() {
    use auditlog::Mask;
    for text in [
        "P@ssw0rd!",
        "P@ssw0rd",
        "hunter2 @ home: the rest of a secret",
        "a b@c d",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "pass word@example.com",
        "ann@example..com",
        "ann@.com",
        "@example.com",
        "ann@",
        "ann@exa\nmple.com",
        "",
    ] {
        assert_eq!(Mask::Email.apply(text), "***", "{text}");
    }
    for (text, masked) in [
        ("ann@example.com", "a***@example.com"),
        ("ann+x@mail.ex-ample.co", "a***@mail.ex-ample.co"),
        ("a@example.com", "***@example.com"),
    ] {
        assert_eq!(Mask::Email.apply(text), masked);
    }
}

#[test]
fn a_key_that_hides_something_inside_is_refused() {
    #[derive(Auditable)]
    struct Key {
        tenant: u32,
        #[audit(mask)]
        number: String,
    }
    #[derive(Auditable)]
    enum Either {
        Number(u32),
        Hidden(#[audit(hash)] String),
    }
    #[derive(Auditable)]
    struct Account {
        id: Key,
    }
    #[derive(Auditable)]
    struct Composite {
        #[audit(id)]
        tenant: u32,
        #[audit(id)]
        key: (u32, Option<Either>),
    }
    #[derive(Auditable)]
    struct Wrapped {
        id: Option<Sensitive<String>>,
    }
    #[derive(Auditable)]
    struct Team {
        id: u32,
    }
    #[derive(Auditable)]
    #[audit(parent(Team, key = "team"))]
    struct Member {
        id: u32,
        team: Sensitive<String>,
    }
    #[derive(Auditable)]
    #[audit(parent(Team, key = "team"))]
    struct Renamed {
        id: u32,
        #[audit(rename = "team_key")]
        team: Key,
    }
    let log = AuditLog::builder().build();
    let refusals = [
        (log.try_register::<Account>(), "`Account.id`"),
        (log.try_register::<Composite>(), "`Composite.key`"),
        (log.try_register::<Wrapped>(), "`Wrapped.id`"),
        (log.try_register::<Member>(), "`Member.team`"),
        (log.try_register::<Renamed>(), "`Renamed.team_key`"),
    ];
    for (refused, field) in refusals {
        let error = refused.expect_err(field).to_string();
        assert!(error.contains(field), "{error}");
    }
    assert!(log.try_register::<Team>().is_ok());
    let constructed = (Either::Number(1), Either::Hidden(String::new()));
    drop(constructed);
}

#[test]
fn a_map_with_hidden_keys_is_recorded() {
    use std::collections::{BTreeMap, HashMap};

    #[derive(Auditable, Clone)]
    struct Sessions {
        id: u32,
        by_token: BTreeMap<Sensitive<String>, u32>,
        unordered: HashMap<Sensitive<String>, u32>,
    }
    let sessions = |tokens: &[(&str, u32)]| {
        let entries = tokens
            .iter()
            .map(|(token, seen)| (Sensitive::new((*token).to_owned()), *seen));
        Sessions {
            id: 1,
            by_token: entries.clone().collect(),
            unordered: entries.collect(),
        }
    };
    let versions = [
        sessions(&[]),
        sessions(&[("hunter2", 1)]),
        sessions(&[("hunter3", 1)]),
        sessions(&[("hunter3", 1), ("hunter4", 2), ("hunter5", 1)]),
        sessions(&[("hunter5", 1), ("hunter4", 2), ("hunter3", 3)]),
        sessions(&[("hunter4", 2)]),
    ];
    let log = AuditLog::builder().build();
    log.register::<Sessions>();
    for old in &versions {
        for new in &versions {
            let changes = auditlog::diff(old, new);
            let mut state = auditlog::snapshot(old);
            changes.apply(&mut state).expect("the changes fit");
            assert_eq!(state, auditlog::snapshot(new), "{changes}");
            log.updated(old, new).record().expect("a receipt");
        }
    }
    for entry in log.query().all().expect("entries") {
        let line = entry.to_canonical_json().expect("a form");
        assert!(!line.contains("hunter"), "{line}");
    }
    let replaced = log.updated(&versions[1], &versions[2]);
    assert!(replaced.entry().is_some(), "another key is a change");
}

#[test]
fn the_lint_finds_what_is_recorded_past_its_type() {
    #[derive(Auditable, Clone, Debug, Serialize)]
    struct Login {
        #[audit(mask)]
        access: String,
    }
    #[derive(Auditable, Clone, Debug, Serialize)]
    struct Place {
        city: String,
    }
    impl std::fmt::Display for Login {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.access)
        }
    }
    #[derive(Auditable)]
    struct Site {
        id: u32,
        #[audit(serde)]
        login: Login,
        #[audit(debug)]
        former: Vec<Option<Login>>,
        #[audit(display)]
        shown: Login,
        #[audit(serde, mask)]
        masked: Login,
        #[audit(serde)]
        place: Place,
        #[audit(serde)]
        version: std::num::NonZeroU8,
        #[audit(serde, not_secret)]
        accepted: Login,
        by_type: Login,
    }
    let findings = lint::<Site>();
    let found: Vec<_> = findings
        .iter()
        .map(|finding| (finding.path.as_str(), finding.word))
        .collect();
    assert_eq!(
        found,
        [
            ("login", "access"),
            ("former", "access"),
            ("shown", "access")
        ]
    );
    let text = findings[0].to_string();
    assert!(
        text.contains("`Site.login`") && text.contains("`access`"),
        "{text}"
    );
}

#[test]
fn findings_can_be_accepted() {
    #[derive(Auditable)]
    enum Credential {
        Password(String),
        #[audit(not_secret)]
        Token {
            name: String,
        },
        #[audit(not_secret)]
        ApiKey(u32),
    }
    #[derive(Auditable)]
    struct Account {
        id: u32,
        #[audit(not_secret)]
        ticket: u32,
        #[audit(not_secret)]
        credential: Credential,
        pin: String,
    }
    let paths: Vec<_> = lint::<Account>()
        .into_iter()
        .map(|finding| finding.path)
        .collect();
    assert_eq!(paths, ["credential.Password", "pin"]);
    let all = [
        Credential::Password(String::new()),
        Credential::Token {
            name: String::new(),
        },
        Credential::ApiKey(1),
    ];
    drop(all);

    let audit = auditlog::testing::capture();
    auditlog::register_with::<Account>(|o| o.mask("pin").exclude("credential")).expect("options");
    assert_eq!(auditlog::lint_registered(), []);
    drop(audit);
}
