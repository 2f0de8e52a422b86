//! Objects that share parts of themselves with their clones: `Rc<RefCell<_>>` and its kin. Their
//! updates are recorded as those of objects that share nothing.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

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
        prop_assert!(tracked.changes().unwrap().is_empty());
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
    assert_eq!(
        tracked.changes().unwrap()["content.title"].old,
        Some("a".into())
    );
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

fn hide<T: ?Sized>(_: &T) -> &'static str {
    "hidden"
}

const SECRET: u32 = 424_242;

/// Asserts that a change through `set` makes an entry for an `update` and for a `Tracked`, which
/// shows the secret if it is in `clear`.
fn is_told<T: Auditable + Clone + 'static>(
    case: &str,
    new: impl Fn() -> T,
    set: impl Fn(&T),
    clear: bool,
) {
    let log = log();
    log.register::<T>();
    let mut object = new();
    let entry = log.update(&mut object, |object| set(object)).into_entry();
    let mut tracked = log.track(new());
    assert!(!tracked.record().unwrap().is_recorded(), "{case}");
    set(&tracked);
    let tracked_entry = tracked.draft().into_entry();
    assert!(tracked.record().unwrap().is_recorded(), "{case}");
    assert!(!tracked.record().unwrap().is_recorded(), "{case}");
    for entry in [entry, tracked_entry] {
        let entry = entry
            .unwrap()
            .unwrap_or_else(|| panic!("{case}: unchanged"));
        let text = entry.to_canonical_json().unwrap();
        assert_eq!(text.contains("424242"), clear, "{case}: {text}");
        let redacted = entry
            .changes
            .iter()
            .any(|change| change.redaction.is_some());
        assert_eq!(redacted, !clear, "{case}: {text}");
    }
}

