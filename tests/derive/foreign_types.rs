//! Fields whose types come from other crates: texts through options and lists, masks, and the
//! bounds of generic keys.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::rc::Rc;

use auditlog::{Auditable, Redaction, diff, snapshot};
use serde_json::json;

/// Stands for another crate.
mod foreign {
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Id(pub(crate) u32);

    impl std::fmt::Display for Id {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "ID{}", self.0)
        }
    }

    #[derive(Clone, PartialEq)]
    pub(crate) struct Secret<T>(pub(crate) T);
}

use foreign::{Id, Secret};

#[derive(Auditable, Clone)]
struct Session {
    #[audit(display)]
    id: Id,
    #[audit(display)]
    user: Option<Id>,
    #[audit(display)]
    devices: Vec<Id>,
    #[audit(display, skip_none)]
    last: Option<Vec<Option<Id>>>,
    #[audit(debug)]
    boxed: Box<Option<Id>>,
    #[audit(display)]
    pair: [Id; 2],
    #[audit(display)]
    shared: Rc<dyn std::fmt::Display>,
    #[audit(display, mask = "last4")]
    masked: Option<Id>,
}

fn session() -> Session {
    Session {
        id: Id(1),
        user: None,
        devices: vec![Id(3), Id(4)],
        last: None,
        boxed: Box::new(Some(Id(6))),
        pair: [Id(7), Id(8)],
        shared: Rc::new("text"),
        masked: Some(Id(123_456_789)),
    }
}

#[test]
fn texts_are_taken_through_options_lists_and_boxes() {
    let old = session();
    let new = Session {
        user: Some(Id(2)),
        devices: vec![Id(3), Id(5)],
        last: Some(vec![Some(Id(1)), None]),
        boxed: Box::new(None),
        ..old.clone()
    };
    assert_eq!(
        snapshot(&old),
        json!({
            "id": "ID1", "user": null, "devices": ["ID3", "ID4"], "boxed": "Id(6)",
            "pair": ["ID7", "ID8"], "shared": "text", "masked": "****6789",
        })
    );
    let changes = diff(&old, &new);
    assert_eq!(changes["user"].new, Some("ID2".into()));
    assert_eq!(changes["devices[1]"].new, Some("ID5".into()));
    assert_eq!(changes["last"].new, Some(json!(["ID1", null])));
    assert_eq!(changes["boxed"].new, Some(json!(null)));
    assert_eq!(changes.len(), 4);
    assert!(diff(&old, &old.clone()).is_empty());
}

#[derive(Auditable, Clone)]
struct Dispute<T> {
    id: u32,
    #[audit(mask)]
    evidence: Secret<String>,
    #[audit(mask)]
    optional: Option<Secret<u8>>,
    #[audit(mask, skip_none)]
    absent: Option<Secret<u8>>,
    #[audit(mask)]
    own: Vec<u8>,
    #[audit(mask)]
    generic: T,
}

#[test]
fn a_mask_needs_equality_only() {
    let old = Dispute {
        id: 1,
        evidence: Secret("a".into()),
        optional: None,
        absent: None,
        own: vec![1],
        generic: 5_u8,
    };
    assert_eq!(
        snapshot(&old),
        json!({"id": 1, "evidence": "***", "optional": null, "own": "***", "generic": "***"})
    );
    assert!(diff(&old, &old.clone()).is_empty());
    let new = Dispute {
        evidence: Secret("b".into()),
        optional: Some(Secret(1)),
        absent: Some(Secret(1)),
        generic: 6,
        ..old.clone()
    };
    let changes = diff(&old, &new);
    assert_eq!(changes.len(), 4);
    assert_eq!(changes["evidence"].new, Some("***".into()));
    assert_eq!(changes["optional"].old, Some(json!(null)));
    assert!(
        changes
            .iter()
            .all(|change| change.redaction == Some(Redaction::Masked))
    );
}

#[derive(Auditable, Clone)]
struct Index<K, V, S> {
    id: u32,
    by: HashMap<K, Vec<V>, S>,
}

#[derive(Auditable, Clone)]
struct Seen<K> {
    id: u32,
    keys: BTreeSet<Option<K>>,
}

#[derive(Auditable, Clone)]
struct Tree<K> {
    children: std::collections::BTreeMap<K, Tree<K>>,
}

#[test]
fn generic_keys_need_no_bounds_on_the_struct() {
    fn index<S: BuildHasher + Default>(key: &str) -> Index<String, u8, S> {
        Index {
            id: 1,
            by: [(key.to_owned(), vec![1])].into_iter().collect(),
        }
    }
    let [old, new] = ["a", "b"].map(index::<std::hash::RandomState>);
    assert_eq!(diff(&old, &new).len(), 2);
    let seen = |key: u8| Seen {
        id: 1,
        keys: [Some(key)].into(),
    };
    assert_eq!(diff(&seen(1), &seen(2)).len(), 2);
    let tree = |key: &str| Tree {
        children: [(
            key.to_owned(),
            Tree {
                children: [].into(),
            },
        )]
        .into(),
    };
    assert_eq!(diff(&tree("a"), &tree("b")).len(), 2);
}
