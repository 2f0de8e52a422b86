//! Objects that share parts of themselves with their clones: `Rc<RefCell<_>>` and its kin. Their
//! updates are recorded as those of objects that share nothing.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use auditlog::prelude::*;
use auditlog::{Changes, Error, Sensitive, testing};
use proptest::prelude::*;
use serde_json::json;

#[derive(Auditable, Clone, Debug)]
struct Content {
    title: String,
    #[audit(mask = "last4")]
    phone: String,
    #[audit(hash)]
    email: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "it is never recorded")]
    password: String,
    #[audit(ignore)]
    seen: u32,
    #[audit(level = "critical")]
    owner: Option<u8>,
    #[audit(whole)]
    address: Address,
    home: Address,
    #[audit(mask)]
    office: Address,
    tags: BTreeSet<String>,
    #[audit(set)]
    words: Vec<String>,
    #[audit(key = "sku")]
    lines: Vec<Line>,
    pages: Vec<Line>,
    labels: BTreeMap<String, Line>,
    kind: Kind,
    pair: (u8, String),
    #[audit(skip_none)]
    note: Option<String>,
    secret: Sensitive<u8>,
    extra: serde_json::Value,
}

#[derive(Auditable, Clone, Debug)]
struct Address {
    street: String,
    #[audit(mask)]
    code: String,
}

#[derive(Auditable, Clone, Debug)]
struct Line {
    sku: u8,
    qty: u8,
}

#[derive(Auditable, Clone, Debug)]
enum Kind {
    None,
    Of(u8),
    Both {
        left: u8,
        #[audit(mask)]
        right: u8,
    },
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]{1,2}", "[ab]000 4567"]
}

fn address() -> impl Strategy<Value = Address> {
    (text(), text()).prop_map(|(street, code)| Address { street, code })
}

fn line() -> impl Strategy<Value = Line> {
    (0..4u8, 0..2u8).prop_map(|(sku, qty)| Line { sku, qty })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::None),
        (0..2u8).prop_map(Kind::Of),
        (0..2u8, 0..2u8).prop_map(|(left, right)| Kind::Both { left, right }),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let texts = (
        text(),
        text(),
        text(),
        text(),
        0..2u32,
        proptest::option::of(0..2u8),
    );
    let places = (address(), address(), address());
    let lists = (
        proptest::collection::btree_set(text(), 0..3),
        proptest::collection::vec(text(), 0..3),
        proptest::collection::vec(line(), 0..4),
        proptest::collection::vec(line(), 0..4),
        proptest::collection::btree_map(text(), line(), 0..3),
    );
    let rest = (
        kind(),
        (0..2u8, text()),
        proptest::option::of(text()),
        0..2u8,
        0..2u8,
    );
    (texts, places, lists, rest).prop_map(|(texts, places, lists, rest)| Content {
        title: texts.0,
        phone: texts.1,
        email: texts.2,
        password: texts.3,
        seen: texts.4,
        owner: texts.5,
        address: places.0,
        home: places.1,
        office: places.2,
        tags: lists.0,
        words: lists.1,
        lines: lists.2,
        pages: lists.3,
        labels: lists.4,
        kind: rest.0,
        pair: rest.1,
        note: rest.2,
        secret: Sensitive::new(rest.3),
        extra: json!({"a": rest.4, "b": [rest.4]}),
    })
}

/// Shares nothing.
#[derive(Auditable, Clone)]
#[audit(model = "Document")]
struct Plain {
    id: u32,
    before: u8,
    content: Content,
    after: u8,
}

/// The same, behind a pointer and in a cell.
#[derive(Auditable, Clone)]
#[audit(model = "Document")]
struct Shared {
    id: u32,
    before: u8,
    content: Rc<RefCell<Content>>,
    after: u8,
}

fn log() -> AuditLog {
    AuditLog::builder()
        .hash_key(1, *b"0123456789abcdef0123456789abcdef")
        .build()
}

/// What of an entry an update says.
fn told(entry: Option<&LogEntry>) -> Option<(Changes, Level, Option<serde_json::Value>)> {
    entry.map(|entry| (entry.changes.clone(), entry.level, entry.snapshot.clone()))
}

