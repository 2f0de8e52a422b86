//! An entity: its model, key, text, parent and schema.

use auditlog::{Auditable, Level, Mask, Redaction, Sensitivity, diff, snapshot};
use serde_json::json;

use crate::lines;

#[derive(Auditable, Clone)]
struct Address {
    street: String,
    city: String,
}

#[derive(Auditable, Clone)]
#[audit(model = "user", repr = "{username} <{email}> {{{phone}}}", version = 3)]
#[audit(
    levels(create = "warning", access = "INFO"),
    actions(create, delete),
    require_reason
)]
struct User {
    id: u64,
    username: String,
    #[audit(
        label = "E-mail",
        alias = "mail",
        alias = "address_line",
        level = "Fatal"
    )]
    email: String,
    #[audit(mask = "last4")]
    phone: String,
    #[audit(skip)]
    _password: Opaque,
    #[audit(ignore)]
    seen: u32,
    address: Address,
}

/// A type that nothing can be done with.
#[derive(Clone, Default)]
struct Opaque;

fn user() -> User {
    User {
        id: 42,
        username: "ann".into(),
        email: "ann@example.com".into(),
        phone: "+15551234567".into(),
        _password: Opaque,
        seen: 1,
        address: Address {
            street: "Main St 1".into(),
            city: "Bonn".into(),
        },
    }
}

#[test]
fn an_entity_has_a_model_a_key_and_a_text() {
    assert_eq!(User::MODEL, "user");
    assert_eq!(user().object_pk(), "42");
    assert_eq!(user().object_repr(), "ann <ann@example.com> {****4567}");
    assert_eq!(user().parent(), None);
}

#[test]
fn fields_are_compared_inside_and_recorded_by_path() {
    let mut new = user();
    new.email = "ann@new.example".into();
    new.address.city = "Mainz".into();
    new.phone = "+15557654321".into();
    let changes = diff(&user(), &new);
    assert_eq!(
        lines(&changes),
        [
            r#"email: "ann@example.com" -> "ann@new.example""#,
            r#"phone: "****4567" -> "****4321""#,
            r#"address.city: "Bonn" -> "Mainz""#,
        ]
    );
    assert_eq!(changes["phone"].redaction, Some(Redaction::Masked));
    assert!(diff(&user(), &user()).is_empty());
}

#[test]
fn a_snapshot_has_every_field_but_the_skipped() {
    assert_eq!(
        snapshot(&user()),
        json!({
            "id": 42, "username": "ann", "email": "ann@example.com", "phone": "****4567",
            "seen": 1, "address": {"street": "Main St 1", "city": "Bonn"},
        })
    );
}

#[test]
fn the_schema_tells_what_the_attributes_say() {
    let schema = User::schema();
    assert_eq!(
        (schema.name(), schema.type_name(), schema.version()),
        ("user", "User", 3)
    );
    assert_eq!(schema.levels().create, Level::Warning);
    assert_eq!(schema.levels().access, Level::Info);
    assert_eq!(schema.levels().delete, Level::Warning);
    assert!(schema.actions().create && schema.actions().delete && !schema.actions().update);
    assert!(schema.requires_reason());
    let field = |name| schema.field(name).expect("the field is there");
    assert!(field("id").is_identity());
    assert!(!field("username").is_identity());
    assert_eq!(field("email").label(), "E-mail");
    assert_eq!(field("email").aliases(), ["mail", "address_line"]);
    assert_eq!(field("email").level(), Some(Level::Critical));
    assert_eq!(
        field("phone").sensitivity(),
        Sensitivity::Masked(Mask::Last4)
    );
    assert_eq!(field("_password").sensitivity(), Sensitivity::Skipped);
    assert!(field("seen").is_ignored());
    let nested: Vec<_> = field("address")
        .fields()
        .iter()
        .map(auditlog::FieldSchema::name)
        .collect();
    assert_eq!(nested, ["street", "city"]);
}

#[derive(Auditable)]
struct Line {
    #[audit(id)]
    order: u32,
    #[audit(id)]
    sku: String,
    id: u8,
}

#[derive(Auditable)]
#[audit(id(b, a))]
struct Pair {
    a: u8,
    b: String,
}

#[derive(Auditable)]
#[audit(id = "0")]
struct Numbered(u64, String);

#[test]
fn an_identity_may_have_several_parts() {
    let line = Line {
        order: 7,
        sku: "a|b".into(),
        id: 1,
    };
    assert_eq!(line.object_pk(), r"7|a\|b");
    assert_eq!(line.object_repr(), r"Line 7|a\|b");
    assert!(!Line::schema().field("id").expect("a field").is_identity());
    assert_eq!(line.id, 1);
    assert_eq!(
        Pair {
            a: 1,
            b: "x".into()
        }
        .object_pk(),
        "x|1"
    );
    assert_eq!(Numbered(5, "x".into()).object_repr(), "Numbered 5");
}

#[derive(Auditable)]
struct Company {
    id: u32,
}

#[derive(Auditable)]
#[audit(parent(Company, key = "company_id"))]
struct Employee {
    id: u32,
    company_id: Option<u32>,
}

#[test]
fn a_parent_is_named_by_its_model_and_key() {
    let employee = Employee {
        id: 1,
        company_id: Some(9),
    };
    let parent = employee.parent().expect("it has a key");
    assert_eq!(
        (parent.model.as_str(), parent.object_pk.as_str()),
        (Company::MODEL, "9")
    );
    assert_eq!(
        Employee {
            id: 1,
            company_id: None
        }
        .parent(),
        None
    );
    assert_eq!(Employee::schema().parent(), Some("Company"));
    assert_eq!(Company { id: 9 }.object_pk(), "9");
}
