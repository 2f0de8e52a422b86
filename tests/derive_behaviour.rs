//! What each attribute of the derive does, seen through `diff`, `snapshot` and `schema`.

use std::collections::BTreeMap;
use std::fmt;

use auditlog::{Auditable, Changes, Level, Mask, Redaction, Sensitivity, diff, snapshot};
use serde::Serialize;
use serde_json::{Value, json};

/// The changes as `path: old -> new`, one a line.
fn lines(changes: &Changes) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    changes
        .iter()
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.path,
                text(&change.old),
                text(&change.new)
            )
        })
        .collect()
}

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

#[derive(Auditable, Serialize)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    first_name: String,
    #[serde(rename = "surname")]
    last_name: String,
    #[serde(rename(serialize = "born", deserialize = "birth"), alias = "birthday")]
    birth_year: u16,
    #[audit(rename = "kind")]
    r#type: String,
    #[serde(skip)]
    cache: u8,
    #[serde(skip_serializing)]
    #[audit(skip = false)]
    kept: u8,
    #[serde(flatten)]
    extra: Extra,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default, with = "unknown::here")]
    #[cfg(any())]
    absent: (),
    #[serde(skip_serializing_if = "String::is_empty", default)]
    note: String,
}

#[derive(Auditable, Serialize)]
struct Extra {
    colour: String,
}

fn renamed() -> Renamed {
    Renamed {
        first_name: "Ann".into(),
        last_name: "Lee".into(),
        birth_year: 1990,
        r#type: "vip".into(),
        cache: 1,
        kept: 2,
        extra: Extra {
            colour: "red".into(),
        },
        nick: None,
        note: String::new(),
    }
}

#[test]
fn serde_gives_names_and_shape() {
    let value = renamed();
    assert_eq!(value.cache, 1);
    assert_eq!(
        snapshot(&value),
        json!({
            "firstName": "Ann", "surname": "Lee", "born": 1990, "kind": "vip", "kept": 2,
            "colour": "red",
        })
    );
    let mut new = renamed();
    new.extra.colour = "blue".into();
    new.nick = Some("A".into());
    new.note = "x".into();
    assert_eq!(
        lines(&diff(&value, &new)),
        [
            r#"colour: "red" -> "blue""#,
            r#"nick: - -> "A""#,
            r#"note: - -> "x""#
        ]
    );
}

#[derive(Auditable)]
#[audit(value)]
struct Quoted {
    #[audit(rename = "e-mail")]
    email: u8,
    #[audit(rename = "first.name")]
    first: u8,
    #[audit(rename = "2nd")]
    second: u8,
    r#type: u8,
    größe: u8,
}

#[test]
fn a_name_that_is_no_word_is_quoted_in_paths() {
    let value = |n: u8| Quoted {
        email: n,
        first: n,
        second: n,
        r#type: n,
        größe: n,
    };
    assert_eq!(
        lines(&diff(&value(1), &value(2))),
        [
            "['e-mail']: 1 -> 2",
            "['first.name']: 1 -> 2",
            "['2nd']: 1 -> 2",
            "type: 1 -> 2",
            "größe: 1 -> 2"
        ]
    );
}

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

#[derive(Auditable)]
struct Newtype(u32);

#[derive(Auditable)]
struct Secret(#[audit(mask)] String);

#[derive(Auditable)]
#[audit(transparent)]
struct Wrapped {
    inner: Item,
    #[audit(skip)]
    _rest: Opaque,
}

#[derive(Auditable)]
struct Point(u8, #[audit(skip)] Opaque, u8);

#[derive(Auditable)]
struct Nothing;

#[derive(Auditable)]
struct Empty {}

#[derive(Auditable)]
enum Never {}

#[derive(Auditable)]
struct Holder {
    newtype: Newtype,
    secret: Secret,
    wrapped: Wrapped,
    point: Point,
    nothing: Nothing,
    empty: Empty,
    never: Option<Never>,
}

fn holder(number: u8) -> Holder {
    Holder {
        newtype: Newtype(number.into()),
        secret: Secret(number.to_string()),
        wrapped: Wrapped {
            inner: Item {
                sku: "a".into(),
                qty: number.into(),
            },
            _rest: Opaque,
        },
        point: Point(0, Opaque, number),
        nothing: Nothing,
        empty: Empty {},
        never: None,
    }
}

#[test]
fn every_shape_of_struct_works() {
    assert_eq!(
        snapshot(&holder(1)),
        json!({
            "newtype": 1, "secret": "***", "wrapped": {"sku": "a", "qty": 1},
            "point": [0, null, 1], "nothing": null, "empty": {}, "never": null,
        })
    );
    assert_eq!(
        lines(&diff(&holder(1), &holder(2))),
        [
            "newtype: 1 -> 2",
            r#"secret: "***" -> "***""#,
            "wrapped.qty: 1 -> 2",
            "point[2]: 1 -> 2",
        ]
    );
}

#[derive(Auditable)]
#[audit(only(name))]
struct Only {
    id: u32,
    name: String,
    _other: Opaque,
}

#[derive(Auditable)]
#[audit(value, rename_all = "SCREAMING-KEBAB-CASE")]
struct Named {
    id: u32,
    long_name: u8,
}

#[test]
fn only_and_rename_all() {
    let value = Only {
        id: 1,
        name: "n".into(),
        _other: Opaque,
    };
    assert_eq!(snapshot(&value), json!({"id": 1, "name": "n"}));
    assert_eq!(value.object_pk(), "1");
    assert_eq!(
        snapshot(&Named {
            id: 1,
            long_name: 2
        }),
        json!({"ID": 1, "LONG-NAME": 2})
    );
}

#[derive(Auditable)]
struct Generic<'a, T, U, const N: usize>
where
    T: Ord,
{
    id: u8,
    text: &'a str,
    list: Vec<T>,
    array: [u8; N],
    #[audit(skip)]
    _foreign: std::marker::PhantomData<U>,
    marker: std::marker::PhantomData<U>,
    #[audit(debug)]
    shown: U,
}

#[test]
fn generic_types_need_only_what_their_fields_need() {
    let make = |text| Generic {
        id: 1,
        text,
        list: vec![1_u8],
        array: [0; 2],
        _foreign: std::marker::PhantomData,
        marker: std::marker::PhantomData,
        shown: Foreign { x: 1 },
    };
    assert_eq!(
        lines(&diff(&make("a"), &make("b"))),
        [r#"text: "a" -> "b""#]
    );
    assert_eq!(make("a").object_pk(), "1");
    assert_eq!(Generic::<u8, Foreign, 2>::schema().name(), "Generic");
}

#[derive(Auditable, Clone)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
    by_name: BTreeMap<String, Tree>,
}

#[test]
fn a_type_may_hold_itself() {
    let leaf = Tree {
        name: "l".into(),
        children: vec![],
        parent: None,
        by_name: BTreeMap::new(),
    };
    let root = Tree {
        children: vec![leaf.clone()],
        ..leaf
    };
    let mut new = root.clone();
    new.children[0].name = "m".into();
    assert_eq!(
        lines(&diff(&root, &new)),
        [r#"children[0].name: "l" -> "m""#]
    );
}
