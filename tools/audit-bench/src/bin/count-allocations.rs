//! Counts allocations for the groups of `audit-bench`, which starts this program.

#![expect(
    dead_code,
    reason = "modules of the other program, of which this one needs a part"
)]

use std::alloc::System;
use std::error::Error;
use std::sync::Mutex;

use auditlog::prelude::*;
use stats_alloc::{Region, StatsAlloc};

use self::measure::{Budget, row};
use self::model::{Account, Order};

#[path = "../by_hand.rs"]
mod by_hand;
#[path = "../measure.rs"]
mod measure;
#[path = "../model.rs"]
mod model;

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let group = arguments.next().unwrap_or_default();
    measure::configure(arguments);
    match group.as_str() {
        "diff" => {
            diff();
            Ok(())
        }
        "draft" => draft(),
        group => Err(format!("no allocations are counted for the group `{group}`").into()),
    }
}

/// Returns how many allocations `work` makes, growing ones included.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn count<R>(work: impl FnOnce() -> R) -> f64 {
    let region = Region::new(&ALLOCATOR);
    let result = work();
    let stats = region.change();
    drop(result);
    (stats.allocations + stats.reallocations) as f64
}

fn diff() {
    let (account, order) = (Account::sample(), Order::sample());
    let (same_account, same_order) = (account.clone(), order.clone());
    let none = Budget::Value(0.0);
    row(
        "diff/flat12/equal/allocations",
        count(|| auditlog::diff(&account, &same_account)),
        1.0,
        "",
        none,
    );
    row(
        "diff/nested/equal/allocations",
        count(|| auditlog::diff(&order, &same_order)),
        1.0,
        "",
        none,
    );
}

fn draft() -> Result<(), Box<dyn Error>> {
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let old = Account::sample();
    let new = model::account_two(&old);
    let _context = auditlog::context()
        .actor("alice")
        .correlation_id("req-4711")
        .enter();
    let kept = Mutex::new(Vec::new());
    // One that is recorded before, so that what grows has room.
    log.updated(&old, &new).record()?;
    by_hand::record(&old, &new, &kept);
    row(
        "draft/12-fields/2-changed/allocations",
        count(|| log.updated(&old, &new).record()),
        count(|| by_hand::record(&old, &new, &kept)),
        "",
        Budget::Value(20.0),
    );
    Ok(())
}
