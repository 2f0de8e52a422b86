//! Reading a state as an object: nothing comes back that the trail does not have.

use std::collections::BTreeMap;
use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{AuditLog, MissingReason, Reconstruction, TypedError, testing};
use serde::de::DeserializeOwned;

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    id: u32,
    name: String,
    #[audit(mask)]
    pin: String,
    #[audit(skip)]
    #[serde(default)]
    password: String,
    #[serde(skip)]
    cached: u32,
}

fn account() -> Account {
    Account {
        id: 1,
        name: "a".into(),
        pin: "1234".into(),
        password: "secret".into(),
        cached: 5,
    }
}

fn latest<T: Auditable + Clone + 'static>(object: &T) -> Reconstruction {
    let log = AuditLog::builder().build();
    log.register::<T>();
    log.created(object).record().expect("recorded");
    log.history::<T>(1).expect("a history").latest()
}

#[test]
fn a_state_that_is_not_complete_is_no_object_unless_asked_for() {
    let latest = latest(&account());
    let error = latest.typed::<Account>().expect_err("not complete");
    assert_eq!(
        error.to_string(),
        "the state is not complete: `password` (not recorded), `pin` (recorded masked); \
         `typed_lossy` reads an incomplete state"
    );
    let TypedError::Incomplete { missing } = error else {
        panic!("{error}");
    };
    assert_eq!(missing.len(), 2);
    let known = latest.typed_lossy::<Account>().expect("readable");
    let expected = Account {
        pin: "***".into(),
        password: String::new(),
        cached: 0,
        ..account()
    };
    assert_eq!(known, Some(expected));
}

#[test]
fn a_time_before_the_object_is_no_error() {
    let _audit = testing::capture().at("2026-01-01T00:00:00Z");
    auditlog::register::<Account>();
    auditlog::created(&account()).record().expect("recorded");
    let history = auditlog::history::<Account>(1).expect("a history");
    let before = "2025-01-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>();
    let before = before.expect("a time");
    assert_eq!(
        history.as_of_typed::<Account>(before).expect("readable"),
        None
    );
    let now = before + chrono::TimeDelta::days(400);
    let error = history
        .as_of_typed::<Account>(now)
        .expect_err("not complete");
    assert!(matches!(error, TypedError::Incomplete { .. }), "{error}");
    let known = history.as_of_typed_lossy::<Account>(now).expect("readable");
    assert_eq!(known.expect("an account").pin, "***");
}

/// Records an object whose only missing parts are those that serde skips, and reads it back.
fn round_trip<T>(object: &T) -> Option<T>
where
    T: Auditable + Clone + DeserializeOwned + 'static,
{
    let latest = latest(object);
    assert!(!latest.complete, "{}", latest.state);
    assert!(
        latest
            .missing
            .iter()
            .all(|part| part.reason == MissingReason::Skipped)
    );
    latest.typed().expect("readable")
}

