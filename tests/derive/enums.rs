//! Enums: unit variants, data variants, and the representations of serde.

use auditlog::{Auditable, diff, snapshot};
use serde::Serialize;
use serde_json::json;

use crate::lines;

#[derive(Auditable, Clone)]
enum Status {
    Open,
    #[audit(rename = "shut")]
    Closed,
}

#[derive(Auditable, Clone, Serialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Payment {
    None,
    BankTransfer {
        bank_name: String,
        amount: u32,
    },
    Cash(u32),
    Split(u32, Option<u8>),
    #[audit(label = "Gift card")]
    Card(#[audit(mask = "last4")] String),
}

#[test]
fn unit_variants_are_texts() {
    assert_eq!(snapshot(&Status::Open), "Open");
    assert_eq!(
        lines(&diff(&Status::Open, &Status::Closed)),
        [r#"$: "Open" -> "shut""#]
    );
    assert!(diff(&Status::Closed, &Status::Closed).is_empty());
}

#[test]
fn data_variants_are_compared_inside() {
    let bank = |name: &str, amount| Payment::BankTransfer {
        bank_name: name.into(),
        amount,
    };
    assert_eq!(snapshot(&Payment::None), json!("none"));
    for value in [bank("A", 1), Payment::Cash(3), Payment::Split(1, None)] {
        assert_eq!(
            snapshot(&value),
            serde_json::to_value(&value).expect("it serializes")
        );
    }
    assert_eq!(
        snapshot(&Payment::Card("12345678".into())),
        json!({"card": "****5678"})
    );
    assert_eq!(
        lines(&diff(&bank("A", 1), &bank("B", 1))),
        [r#"bank_transfer.bankName: "A" -> "B""#]
    );
    assert_eq!(
        lines(&diff(&Payment::Cash(1), &Payment::Cash(2))),
        ["cash: 1 -> 2"]
    );
    assert_eq!(
        lines(&diff(&Payment::Split(1, None), &Payment::Split(1, Some(2)))),
        ["split[1]: null -> 2"]
    );
    assert_eq!(
        lines(&diff(&Payment::None, &Payment::Cash(2))),
        [r#"$: "none" -> {"cash":2}"#]
    );
    assert!(diff(&Payment::None, &Payment::None).is_empty());
}

#[derive(Auditable, Clone, Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    A { x: u8 },
    B,
    C(Inner),
}

#[derive(Auditable, Clone, Serialize)]
#[serde(untagged)]
enum Untagged {
    A { x: u8 },
    B,
    C(u8),
    D(u8, u8),
}

#[derive(Auditable, Clone, Serialize)]
struct Inner {
    y: u8,
}

#[test]
fn tagged_enums_have_the_form_of_serde() {
    for value in [Tagged::A { x: 1 }, Tagged::B, Tagged::C(Inner { y: 1 })] {
        assert_eq!(
            snapshot(&value),
            serde_json::to_value(&value).expect("it serializes")
        );
    }
    for value in [
        Untagged::A { x: 1 },
        Untagged::B,
        Untagged::C(1),
        Untagged::D(1, 2),
    ] {
        assert_eq!(
            snapshot(&value),
            serde_json::to_value(&value).expect("it serializes")
        );
    }
    assert_eq!(
        lines(&diff(&Tagged::A { x: 1 }, &Tagged::A { x: 2 })),
        ["x: 1 -> 2"]
    );
    assert_eq!(
        lines(&diff(
            &Tagged::C(Inner { y: 1 }),
            &Tagged::C(Inner { y: 2 })
        )),
        ["y: 1 -> 2"]
    );
    assert_eq!(
        lines(&diff(&Untagged::C(1), &Untagged::C(2))),
        ["$: 1 -> 2"]
    );
    assert_eq!(
        lines(&diff(&Untagged::D(1, 1), &Untagged::D(1, 2))),
        ["[1]: 1 -> 2"]
    );
}
