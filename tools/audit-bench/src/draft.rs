//! `draft`: from a changed object to an entry in a store in memory.

use std::error::Error;
use std::sync::Mutex;

use auditlog::prelude::*;

use crate::measure::{Budget, compare};
use crate::model::{Account, account_two};
use crate::{allocations, by_hand};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let old = Account::sample();
    let new = account_two(&old);
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
        || by_hand::record(&old, &new, &kept),
    );
    compare(
        "draft/12-fields/unchanged",
        Budget::None,
        || log.updated(&old, &same).record(),
        || old == same,
    );

    allocations::rows("draft")
}
