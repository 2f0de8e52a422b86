//! Updates of shared values are recorded as those of values that are not shared.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use auditlog::prelude::*;
use auditlog::{Error, testing};
use proptest::prelude::*;
use serde_json::json;

use crate::content::{Plain, Shared, content, content_of, log, told};

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