proptest! {
    #[test]
    fn a_shared_value_is_recorded_as_one_of_its_own(
        old in content(),
        new in content(),
        others in (0..2u8, 0..2u8),
        masked in any::<bool>(),
    ) {
        let (plain_log, shared_log) = (log(), log());
        if masked {
            plain_log.register_with::<Plain>(|o| o.mask("content.title").exclude("content.tags")).unwrap();
            shared_log.register_with::<Shared>(|o| o.mask("content.title").exclude("content.tags")).unwrap();
        } else {
            plain_log.register::<Plain>();
            shared_log.register::<Shared>();
        }
        let mut plain = Plain { id: 1, before: 0, content: old.clone(), after: 0 };
        let mut shared = Shared { id: 1, before: 0, content: Rc::new(RefCell::new(old)), after: 0 };
        let mut tracked = shared_log.track(Shared {
            content: Rc::new(RefCell::new(plain.content.clone())),
            ..shared.clone()
        });

        let ordinary = plain_log.update(&mut plain, |plain| {
            plain.content = new.clone();
            (plain.before, plain.after) = others;
        });
        let through_a_cell = shared_log.update(&mut shared, |shared| {
            *shared.content.borrow_mut() = new.clone();
            (shared.before, shared.after) = others;
        });
        prop_assert_eq!(told(through_a_cell.entry()), told(ordinary.entry()));
        *tracked.content.borrow_mut() = new;
        (tracked.before, tracked.after) = others;
        prop_assert_eq!(told(tracked.draft().entry()), told(ordinary.entry()));
        tracked.record().unwrap();
        prop_assert!(tracked.changes().is_empty());
    }
}

macro_rules! shares {
    ($($test:ident: $type:ty = $value:expr, |$field:ident| $change:expr;)*) => {$(
        #[test]
        fn $test() {
            #[derive(Auditable, Clone)]
            struct Holder {
                id: u32,
                field: $type,
            }
            let log = AuditLog::builder().build();
            log.register::<Holder>();
            let mut holder = Holder { id: 1, field: $value };
            let draft = log.update(&mut holder, |holder| {
                let $field = &holder.field;
                $change;
            });
            assert!(draft.record().unwrap().is_recorded());
            let mut tracked = log.track(Holder { id: 2, field: $value });
            assert!(!tracked.record().unwrap().is_recorded());
            {
                let $field = &tracked.field;
                $change;
            }
            assert!(tracked.record().unwrap().is_recorded());
            assert!(!tracked.record().unwrap().is_recorded());
        }
    )*};
}

#[derive(Auditable, Clone, Default)]
struct Node {
    words: Cell<u32>,
    next: Vec<Rc<Node>>,
}

shares! {
    a_cell_behind_a_pointer: Rc<Cell<u32>> = Rc::default(), |field| field.set(2);
    a_scalar_in_a_ref_cell: Rc<RefCell<u32>> = Rc::default(), |field| *field.borrow_mut() = 2;
    in_an_option: Option<Rc<Cell<u32>>> = Some(Rc::default()), |field| field.as_ref().unwrap().set(2);
    in_a_list: Vec<Rc<Cell<u32>>> = vec![Rc::default()], |field| field[0].set(2);
    in_a_map: BTreeMap<u8, Arc<Cell<u32>>> = BTreeMap::from([(1, Arc::default())]), |field| field[&1].set(2);
    in_a_struct_behind_a_pointer: Rc<Node> = Rc::default(), |field| field.words.set(2);
    in_a_type_that_holds_itself: Node = Node { next: vec![Rc::default()], ..Node::default() }, |field| field.next[0].words.set(2);
    in_a_tuple: (u8, Rc<Cell<u32>>) = (1, Rc::default()), |field| field.1.set(2);
    changed_and_replaced: RefCell<Rc<Cell<u32>>> = RefCell::new(Rc::default()), |field| {
        field.borrow().set(2);
        field.replace(Rc::new(Cell::new(3)));
    };
}

#[test]
fn what_is_shared_and_put_back_is_no_change() {
    let log = AuditLog::builder().build();
    log.register::<Shared>();
    let mut shared = Shared {
        id: 1,
        before: 0,
        content: content_of("a"),
        after: 0,
    };
    let draft = log.update(&mut shared, |shared| {
        shared.content.borrow_mut().title = "b".into();
        shared.content.borrow_mut().title = "a".into();
        // Another cell with the same value.
        shared.content = content_of("a");
    });
    assert_eq!(draft.record().unwrap(), Receipt::Unchanged);
}