/// Each way to conceal a value, at each kind of place.
macro_rules! conceals {
    ($($container:ident: $type:ty = $value:expr, |$field:ident| $change:expr;)*) => {$(
        conceals!(@forms $container: $type = $value, |$field| $change;
            masked [mask] false;
            masked_in_part [mask = "last4"] false;
            hashed [hash] false;
            masked_by_a_function [mask_with = crate::hide] false;
            whole [whole] true;
        );
    )*};
    (@forms $container:ident: $type:ty = $value:expr, |$field:ident| $change:expr;
        $($form:ident [$($attribute:tt)*] $clear:literal;)*) => {
        mod $container {
            use super::*;
            $(
                #[test]
                fn $form() {
                    #[derive(Auditable, Clone)]
                    struct Named {
                        id: u32,
                        #[audit($($attribute)*)]
                        field: $type,
                    }
                    #[derive(Auditable, Clone)]
                    struct Positional(#[audit(id)] u32, #[audit($($attribute)*)] $type);
                    #[derive(Auditable, Clone)]
                    struct New(#[audit($($attribute)*)] $type);
                    #[derive(Auditable, Clone)]
                    struct Inside {
                        #[audit($($attribute)*)]
                        field: $type,
                    }
                    #[derive(Auditable, Clone)]
                    enum Kind {
                        Held(#[audit($($attribute)*)] $type),
                        Named {
                            #[audit($($attribute)*)]
                            field: $type,
                        },
                    }
                    #[derive(Auditable, Clone)]
                    struct Around {
                        id: u32,
                        new: New,
                        #[audit(flatten)]
                        inside: Inside,
                        kinds: Vec<Kind>,
                    }
                    let set = |$field: &$type| {
                        $change;
                    };
                    let around = || Around {
                        id: 1,
                        new: New($value),
                        inside: Inside { field: $value },
                        kinds: vec![Kind::Held($value), Kind::Named { field: $value }],
                    };
                    let of = |place: &str| format!("{} {}, {place}", stringify!($container), stringify!($form));
                    is_told(&of("named"), || Named { id: 1, field: $value }, |o| set(&o.field), $clear);
                    is_told(&of("positional"), || Positional(1, $value), |o| set(&o.1), $clear);
                    is_told(&of("newtype"), around, |o| set(&o.new.0), $clear);
                    is_told(&of("flattened"), around, |o| set(&o.inside.field), $clear);
                    is_told(&of("variant"), around, |o| match &o.kinds[0] {
                        Kind::Held(field) | Kind::Named { field } => set(field),
                    }, $clear);
                    is_told(&of("fields of a variant"), around, |o| match &o.kinds[1] {
                        Kind::Held(field) | Kind::Named { field } => set(field),
                    }, $clear);
                }
            )*
        }
    };
}

conceals! {
    rc_ref_cell: Rc<RefCell<u32>> = Rc::default(), |field| *field.borrow_mut() = SECRET;
    rc_cell: Rc<Cell<u32>> = Rc::default(), |field| field.set(SECRET);
    rc_once_cell: Rc<OnceCell<u32>> = Rc::default(), |field| field.set(SECRET).unwrap();
    option_of_rc: Option<Rc<RefCell<u32>>> = Some(Rc::default()), |field| *field.as_ref().unwrap().borrow_mut() = SECRET;
    arc_mutex: Arc<Mutex<u32>> = Arc::default(), |field| *field.lock().unwrap() = SECRET;
    arc_rw_lock: Arc<RwLock<String>> = Arc::default(), |field| *field.write().unwrap() = SECRET.to_string();
    arc_once_lock: Arc<OnceLock<u32>> = Arc::default(), |field| field.set(SECRET).unwrap();
    arc_atomic: Arc<AtomicU32> = Arc::default(), |field| field.store(SECRET, Ordering::SeqCst);
    option_of_arc_atomic: Option<Arc<AtomicU32>> = Some(Arc::default()), |field| field.as_ref().unwrap().store(SECRET, Ordering::SeqCst);
    list: Vec<Rc<Cell<u32>>> = vec![Rc::default()], |field| field[0].set(SECRET);
    map: BTreeMap<u8, Arc<Mutex<u32>>> = BTreeMap::from([(1, Arc::default())]), |field| *field[&1].lock().unwrap() = SECRET;
    pair: (u8, Rc<Cell<u32>>) = (1, Rc::default()), |field| field.1.set(SECRET);
    boxed: Box<Rc<RefCell<u32>>> = Box::default(), |field| *field.borrow_mut() = SECRET;
    structure: Rc<Secret> = Rc::default(), |field| field.code.set(SECRET);
}

#[derive(Auditable, Clone, Default)]
struct Secret {
    code: Cell<u32>,
}

/// What holds a cell and is no `AuditValue`.
#[derive(Clone, Debug, Default)]
struct Handle(Rc<Cell<u32>>);

impl serde::Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0.get())
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl Handle {
    fn read(&self) -> u32 {
        self.0.get()
    }
}

#[derive(Clone, Default, serde::Serialize)]
struct Foreign(u32);

#[test]
fn a_value_recorded_in_another_form_is_captured() {
    macro_rules! forms {
        ($($case:literal: [$($attribute:tt)*] $type:ty = $new:expr, |$field:ident| $change:expr, $clear:literal;)*) => {$({
            #[derive(Auditable, Clone)]
            struct Holder {
                id: u32,
                #[audit($($attribute)*)]
                field: $type,
            }
            let new = || Holder { id: 1, field: $new };
            is_told($case, new, |holder| { let $field = &holder.field; $change; }, $clear);
        })*};
    }
    forms! {
        "serde": [serde] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "serde, a lock": [serde] &'static Mutex<Foreign> = Box::leak(Box::default()), |field| field.lock().unwrap().0 = SECRET, true;
        "serde, a cell": [serde] Option<&'static RefCell<Foreign>> = Some(Box::leak(Box::default())), |field| field.unwrap().borrow_mut().0 = SECRET, true;
        "serde, masked": [serde, mask] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "serde, hashed": [serde, hash] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "debug": [debug] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "debug, masked": [debug, mask = "last4"] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "display": [display] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "display, in a list": [display] Vec<Handle> = vec![Handle::default()], |field| field[0].0.set(SECRET), true;
        "a function": [with = Handle::read] Handle = Handle::default(), |field| field.0.set(SECRET), true;
        "a function, masked": [with = Handle::read, mask] Handle = Handle::default(), |field| field.0.set(SECRET), false;
        "a function of a value": [with = read] Rc<RefCell<u32>> = Rc::default(), |field| *field.borrow_mut() = SECRET, true;
        "a sensitive value": [] Sensitive<Rc<Cell<u32>>> = Sensitive::default(), |field| field.expose().set(SECRET), false;
        "a sensitive value behind a pointer": [] Rc<RefCell<Sensitive<u32>>> = Rc::default(), |field| *field.borrow_mut() = Sensitive::new(SECRET), false;
    }
}

fn read(value: &RefCell<u32>) -> u32 {
    *value.borrow()
}

/// Asserts that the changes, the text and the entry of a tracked object tell an error.
fn tells_of_an_error<T: Auditable + Clone + 'static>(tracked: &auditlog::Tracked<T>, error: &str) {
    let found = tracked.changes().expect_err("an error");
    assert!(found.to_string().contains(error), "{found}");
    let text = format!("{tracked:?}");
    assert!(text.contains(error), "{text}");
    let recorded = tracked.draft().record().expect_err("an error");
    assert!(recorded.to_string().contains(error), "{recorded}");
}

fn tracked<T: Auditable + Clone + 'static>(object: T) -> auditlog::Tracked<T> {
    let log = log();
    log.register::<T>();
    log.track(object)
}

