//! Attributes of a field that say how its value is recorded and what counts as a change of it.

use std::fmt;

use auditlog::{Auditable, Redaction, diff, snapshot};
use serde::Serialize;
use serde_json::json;

use crate::lines;

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

fn initial(text: &str) -> String {
    text.chars().take(1).collect()
}

fn same_letters(old: &str, new: &str) -> bool {
    old.eq_ignore_ascii_case(new)
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Foreign {
    x: u8,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.x)
    }
}

#[derive(Auditable, Clone)]
struct Item {
    sku: String,
    qty: u32,
}

#[derive(Auditable, Clone)]
struct Forms {
    #[audit(serde)]
    serde: Foreign,
    #[audit(display)]
    display: Foreign,
    #[audit(debug)]
    debug: Foreign,
    #[audit(with = digits)]
    with: String,
    #[audit(mask_with = initial)]
    masked: String,
    #[audit(hash)]
    hashed: String,
    #[audit(mask)]
    hidden: String,
    #[audit(key = "sku")]
    items: Vec<Item>,
    #[audit(set)]
    tags: Vec<String>,
    #[audit(whole)]
    whole: Item,
    #[audit(eq = same_letters)]
    code: String,
    #[audit(tolerance = 0.5)]
    weight: f32,
    #[audit(tolerance = 1)]
    height: Option<f64>,
    #[audit(skip_none, display)]
    maybe: Option<Foreign>,
    #[audit(reference)]
    owner: Employer,
}

#[derive(Auditable, Clone)]
struct Employer {
    id: u32,
    name: String,
}

fn forms() -> Forms {
    Forms {
        serde: Foreign { x: 1 },
        display: Foreign { x: 1 },
        debug: Foreign { x: 1 },
        with: "a1".into(),
        masked: "secret".into(),
        hashed: "secret".into(),
        hidden: "secret".into(),
        items: vec![
            Item {
                sku: "a".into(),
                qty: 1,
            },
            Item {
                sku: "b".into(),
                qty: 2,
            },
        ],
        tags: vec!["x".into(), "y".into()],
        whole: Item {
            sku: "w".into(),
            qty: 1,
        },
        code: "AbC".into(),
        weight: 1.0,
        height: Some(1.0),
        maybe: None,
        owner: Employer {
            id: 3,
            name: "old".into(),
        },
    }
}

#[test]
fn forms_say_how_a_value_is_recorded() {
    let value = snapshot(&forms());
    assert_eq!(value["serde"], json!({"x": 1}));
    assert_eq!(value["display"], "<1>");
    assert_eq!(value["debug"], "Foreign { x: 1 }");
    assert_eq!(value["with"], 1);
    assert_eq!(value["masked"], "s");
    assert_eq!(value["hidden"], "***");
    assert_eq!(value["owner"], "3");
    assert_eq!(value.get("maybe"), None);
    assert!(!value.to_string().contains("secret"));
}

#[test]
fn forms_say_what_a_change_is() {
    let mut new = forms();
    new.serde.x = 2;
    new.display.x = 2;
    new.debug.x = 2;
    new.with = "b2".into();
    new.masked = "shown".into();
    new.items = vec![
        Item {
            sku: "b".into(),
            qty: 3,
        },
        Item {
            sku: "a".into(),
            qty: 1,
        },
    ];
    new.tags = vec!["y".into(), "x".into(), "z".into()];
    new.whole.qty = 2;
    new.code = "aBc".into();
    new.weight = 1.4;
    new.height = Some(1.9);
    new.maybe = Some(Foreign { x: 7 });
    new.owner.name = "new".into();
    let changes = diff(&forms(), &new);
    let found = lines(&changes);
    for line in [
        r#"display: "<1>" -> "<2>""#,
        r#"masked: "s" -> "s""#,
        r"items[sku='b'].qty: 2 -> 3",
        r#"tags['z']: - -> "z""#,
        r#"whole: {"qty":1,"sku":"w"} -> {"qty":2,"sku":"w"}"#,
        r#"maybe: - -> "<7>""#,
    ] {
        assert!(
            found.iter().any(|found| found == line),
            "{line} is not in {found:#?}"
        );
    }
    for path in [
        "with", "code", "weight", "height", "owner", "hashed", "hidden",
    ] {
        assert!(!changes.contains(path), "{path} did not change: {found:#?}");
    }

    let mut new = forms();
    new.code = "x".into();
    new.weight = 2.0;
    new.height = None;
    new.owner.id = 4;
    new.hashed = "other".into();
    let changes = diff(&forms(), &new);
    assert_eq!(changes.len(), 5, "{changes}");
    assert_eq!(changes["hashed"].redaction, Some(Redaction::Hashed));
    assert_eq!(changes["owner"].new, Some(json!("4")));
}