fn content_of(title: &str) -> Rc<RefCell<Content>> {
    let address = Address {
        street: String::new(),
        code: String::new(),
    };
    Rc::new(RefCell::new(Content {
        title: title.into(),
        phone: String::new(),
        email: String::new(),
        password: String::new(),
        seen: 0,
        owner: None,
        address: address.clone(),
        home: address.clone(),
        office: address,
        tags: BTreeSet::new(),
        words: Vec::new(),
        lines: Vec::new(),
        pages: Vec::new(),
        labels: BTreeMap::new(),
        kind: Kind::None,
        pair: (0, String::new()),
        note: None,
        secret: Sensitive::new(0),
        extra: json!(null),
    }))
}

#[test]
fn a_failed_transaction_gives_a_tracked_object_its_changes_back() {
    let audit = testing::capture();
    auditlog::register::<Shared>();
    let mut tracked = audit.log().track(Shared {
        id: 1,
        before: 0,
        content: content_of("a"),
        after: 0,
    });
    tracked.content.borrow_mut().title = "b".into();
    let failed: Result<(), Error> = auditlog::transaction(|| {
        tracked.record()?;
        Err(Error::ShutDown)
    });
    assert!(failed.is_err());
    assert_eq!(tracked.changes()["content.title"].old, Some("a".into()));
    tracked.record().unwrap();
    assert_eq!(audit.entries().len(), 1);
}

#[test]
fn an_identity_change_tells_what_shared_values_were() {
    let audit = testing::capture();
    auditlog::register::<Shared>();
    let mut shared = Shared {
        id: 1,
        before: 0,
        content: content_of("a"),
        after: 0,
    };
    let draft = auditlog::update(&mut shared, |shared| {
        shared.id = 2;
        shared.content.borrow_mut().title = "b".into();
        shared.content.borrow_mut().phone = "0171 555 4567".into();
    });
    draft.record().unwrap();
    let entries = audit.entries();
    let old = entries[0].changes["content"].old.as_ref().unwrap();
    let new = entries[1].changes["content"].new.as_ref().unwrap();
    assert_eq!((&old["title"], &new["title"]), (&json!("a"), &json!("b")));
    assert_eq!(
        (&old["phone"], &new["phone"]),
        (&json!("****"), &json!("****4567"))
    );
}

#[derive(Auditable, Clone)]
struct Person {
    id: u32,
    email: String,
    name: String,
}

#[derive(Auditable, Clone)]
struct Team {
    id: u32,
    lead: Rc<RefCell<Person>>,
}

#[test]
fn rules_of_a_model_hold_behind_a_pointer() {
    let log = AuditLog::builder().build();
    log.register_with::<Person>(|options| options.mask("email"))
        .unwrap();
    log.register::<Team>();
    let lead = Person {
        id: 1,
        email: "ann@secret.example".into(),
        name: "ann".into(),
    };
    let mut team = Team {
        id: 1,
        lead: Rc::new(RefCell::new(lead)),
    };
    let draft = log.update(&mut team, |team| {
        team.lead.borrow_mut().email = "bob@secret.example".into();
    });
    let entry = draft.into_entry().unwrap().expect("an entry");
    let text = entry.to_canonical_json().unwrap();
    assert!(text.contains("***") && !text.contains("secret"), "{text}");
    let draft = log.update(&mut team, |team| {
        team.lead.borrow_mut().name = "bob".into();
    });
    let entry = draft.into_entry().unwrap().expect("an entry");
    let text = entry.to_canonical_json().unwrap();
    assert!(text.contains("bob") && !text.contains("secret"), "{text}");
}

#[test]
fn a_value_that_cannot_be_read_is_an_error() {
    let log = AuditLog::builder().build();
    log.register::<Team>();
    let lead = Person {
        id: 1,
        email: String::new(),
        name: String::new(),
    };
    let mut team = Team {
        id: 1,
        lead: Rc::new(RefCell::new(lead)),
    };
    let lead = Rc::clone(&team.lead);
    let held = lead.borrow_mut();
    let draft = log.update(&mut team, |team| team.id = 1);
    drop(held);
    assert!(matches!(draft.record(), Err(Error::Value { .. })));
}