#[test]
fn a_tracked_object_that_cannot_be_read_tells_why() {
    #[derive(Auditable, Clone)]
    #[audit(repr = "{id} {held}")]
    struct Holder<T> {
        id: u32,
        held: T,
    }
    macro_rules! held {
        ($($guard:ident $error:literal $held:expr;)*) => {$({
            let held = $held;
            let other = held.clone();
            let object = tracked(Holder { id: 1, held });
            let guard = other.$guard();
            tells_of_an_error(&object, $error);
            drop(object);
            drop(guard);
        })*};
    }
    held! {
        borrow_mut "a `RefCell` is mutably borrowed" Rc::new(RefCell::new(1));
        lock "a `Mutex` is locked" Arc::new(Mutex::new(1));
        write "an `RwLock` is locked" Arc::new(RwLock::new(1));
    }
}

#[derive(Auditable, Clone, Default)]
struct Ring {
    id: u32,
    next: Rc<RefCell<Option<Ring>>>,
}

#[test]
fn a_tracked_ring_tells_why_it_cannot_be_read() {
    let ring = Ring::default();
    let again = ring.clone();
    let before = tracked(ring.clone());
    ring.next.replace(Some(again));
    tells_of_an_error(&before, "deep");
    tells_of_an_error(&tracked(ring.clone()), "deep");
    drop(before);
    ring.next.replace(None);
}

/// Types whose capture shows its parts in an object, in an array, or in no place of their own.
mod forms {
    use auditlog::AuditValue;

    use super::*;

    #[derive(Auditable, Clone, Debug)]
    #[audit(model = "Holder")]
    struct Own<T> {
        id: u32,
        field: T,
    }

    #[derive(Auditable, Clone, Debug)]
    #[audit(model = "Holder")]
    struct Sharing<T> {
        id: u32,
        field: Rc<RefCell<T>>,
    }

