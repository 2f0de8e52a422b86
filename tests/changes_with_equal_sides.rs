//! A change whose old and new value are recorded alike does not exist, unless something in it is
//! redacted: an update without a visible change makes no entry.

#![expect(clippy::option_option, reason = "absent, null and value differ")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use auditlog::prelude::*;
use auditlog::{AuditValue, Snapshot, diff, snapshot};
use serde_json::{Value, json};

/// Checks that two values are recorded alike, and that no change is told of them.
fn is_no_change<T: AuditValue>(old: &T, new: &T) {
    assert_eq!(snapshot(old), snapshot(new));
    let changes = diff(old, new);
    assert!(changes.is_empty(), "{changes}");
    assert!(old.same(new) && new.same(old));
}

#[derive(Auditable, Clone, Serialize)]
#[serde(untagged)]
enum Reference {
    Number(u64),
    Float(f64),
    Text(String),
    List(Vec<Reference>),
    Pair(u8, u8),
    Unit(()),
    Nothing,
}

#[derive(Auditable, Clone)]
struct Holder<T> {
    id: u32,
    value: T,
}

fn holder<T>(value: T) -> Holder<T> {
    Holder { id: 1, value }
}

#[test]
fn options_of_what_is_a_null_itself() {
    is_no_change(&None::<Option<u8>>, &Some(None));
    is_no_change(&None::<()>, &Some(()));
    is_no_change(&None, &Some(Value::Null));
    is_no_change(&Some(None::<Option<()>>), &Some(Some(Some(()))));
    is_no_change(&holder(None::<Option<u8>>), &holder(Some(None)));
    is_no_change(&vec![None::<Option<u8>>], &vec![Some(None)]);
    is_no_change(&(None::<Box<Option<u8>>>, 1), &(Some(Box::new(None)), 1));
    let map = |value: Option<Option<u8>>| BTreeMap::from([("a", value)]);
    is_no_change(&map(None), &map(Some(None)));
    // The same key in the trail.
    let keys = |key: Option<Option<u8>>| BTreeMap::from([(key, 1)]);
    assert!(diff(&keys(None), &keys(Some(None))).is_empty());
    let set = |member: Option<Option<u8>>| BTreeSet::from([member]);
    assert!(diff(&set(None), &set(Some(None))).is_empty());
}

#[test]
fn variants_of_an_untagged_enum() {
    let large = Reference::Number(u64::MAX);
    is_no_change(&large, &Reference::Text(u64::MAX.to_string()));
    is_no_change(&Reference::Float(f64::NAN), &Reference::Text("NaN".into()));
    is_no_change(&Reference::Unit(()), &Reference::Nothing);
    let list = Reference::List(vec![Reference::Number(1), Reference::Number(2)]);
    is_no_change(&list, &Reference::Pair(1, 2));
    is_no_change(
        &holder(vec![list.clone()]),
        &holder(vec![Reference::Pair(1, 2)]),
    );
    assert_eq!(diff(&list, &Reference::Pair(1, 3)).len(), 1);
    // Two spellings of one number.
    let (one, same) = (Reference::Number(1), Reference::Float(1.0));
    assert!(one.same(&same) && diff(&one, &same).is_empty());
}

#[test]
fn names_of_files() {
    let paths = [PathBuf::from("a//b"), PathBuf::from("a/b")];
    assert_eq!(diff(&paths[0], &paths[1]).len(), 1);
    assert!(!paths[0].same(&paths[1]));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let path = |byte: u8| PathBuf::from(OsString::from_vec(vec![b'a', byte]));
    let changes = diff(&path(0x80), &path(0x81));
    assert!(changes.iter().all(|change| change.old != change.new));
    assert_eq!(changes.len(), 1);
}

/// A type of one's own whose recorded form says less than its value.
#[derive(Clone)]
struct Celsius(f64);

impl AuditValue for Celsius {
    fn same(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        format!("{:.1} C", self.0).into()
    }
}

#[test]
fn a_type_of_ones_own() {
    assert!(diff(&holder(Celsius(21.46)), &holder(Celsius(21.47))).is_empty());
    assert_eq!(
        diff(&holder(Celsius(21.46)), &holder(Celsius(21.56))).len(),
        1
    );
}

#[test]
fn absent_and_null_are_told_apart_where_they_are_recorded_apart() {
    #[derive(Auditable, Clone)]
    struct Nickname {
        #[audit(skip_none)]
        name: Option<Option<String>>,
    }
    let nickname = |name| Nickname { name };
    let changes = diff(&nickname(None), &nickname(Some(None)));
    assert_eq!(changes["name"].new, Some(Value::Null));
    assert_eq!(changes["name"].old, None);
}

#[test]
fn what_is_redacted_is_a_change_though_it_shows_none() {
    #[derive(Auditable, Clone)]
    struct Secret {
        #[audit(mask)]
        pin: String,
    }
    let secret = |pin: &str| Secret { pin: pin.into() };
    let changes = diff(&secret("1"), &secret("2"));
    assert_eq!(changes["pin"].old, changes["pin"].new);
    let changes = diff(&holder(None), &holder(Some(secret("1"))));
    assert_eq!(changes["value"].new, Some(json!({"pin": "***"})));
}

#[test]
fn no_entry_is_made_of_it() {
    let log = AuditLog::builder().build();
    log.register::<Holder<Option<Option<u8>>>>();
    let receipt = log
        .updated(&holder(None::<Option<u8>>), &holder(Some(None)))
        .record()
        .expect("unchanged");
    assert!(!receipt.is_recorded());
}

#[test]
fn two_steps_that_shift_equal_items_do_not_replace_one_by_itself() {
    let steps = [json!([1, [], 2]), json!([[], 3]), json!([[], [], 1, 2])];
    for a in &steps {
        for b in &steps {
            for c in &steps {
                let both = diff(a, b).compose(&diff(b, c));
                let mut state = a.clone();
                both.apply(&mut state).expect("changes apply");
                assert_eq!(&state, c);
                assert!(
                    both.iter()
                        .all(|change| change.old != change.new || !change.moved.is_empty())
                );
            }
        }
    }
}
