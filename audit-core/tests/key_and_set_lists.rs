//! `key` and `set` on every kind of list, and on optional lists.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use audit_core::{AuditValue, Changes, diff, snapshot};
use audit_derive::Auditable;
use serde_json::{Value, json};

#[derive(Auditable, Clone)]
#[audit(crate = audit_core)]
struct Item {
    sku: String,
    qty: u32,
}

fn items(list: &[(&str, u32)]) -> Vec<Item> {
    let item = |(sku, qty): &(&str, u32)| Item {
        sku: (*sku).to_owned(),
        qty: *qty,
    };
    list.iter().map(item).collect()
}

/// A deque whose items are in two parts.
fn in_two_parts<T>(items: Vec<T>) -> VecDeque<T> {
    let length = items.len();
    let mut deque: VecDeque<T> = VecDeque::with_capacity(length + 1);
    let mut items: Vec<T> = items;
    let rest = items.split_off(length / 2);
    deque.extend(rest);
    for item in items.into_iter().rev() {
        deque.push_front(item);
    }
    deque
}

#[derive(Auditable, Clone)]
#[audit(crate = audit_core)]
struct Lists {
    id: u32,
    #[audit(key = "sku")]
    list: Vec<Item>,
    #[audit(key = "sku")]
    deque: VecDeque<Item>,
    #[audit(key = "sku")]
    optional: Option<Vec<Item>>,
    #[audit(key = "sku")]
    both: Option<VecDeque<Item>>,
    #[audit(key = "sku", skip_none)]
    absent: Option<Vec<Item>>,
    #[audit(key = "sku")]
    shared: Arc<[Item]>,
    #[audit(set)]
    tags: VecDeque<String>,
    #[audit(set)]
    labels: Option<Vec<String>>,
    #[audit(set)]
    words: Cow<'static, [u8]>,
}

fn lists(list: &[(&str, u32)], tags: &[&str]) -> Lists {
    let items = items(list);
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Lists {
        id: 1,
        list: items.clone(),
        deque: in_two_parts(items.clone()),
        optional: Some(items.clone()),
        both: Some(in_two_parts(items.clone())),
        absent: Some(items.clone()),
        shared: items.into(),
        words: tags.iter().map(|tag| tag.as_bytes()[0]).collect(),
        tags: in_two_parts(tags.clone()),
        labels: Some(tags),
    }
}

fn lead(changes: &Changes, old: &Lists, new: &Lists) {
    let mut state = snapshot(old);
    changes.apply(&mut state).unwrap();
    assert_eq!(state, snapshot(new));
    changes.invert().apply(&mut state).unwrap();
    assert_eq!(state, snapshot(old));
}

#[test]
fn items_are_matched_in_every_kind_of_list() {
    let old = lists(&[("a", 1), ("b", 2), ("c", 3)], &["x", "y"]);
    let new = lists(&[("c", 3), ("a", 5), ("d", 4)], &["z", "y", "y"]);
    let changes = diff(&old, &new);
    for name in ["list", "deque", "optional", "both", "absent", "shared"] {
        let path = |rest: &str| format!("{name}[sku={rest}");
        assert_eq!(changes[&*path("'a'].qty")].new, Some(json!(5)), "{changes}");
        assert!(changes[&*path("'b']")].new.is_none(), "{changes}");
        assert!(changes[&*path("'d']")].old.is_none(), "{changes}");
    }
    for name in ["tags", "labels"] {
        assert!(
            changes.contains(format!("{name}['x']").as_str()),
            "{changes}"
        );
        assert!(
            changes.contains(format!("{name}['z']").as_str()),
            "{changes}"
        );
        assert!(
            !changes.contains(format!("{name}['y']").as_str()),
            "{changes}"
        );
    }
    lead(&changes, &old, &new);
    assert!(diff(&old, &old.clone()).is_empty());
    assert!(old.same(&old.clone()));
}

#[test]
fn adding_or_removing_a_list_is_one_change() {
    let old = lists(&[("a", 1)], &["x"]);
    let new = Lists {
        optional: None,
        both: None,
        absent: None,
        labels: None,
        ..old.clone()
    };
    let changes = diff(&old, &new);
    assert_eq!(changes.len(), 4, "{changes}");
    assert_eq!(changes["optional"].new, Some(Value::Null));
    assert_eq!(changes["absent"].new, None);
    assert_eq!(changes["labels"].old, Some(json!(["x"])));
    lead(&changes, &old, &new);
    assert!(diff(&new, &new.clone()).is_empty());
}