    /// Asserts that each change from one of the values to another makes the entry of a value of
    /// the object's own.
    fn are_told_alike<T: AuditValue + Clone + fmt::Debug + 'static>(values: &[T]) {
        let (own_log, shared_log) = (log(), log());
        own_log.register::<Own<T>>();
        shared_log.register::<Sharing<T>>();
        for old in values {
            for new in values {
                let mut own = Own {
                    id: 1,
                    field: old.clone(),
                };
                let mut shared = Sharing {
                    id: 1,
                    field: Rc::new(RefCell::new(old.clone())),
                };
                let ordinary = own_log.update(&mut own, |own| own.field = new.clone());
                let through_a_cell = shared_log.update(&mut shared, |shared| {
                    *shared.field.borrow_mut() = new.clone();
                });
                let (ordinary, through_a_cell) = (
                    ordinary.into_entry().unwrap(),
                    through_a_cell.into_entry().unwrap(),
                );
                assert_eq!(
                    told(through_a_cell.as_ref()),
                    told(ordinary.as_ref()),
                    "{old:?} to {new:?}"
                );
            }
        }
    }

    fn hold_everywhere<T: AuditValue + Clone + fmt::Debug + 'static>(values: &[T]) {
        let each = || values.iter().cloned();
        are_told_alike(values);
        let none = std::iter::once(None);
        are_told_alike(&none.chain(each().map(Some)).collect::<Vec<_>>());
        let pairs = each().zip(each().cycle().skip(1));
        let mut pairs: Vec<(T, T)> = pairs.collect();
        pairs.extend(each().map(|a| (a.clone(), a)));
        are_told_alike(&pairs);
        let lists = pairs.iter().cloned().map(|(a, b)| vec![a, b]);
        let lists = lists.chain(each().map(|a| vec![a]));
        are_told_alike(&lists.chain([vec![]]).collect::<Vec<_>>());
        let maps = pairs
            .into_iter()
            .map(|(a, b)| BTreeMap::from([(1, a), (2, b)]));
        let maps = maps.chain(each().map(|a| BTreeMap::from([(2, a)])));
        are_told_alike(&maps.collect::<Vec<_>>());
    }

    #[derive(Auditable, Clone, Debug)]
    struct One {
        a: u8,
    }

    #[derive(Auditable, Clone, Debug)]
    struct Masked {
        #[audit(mask)]
        a: u8,
    }

    #[derive(Auditable, Clone, Debug)]
    struct New(#[audit(hash)] u8);

    #[derive(Auditable, Clone, Debug)]
    struct Nothing {}

    #[derive(Auditable, Clone, Debug)]
    struct Gaps(
        #[audit(skip)]
        #[expect(dead_code, reason = "it is never recorded")]
        u8,
        u8,
        #[audit(mask)] u8,
        #[audit(skip)]
        #[expect(dead_code, reason = "it is never recorded")]
        u8,
    );

    macro_rules! enums {
        ($($(#[$attribute:meta])* $name:ident;)*) => {$(
            #[derive(Auditable, Clone, Debug, serde::Serialize)]
            $(#[$attribute])*
            enum $name {
                #[serde(rename = "a")]
                Same { a: u8 },
                Hidden {
                    #[audit(mask)]
                    b: u8,
                },
                One(Inner),
                Other(Inner),
                Unit,
            }

            impl $name {
                fn each() -> Vec<Self> {
                    vec![
                        Self::Same { a: 1 },
                        Self::Same { a: 2 },
                        Self::Hidden { b: 1 },
                        Self::Hidden { b: 2 },
                        Self::One(Inner { a: 1, b: 1 }),
                        Self::One(Inner { a: 1, b: 2 }),
                        Self::Other(Inner { a: 1, b: 2 }),
                        Self::Unit,
                    ]
                }
            }
        )*};
    }

    #[derive(Auditable, Clone, Debug, serde::Serialize)]
    struct Inner {
        a: u8,
        #[audit(hash)]
        b: u8,
    }

    enums! {
        External;
        #[serde(tag = "t")]
        Internal;
        #[serde(tag = "t", content = "c")]
        Adjacent;
        #[serde(untagged)]
        Untagged;
    }

    #[derive(Auditable, Clone, Debug, serde::Serialize)]
    struct Flat<T> {
        w: u8,
        #[serde(flatten)]
        rest: T,
    }

    fn flat<T>(rest: T) -> Flat<T> {
        Flat { w: 1, rest }
    }

    #[test]
    fn structs() {
        hold_everywhere(&[One { a: 1 }, One { a: 2 }, One { a: 3 }]);
        hold_everywhere(&[Masked { a: 1 }, Masked { a: 2 }]);
        hold_everywhere(&[New(1), New(2)]);
        hold_everywhere(&[Nothing {}]);
        hold_everywhere(&[Gaps(1, 2, 3, 4), Gaps(1, 5, 3, 4), Gaps(1, 2, 6, 5)]);
    }

    #[test]
    fn externally_tagged_variants() {
        hold_everywhere(&External::each());
    }

    #[test]
    fn internally_tagged_variants() {
        hold_everywhere(&Internal::each());
    }

    #[test]
    fn adjacently_tagged_variants() {
        hold_everywhere(&Adjacent::each());
    }

    #[test]
    fn untagged_variants() {
        hold_everywhere(&Untagged::each());
    }

    #[test]
    fn numbers_of_json() {
        hold_everywhere(&[
            json!(1.0),
            json!(1),
            json!("1"),
            json!({"a": 1.50}),
            json!([1, 2.5]),
        ]);
    }

    #[cfg(feature = "rust_decimal")]
    #[test]
    fn decimals() {
        use rust_decimal::Decimal;

        #[derive(Auditable, Clone, Debug)]
        struct Price {
            amount: Decimal,
            count: u8,
        }

        #[derive(Auditable, Clone, Debug)]
        struct Prices(#[audit(key = "amount")] Vec<Price>);

        let decimals = ["1.50", "1.5", "2.0", "2"].map(|text| text.parse::<Decimal>().unwrap());
        hold_everywhere(&decimals);
        let prices = |first: usize, second: usize, count| {
            let price = |at: usize| Price {
                amount: decimals[at],
                count,
            };
            Prices(vec![price(first), price(second)])
        };
        hold_everywhere(&[
            prices(0, 2, 1),
            prices(1, 3, 1),
            prices(3, 1, 1),
            prices(3, 1, 2),
        ]);
        let sets = decimals.map(|one| BTreeSet::from([one, Decimal::TEN]));
        hold_everywhere(&sets);
    }

    #[test]
    fn flattened_values() {
        let inner = |a, b| Inner { a, b };
        are_told_alike(&[None, Some(inner(1, 1)), Some(inner(1, 2))].map(flat));
        let map = |key: &str| BTreeMap::from([(key.to_owned(), inner(1, 1))]);
        are_told_alike(&[BTreeMap::new(), map("k"), map("l")].map(flat));
        let each: Vec<_> = Internal::each().into_iter().map(flat).collect();
        are_told_alike(&each);
        let each: Vec<_> = Adjacent::each().into_iter().map(flat).collect();
        are_told_alike(&each);
        let each = External::each().into_iter();
        let each = each.filter(|one| !matches!(one, External::Unit));
        are_told_alike(&each.map(flat).collect::<Vec<_>>());
    }
}
