//! Changes and entries as code by hand builds them.

use std::borrow::Cow;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::model::Account;

/// What a change is, as code by hand would have it: the fields of `auditlog::Change`.
#[expect(dead_code, reason = "built to be as large as what it stands beside")]
pub(crate) struct ByHand {
    pub(crate) path: Cow<'static, str>,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) redaction: Option<u8>,
}

pub(crate) fn push(
    changes: &mut Vec<ByHand>,
    path: impl Into<Cow<'static, str>>,
    old: Value,
    new: Value,
) {
    changes.push(ByHand {
        path: path.into(),
        old: Some(old),
        new: Some(new),
        redaction: None,
    });
}

/// The way without a diff of one's own: both to JSON, and compare the top-level fields.
pub(crate) fn through_json<T: serde::Serialize>(old: &T, new: &T) -> Vec<ByHand> {
    let (Ok(Value::Object(old)), Ok(Value::Object(mut new))) =
        (serde_json::to_value(old), serde_json::to_value(new))
    else {
        return Vec::new();
    };
    old.into_iter()
        .filter_map(|(name, old)| {
            let new = new.remove(&name)?;
            (old != new).then(|| ByHand {
                path: name.into(),
                old: Some(old),
                new: Some(new),
                redaction: None,
            })
        })
        .collect()
}

/// The changes of the two fields that these benchmarks change, as JSON.
pub(crate) fn two_fields(old: &Account, new: &Account) -> Map<String, Value> {
    let mut changes = Map::new();
    if old.email != new.email {
        changes.insert(
            "email".to_owned(),
            json!({"old": old.email, "new": new.email}),
        );
    }
    if old.logins != new.logins {
        changes.insert(
            "logins".to_owned(),
            json!({"old": old.logins, "new": new.logins}),
        );
    }
    changes
}

/// An entry as text, by hand: the changed fields, who, when and a number.
pub(crate) fn record(old: &Account, new: &Account, kept: &Mutex<Vec<String>>) {
    let changes = two_fields(old, new);
    let entry = json!({
        "action": "update",
        "actor": "alice",
        "changes": changes,
        "correlation_id": "req-4711",
        "model": "Account",
        "object_pk": new.id.to_string(),
        "object_repr": new.username,
        "timestamp": chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).to_rfc3339(),
    });
    if let Ok(mut kept) = kept.lock() {
        kept.push(entry.to_string());
    }
}