#[test]
fn what_serde_skips_too_is_no_obstacle() {
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        id: u32,
        #[serde(skip)]
        cached: u32,
        inner: Inner,
        list: Vec<Inner>,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        value: u8,
        #[serde(skip)]
        cached: u8,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(u8, #[serde(skip)] u8, u8);
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Move {
        To(u8, #[serde(skip)] u8, u8),
        By {
            distance: u8,
            #[serde(skip)]
            cached: u8,
        },
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        id: u32,
        pair: Pair,
        pairs: Vec<Pair>,
        moves: Vec<Move>,
    }
    let inner = Inner {
        value: 1,
        cached: 0,
    };
    let named = Named {
        id: 1,
        cached: 0,
        inner: inner.clone(),
        list: vec![inner],
    };
    assert_eq!(round_trip(&named), Some(named));
    let by = Move::By {
        distance: 1,
        cached: 0,
    };
    let holder = Holder {
        id: 1,
        pair: Pair(1, 0, 3),
        pairs: vec![Pair(4, 0, 5)],
        moves: vec![Move::To(1, 0, 2), by],
    };
    assert_eq!(round_trip(&holder), Some(holder));
}

#[test]
fn what_serde_reads_and_the_trail_skips_is_an_obstacle() {
    #[derive(Auditable, Clone, Serialize, Deserialize)]
    struct Hidden(#[audit(skip)] u8);
    #[derive(Auditable, Clone, Serialize, Deserialize)]
    struct Holder {
        id: u32,
        hidden: Hidden,
    }
    let latest = latest(&Holder {
        id: 1,
        hidden: Hidden(1),
    });
    let error = latest.typed::<Holder>().map(|_| ()).expect_err("hidden");
    assert!(matches!(error, TypedError::Incomplete { .. }), "{error}");
}

#[test]
fn an_identity_that_serde_skips_never_comes_back_as_its_default() {
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Key {
        #[serde(skip)]
        id: u32,
        saved: bool,
    }
    let latest = latest(&Key { id: 1, saved: true });
    let error = latest.typed::<Key>().expect_err("no 0");
    assert!(
        error
            .to_string()
            .starts_with("`id` is recorded, but serde does not read it")
    );
    assert!(matches!(error, TypedError::NotRead { .. }), "{error}");
    let known = latest.typed_lossy::<Key>().expect("readable");
    assert_eq!(known, Some(Key { id: 0, saved: true }));
}

#[test]
fn a_break_in_the_chain_is_an_obstacle() {
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Doc {
        id: u32,
        status: String,
    }
    let doc = |status: &str| Doc {
        id: 1,
        status: status.into(),
    };
    let log = AuditLog::builder().build();
    log.register::<Doc>();
    log.created(&doc("a")).record().expect("recorded");
    log.updated(&doc("b"), &doc("c"))
        .record()
        .expect("recorded");
    let latest = log.history::<Doc>(1).expect("a history").latest();
    let error = latest.typed::<Doc>().expect_err("a break").to_string();
    assert!(
        error.contains("`status` (changed without an entry)"),
        "{error}"
    );
    assert_eq!(
        latest.typed_lossy::<Doc>().expect("readable"),
        Some(doc("c"))
    );
}

/// Returns the error of reading a part of a state that is read as a `T`.
fn refused<T: DeserializeOwned, P: Debug>(
    state: &Reconstruction,
    part: impl FnOnce(T) -> P,
) -> String {
    let read = state.typed::<T>().map(|object| object.map(part));
    read.expect_err("not readable").to_string()
}

#[test]
fn errors_name_the_field_and_what_helps() {
    #[derive(Auditable, Clone, Serialize)]
    #[audit(model = "Order")]
    struct Stored {
        id: u32,
        items: Vec<Item>,
        #[audit(debug)]
        kind: Kind,
    }
    #[derive(Auditable, Clone, Serialize, Deserialize, Debug)]
    struct Item {
        count: u32,
    }
    #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
    struct Kind {
        level: u8,
    }
    #[derive(Deserialize)]
    struct Text {
        items: Vec<TextItem>,
    }
    #[derive(Deserialize)]
    struct TextItem {
        count: bool,
    }
    #[derive(Deserialize)]
    struct More {
        more: u8,
    }
    #[derive(Deserialize)]
    struct Kinds {
        kind: Kind,
    }
    let latest = latest(&Stored {
        id: 1,
        items: vec![Item { count: 1 }, Item { count: 2 }],
        kind: Kind { level: 1 },
    });
    let first = |text: Text| text.items.first().map(|item| item.count);
    let error = refused(&latest, first);
    assert!(
        error.starts_with("`items[0].count` cannot be read: invalid type"),
        "{error}"
    );
    let error = refused(&latest, |more: More| more.more);
    assert!(error.contains("missing field `more`"), "{error}");
    assert!(error.contains("`#[serde(default)]`"), "{error}");
    let error = refused(&latest, |kinds: Kinds| kinds.kind.level);
    assert!(error.starts_with("`kind` cannot be read"), "{error}");
    assert!(error.contains("`#[audit(serde)]`"), "{error}");
}

#[test]
fn variants_that_describe_one_value_take_no_more_steps_with_its_depth() {
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Tree {
        Leaf(u32),
        Branch(BTreeMap<String, Tree>),
        Twig(BTreeMap<String, Box<Tree>>),
        Other(BTreeMap<String, Back>),
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Back {
        Branch(BTreeMap<String, Tree>),
        Back(BTreeMap<String, Back>),
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Forest {
        id: u32,
        #[audit(rename = "stem")]
        tree: Tree,
    }
    // One step for each way through the variants would be 3^50 steps.
    let tree = (0..50).fold(Tree::Leaf(1), |tree, _| {
        Tree::Branch(BTreeMap::from([("a".to_owned(), tree)]))
    });
    let forest = Forest { id: 1, tree };
    let read = latest(&forest).typed::<Forest>().expect("complete");
    assert_eq!(read, Some(forest));
}
