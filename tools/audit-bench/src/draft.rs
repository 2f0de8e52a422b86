//! `draft`: from a changed object to an entry in a store in memory.

use std::error::Error;
use std::sync::Mutex;

use auditlog::prelude::*;

use crate::allocations;
use crate::measure::{Budget, compare, row};
use crate::model::Account;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let old = Account::sample();
    let new = Account {
        email: "new@example.com".to_owned(),
        logins: 18,
        ..old.clone()
    };
    let same = old.clone();
    let _who = auditlog::context()
        .actor("alice")
        .correlation_id("req-4711")
        .enter();

    let kept = Mutex::new(Vec::new());
    let nanoseconds = Budget::Value(2000.0);
    compare(
        "draft/12-fields/2-changed",
        nanoseconds,
        || log.updated(&old, &new).record(),
        || by_hand(&old, &new, &kept),
    );
    compare(
        "draft/12-fields/unchanged",
        Budget::None,
        || log.updated(&old, &same).record(),
        || old == same,
    );

    // One that is recorded before, so that what grows has room.
    log.updated(&old, &new).record()?;
    by_hand(&old, &new, &kept);
    let ours = allocations::count(|| log.updated(&old, &new).record());
    let reference = allocations::count(|| by_hand(&old, &new, &kept));
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    row(
        "draft/12-fields/2-changed/allocations",
        ours as f64,
        reference as f64,
        "",
        Budget::Value(20.0),
    );
    Ok(())
}

/// An entry as text, by hand: the changed fields, who, when and a number.
fn by_hand(old: &Account, new: &Account, kept: &Mutex<Vec<String>>) {
    let mut changes = serde_json::Map::new();
    if old.email != new.email {
        changes.insert(
            "email".to_owned(),
            serde_json::json!({"old": old.email, "new": new.email}),
        );
    }
    if old.logins != new.logins {
        changes.insert(
            "logins".to_owned(),
            serde_json::json!({"old": old.logins, "new": new.logins}),
        );
    }
    let entry = serde_json::json!({
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
