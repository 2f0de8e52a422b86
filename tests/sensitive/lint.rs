//! The lint that finds secrets recorded in clear.

use auditlog::prelude::*;
use auditlog::{Sensitive, lint};

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
